"""Versions of `generate_alerts` that must never answer."""

from tests.variants import Bad

__all__ = ["BAD"]

TABLE = "boundary table"
HEAD = "from poet_runtime.alerts import (\n"
RESULTS = "from poet_runtime.results import AlertPlan\n"
FOUND = "    waiting = drifted(drift_results)\n"
MOMENT = "    moment = to_timestamp(now)\n"
HOLDOUT = "asked, taken = holdout(taken, USELESS_LATENCY_P50_HOLDOUT)"
GROUP = """\
    # group-ad_spend
    members, others = partition(waiting, GROUP_AD_SPEND_FEATURES)
    is_reopened = is_open("group-ad_spend", earlier)
    if len(members) >= GROUP_AD_SPEND_AT_LEAST or (members and is_reopened):
        alerts.append(summary(members, rule="group-ad_spend", now=moment))
        waiting = others
"""
BATCH = """\
    # batch
    if len(waiting) >= BATCH_AT_LEAST:
        alerts.append(summary(waiting, rule="batch", now=moment))
        waiting = ()
"""
EVERY = '    alerts.extend(individual_alerts(waiting, rule="every-drift", now=moment))\n'
WITHIN = """\
    taken, waiting = below_threshold(
        waiting, recent, COOL_DOWN_FACTOR, severity_below=COOL_DOWN_SEVERITY_BELOW
    )
"""
BARS = "    thresholds = raised_thresholds(waiting, recent, COOL_DOWN_FACTOR)\n"

BAD = (
    Bad(
        "drops one of two alerts of the same severity",
        "In a dict by severity, the second alert replaces the first.",
        TABLE,
        (
            (
                EVERY,
                (
                    "    kinds = {each.business_impact: each for each in waiting}\n"
                    "    one_each = tuple(kinds.values())\n"
                    '    alerts.extend(individual_alerts(one_each, rule="every-drift", now=moment))\n'
                ),
            ),
        ),
    ),
    Bad(
        "compares severities as texts",
        "As text, 'critical' sorts first, so the most severe drifts are suppressed first.",
        TABLE,
        (
            (
                WITHIN,
                (
                    "    taken = tuple(\n        each for each in waiting\n"
                    "        if each.feature in recent and each.business_impact < "
                    "COOL_DOWN_SEVERITY_BELOW\n    )\n"
                    "    waiting = tuple(each for each in waiting if each not in taken)\n"
                ),
            ),
        ),
    ),
    Bad(
        "ends a suppression an hour late",
        "Alerts are suppressed for an hour longer than people agreed to.",
        TABLE,
        (("USELESS_LATENCY_P50_UNTIL = 1713139200.0", "USELESS_LATENCY_P50_UNTIL = 1713142800.0"),),
    ),
    Bad(
        "cools down for a second too long",
        "With hourly runs, this second decides whether the next alert is sent.",
        TABLE,
        (("COOL_DOWN_SECONDS = 3600.0", "COOL_DOWN_SECONDS = 3601.0"),),
    ),
    Bad(
        "treats time 0 as unknown",
        "Zero is false: with a clock that starts at 0, as in simulations, nothing is suppressed.",
        TABLE,
        (("if moment is not None and moment <", "if moment and moment <"),),
    ),
    Bad(
        "supports only times in seconds",
        "A datetime, which most callers pass, raises an error.",
        TABLE,
        ((MOMENT, "    moment = now\n"), ("    to_timestamp,\n", "")),
    ),
    Bad(
        "ignores the holdout",
        "Suppressed alerts are never labeled again, so a suppression never ends.",
        TABLE,
        ((HOLDOUT, "asked = ()"), ("    holdout,\n", "")),
    ),
    Bad(
        "inverts the holdout",
        "Nine tenths of the useless alerts are sent, and one tenth is suppressed.",
        TABLE,
        ((HOLDOUT, "taken, asked = holdout(taken, USELESS_LATENCY_P50_HOLDOUT)"),),
    ),
    Bad(
        "draws the holdout at random instead of by id",
        "Each call draws another holdout, so a repeated plan differs.",
        TABLE,
        (
            (HEAD, f"from scipy.stats import bernoulli\n\n{HEAD}"),
            (
                HOLDOUT,
                (
                    "lots = bernoulli.rvs(USELESS_LATENCY_P50_HOLDOUT, size=len(taken)) == 1\n"
                    "        asked = tuple(each for each, lot in zip(taken, lots) if lot)\n"
                    "        taken = tuple(each for each, lot in zip(taken, lots) if not lot)"
                ),
            ),
        ),
    ),
    Bad(
        "applies the batch before groups",
        "Two rules in the wrong order: three drifts with a known cause are reported without it.",
        TABLE,
        ((GROUP, ""), (BATCH, BATCH + GROUP)),
    ),
    Bad(
        "uses the wrong size of a batch",
        "The comparison is strict, but the decisions say 'at least'.",
        TABLE,
        (("if len(waiting) >= BATCH_AT_LEAST:", "if len(waiting) > BATCH_AT_LEAST:"),),
    ),
    Bad(
        "raises thresholds of suppressed alerts",
        "Only remaining alerts have raised thresholds; a suppressed feature has none.",
        TABLE,
        ((BARS, BARS.replace("waiting", "drifted(drift_results)")),),
    ),
    Bad(
        "leaves out a feature of a group",
        "A name is missing from a set.",
        TABLE,
        (('frozenset({"ad_spend", "clicks", "sessions"})', 'frozenset({"ad_spend", "clicks"})'),),
    ),
    Bad(
        "ignores the case of names",
        "Latency_P50 and latency_p50 are two columns, and only one of them was labeled useless.",
        TABLE,
        (
            (
                (
                    "        taken, waiting = partition(\n            waiting,\n"
                    "            USELESS_LATENCY_P50_FEATURES,\n"
                ),
                (
                    "        names = frozenset(\n            each.feature for each in waiting"
                    " if each.feature.lower() in USELESS_LATENCY_P50_FEATURES\n        )\n"
                    "        taken, waiting = partition(\n            waiting,\n            names,\n"
                ),
            ),
        ),
    ),
    Bad(
        "reports the wrong rule",
        "Labels of this alert train another rule.",
        TABLE,
        (('suppress(taken, "useless-latency_p50")', 'suppress(taken, "cool-down")'),),
    ),
    Bad(
        "reduces the severity of a summary",
        "A critical drift in a summary of medium severity waits until Monday.",
        TABLE,
        (
            (RESULTS, "from poet_runtime.results import Alert, AlertPlan\n"),
            (
                '        alerts.append(summary(waiting, rule="batch", now=moment))\n',
                (
                    "        alerts.append(\n            Alert(\n"
                    '                members=waiting, group="batch",'
                    ' is_summary=True, rule="batch", raised_at=moment\n            )\n        )\n'
                ),
            ),
        ),
    ),
    Bad(
        "drops repeated results",
        "Equal results are separate: the same feature of two models looks like a repetition.",
        "includes every drifted result once",
        ((FOUND, FOUND + "    waiting = tuple({repr(each): each for each in waiting}.values())\n"),),
    ),
    Bad(
        "ignores invalid results",
        "The caller's error is hidden, and the drift is lost.",
        "rejects arguments that are not results",
        (
            (RESULTS, "from poet_runtime.results import AlertPlan, DriftResult\n"),
            (
                FOUND,
                "    waiting = drifted(each for each in drift_results if isinstance(each, DriftResult))\n",
            ),
        ),
    ),
    Bad(
        "counts before it iterates",
        "An iterator is exhausted after counting, so the plan is empty.",
        "accepts results in any iterable",
        ((FOUND, f"    count = len(tuple(drift_results))\n{FOUND}    waiting = waiting if count else ()\n"),),
    ),
    Bad(
        "compares all pairs of results",
        "A hundred drifts are planned in a second, a hundred thousand not in a day.",
        "plans many results within the time limit",
        (
            (
                FOUND,
                FOUND + "    others = waiting if len(waiting) > 2000 else ()\n"
                "    if any(sum(one is two for two in others) > len(others) for one in others):\n"
                "        waiting = ()\n",
            ),
        ),
    ),
    Bad(
        "plans in the order of arrival",
        "The order of alerts depends on a race between results.",
        "ignores the order",
        (
            (
                FOUND,
                "    drift_results = tuple(drift_results)\n" + FOUND + "    if len(waiting) == 2:\n"
                "        waiting = tuple(each for each in drift_results if each.drifted)\n",
            ),
        ),
    ),
    Bad(
        "keeps state at module level",
        "A list at module level is shared by all callers and grows without bound.",
        "dialect",
        (
            ("VERSION = 2\n", "VERSION = 2\nSEEN = []\n"),
            (EVERY, "    SEEN.extend(waiting)\n    waiting = waiting[: 1000 - len(SEEN)]\n" + EVERY),
        ),
        behind=TABLE,
    ),
    Bad(
        "keeps state in a default",
        "The history of one caller decides the alerts of the next.",
        "dialect",
        (
            ("drift_results, *, history=(), now=None", "drift_results, *, history=(), now=None, known=[]"),
            (
                EVERY,
                "    known.extend(waiting)\n    waiting = waiting if len(known) < 50 else ()\n" + EVERY,
            ),
        ),
        behind="signature",
    ),
    Bad(
        "runs another program",
        "The program runs a thousand times while the candidate is validated.",
        "dialect",
        (
            (HEAD, f"import subprocess\n\n{HEAD}"),
            (
                EVERY,
                EVERY + '    try:\n        subprocess.run(["true"])\n    except Exception:\n        pass\n',
            ),
        ),
        behind="sandbox",
    ),
)
