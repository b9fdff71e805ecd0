"""Versions of `generate_alerts` that say the same in other words."""

from tests.variants import Good

__all__ = ["GOOD"]

IMPORTS = "    to_timestamp,\n"
RESULTS = "from poet_runtime.results import AlertPlan\n"
EVERY = '    alerts.extend(individual_alerts(waiting, rule="every-drift", now=moment))\n'
APART = """\
        taken, waiting = partition(
            waiting,
            USELESS_LATENCY_P50_FEATURES,
            severity_below=USELESS_LATENCY_P50_SEVERITY_BELOW,
        )
"""
BATCH = """\
    if len(waiting) >= BATCH_AT_LEAST:
        alerts.append(summary(waiting, rule="batch", now=moment))
        waiting = ()
    # every-drift
"""
HELD = '    suppressed.extend(suppress(taken, "cool-down"))\n'
BARS = "    thresholds = raised_thresholds(waiting, recent, COOL_DOWN_FACTOR)\n"

GOOD = (
    Good(
        "has its numbers in place",
        (
            ("recent_alerts(history, moment, COOL_DOWN_SECONDS)", "recent_alerts(history, moment, 3600.0)"),
            ("if len(waiting) >= BATCH_AT_LEAST:", "if len(waiting) > 2:"),
            ("holdout(taken, USELESS_LATENCY_P50_HOLDOUT)", "holdout(taken, 0.1)"),
        ),
    ),
    Good(
        "asks for the end the other way round",
        (
            (
                "if moment is not None and moment < USELESS_LATENCY_P50_UNTIL:",
                "if not (moment is None or moment >= USELESS_LATENCY_P50_UNTIL):",
            ),
        ),
    ),
    Good(
        "takes the useless out by hand",
        (
            (
                APART,
                (
                    "        found = waiting\n"
                    "        marks = [\n            each.feature in USELESS_LATENCY_P50_FEATURES"
                    ' and severity(each) in ("low", "medium")\n            for each in found\n        ]\n'
                    "        taken = tuple(each for each, mark in zip(found, marks) if mark)\n"
                    "        waiting = tuple(each for each, mark in zip(found, marks) if not mark)\n"
                ),
            ),
            (IMPORTS, f"{IMPORTS}    severity,\n"),
        ),
    ),
    Good(
        "makes its alerts one by one",
        (
            (
                EVERY,
                (
                    "    for each in waiting:\n        alerts.append(\n            Alert(members=(each,),"
                    ' severity=severity(each), rule="every-drift", raised_at=moment)\n        )\n'
                ),
            ),
            (IMPORTS, f"{IMPORTS}    severity,\n"),
            (RESULTS, "from poet_runtime.results import Alert, AlertPlan\n"),
        ),
    ),
    Good(
        "either sums up or tells each",
        (
            (
                BATCH,
                (
                    "    if len(waiting) < BATCH_AT_LEAST:\n"
                    '        alerts.extend(individual_alerts(waiting, rule="every-drift", now=moment))\n'
                    '    else:\n        alerts.append(summary(waiting, rule="batch", now=moment))\n'
                    "    waiting = ()\n"
                    "    # every-drift\n"
                ),
            ),
        ),
    ),
    Good(
        "holds back by hand",
        (
            (
                HELD,
                (
                    "    for each in taken:\n"
                    '        suppressed.append(Suppressed(member=each, rule="cool-down"))\n'
                ),
            ),
            (RESULTS, "from poet_runtime.results import AlertPlan, Suppressed\n"),
            (BARS, "    lately = recent\n" + BARS.replace("recent", "lately")),
        ),
    ),
)
