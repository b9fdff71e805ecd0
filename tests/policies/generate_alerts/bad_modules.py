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
        "drops one of two alerts of equal severity",
        "In a dict keyed by severity, the second alert of a severity replaces the first.",
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
        "compares severities as text",
        "In alphabetical order, critical comes first, so the most severe drifts are suppressed.",
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
        "extends a suppression by one hour",
        "Alerts are missed for an hour without evidence.",
        TABLE,
        (("USELESS_LATENCY_P50_UNTIL = 1713139200.0", "USELESS_LATENCY_P50_UNTIL = 1713142800.0"),),
    ),
    Bad(
        "extends the cool-down by one second",
        "For hourly runs, that second decides whether the next run alerts.",
        TABLE,
        (("COOL_DOWN_SECONDS = 3600.0", "COOL_DOWN_SECONDS = 3601.0"),),
    ),
    Bad(
        "treats time 0 as no time",
        "Zero is falsy: for a clock that starts at 0, as in every simulation, nothing is suppressed.",
        TABLE,
        (("if moment is not None and moment <", "if moment and moment <"),),
    ),
    Bad(
        "supports only times in seconds",
        "A datetime, which most callers pass, raises.",
        TABLE,
        ((MOMENT, "    moment = now\n"), ("    to_timestamp,\n", "")),
    ),
    Bad(
        "ignores the holdout",
        "Suppressed alerts are never labeled again, so the suppression never ends.",
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
        "draws the holdout at random",
        "The share differs in every call, so a repeated plan holds out other alerts.",
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
        "summarizes a batch before groups",
        "The rules are in the wrong order: three drifts with a known cause are summarized without it.",
        TABLE,
        ((GROUP, ""), (BATCH, BATCH + GROUP)),
    ),
    Bad(
        "summarizes one alert too early",
        "A comparison is off by one from the decisions' at_least.",
        TABLE,
        (("if len(waiting) >= BATCH_AT_LEAST:", "if len(waiting) > BATCH_AT_LEAST:"),),
    ),
    Bad(
        "raises thresholds for suppressed features",
        "Thresholds are raised for waiting results only; a suppressed feature has none.",
        TABLE,
        ((BARS, BARS.replace("waiting", "drifted(drift_results)")),),
    ),
    Bad(
        "omits a feature of a group",
        "One name is missing from a set.",
        TABLE,
        (('frozenset({"ad_spend", "clicks", "sessions"})', 'frozenset({"ad_spend", "clicks"})'),),
    ),
    Bad(
        "ignores the case of feature names",
        "Latency_P50 and latency_p50 are two columns, and only one has labels.",
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
        "Feedback on this alert would be credited to another rule.",
        TABLE,
        (('suppress(taken, "useless-latency_p50")', 'suppress(taken, "cool-down")'),),
    ),
    Bad(
        "lowers the severity of a summary",
        "A summary of a critical drift that is marked as medium waits until Monday.",
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
        "drops equal results",
        "Two equal results are two drifts: the same feature of two models looks like a duplicate.",
        "includes every drifted result once",
        ((FOUND, FOUND + "    waiting = tuple({repr(each): each for each in waiting}.values())\n"),),
    ),
    Bad(
        "ignores arguments that are not results",
        "A caller's error is hidden, together with the drift that should have been passed.",
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
        "exhausts an iterator",
        "After counting, an iterator is empty, so the plan reports no drift.",
        "accepts results in any iterable",
        ((FOUND, f"    count = len(tuple(drift_results))\n{FOUND}    waiting = waiting if count else ()\n"),),
    ),
    Bad(
        "searches a list for every result",
        "A hundred models that drift together are planned in a second, a hundred thousand not in a day.",
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
        "depends on the order of results",
        "The order of results depends on a race between callers.",
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
        "keeps state in a global list",
        "A list at module level is shared by all callers and grows forever.",
        "dialect",
        (
            ("VERSION = 2\n", "VERSION = 2\nSEEN = []\n"),
            (EVERY, "    SEEN.extend(waiting)\n    waiting = waiting[: 1000 - len(SEEN)]\n" + EVERY),
        ),
        behind=TABLE,
    ),
    Bad(
        "keeps state in a default argument",
        "The history of one caller influences the alerts of the next.",
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
        "The alert is sent directly, and a thousand times during validation.",
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
