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
        "drops one of two of the same severity",
        "Keyed by severity, the second alert of a kind takes the place of the first.",
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
        "As text, critical comes before everything: the gravest drifts are held back first.",
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
        "lets a suppression end an hour late",
        "An hour of useless silence, or of silence that is not useless.",
        TABLE,
        (("USELESS_LATENCY_P50_UNTIL = 1713139200.0", "USELESS_LATENCY_P50_UNTIL = 1713142800.0"),),
    ),
    Bad(
        "cools down for a second too long",
        "The second between two hourly runs is the one that decides whether the next is heard.",
        TABLE,
        (("COOL_DOWN_SECONDS = 3600.0", "COOL_DOWN_SECONDS = 3601.0"),),
    ),
    Bad(
        "takes the first moment for none",
        "Zero is false: a clock that starts at 0, as in every simulation, holds nothing back.",
        TABLE,
        (("if moment is not None and moment <", "if moment and moment <"),),
    ),
    Bad(
        "takes moments in seconds alone",
        "A datetime, which is what most callers have, raises in the night.",
        TABLE,
        ((MOMENT, "    moment = now\n"), ("    to_timestamp,\n", "")),
    ),
    Bad(
        "ignores the share to ask about",
        "What is held back is never asked about again, and so never comes back.",
        TABLE,
        ((HOLDOUT, "asked = ()"), ("    holdout,\n", "")),
    ),
    Bad(
        "asks about the wrong share",
        "Nine tenths of what is useless are alerted, one tenth is held back.",
        TABLE,
        ((HOLDOUT, "taken, asked = holdout(taken, USELESS_LATENCY_P50_HOLDOUT)"),),
    ),
    Bad(
        "asks by chance and not by the id",
        "Another share at every call: a plan that is made again asks about others.",
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
        "sums up before it groups",
        "Two rules in the wrong order: three drifts of one known cause are told as three of none.",
        TABLE,
        ((GROUP, ""), (BATCH, BATCH + GROUP)),
    ),
    Bad(
        "sums up one too few",
        "A strict comparison where the decisions say at least.",
        TABLE,
        (("if len(waiting) >= BATCH_AT_LEAST:", "if len(waiting) > BATCH_AT_LEAST:"),),
    ),
    Bad(
        "raises bars of what it has held back",
        "The bars are those of what still waits; a feature that is suppressed for good has none.",
        TABLE,
        ((BARS, BARS.replace("waiting", "drifted(drift_results)")),),
    ),
    Bad(
        "leaves out a feature of a group",
        "One name less in a set.",
        TABLE,
        (('frozenset({"ad_spend", "clicks", "sessions"})', 'frozenset({"ad_spend", "clicks"})'),),
    ),
    Bad(
        "reads names in any case",
        "Latency_P50 and latency_p50 are two columns, one of them never judged useless.",
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
        "blames the wrong rule",
        "What people answer to this alert is learned by another rule.",
        TABLE,
        (('suppress(taken, "useless-latency_p50")', 'suppress(taken, "cool-down")'),),
    ),
    Bad(
        "plays down a summary",
        "A summary of a critical drift that is told as medium waits until Monday.",
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
        "loses what came twice",
        "Two alike are two: the same feature of two models looks like a repetition.",
        "loses no drifted result",
        ((FOUND, FOUND + "    waiting = tuple({repr(each): each for each in waiting}.values())\n"),),
    ),
    Bad(
        "leaves out what is no result",
        "A caller's error is swallowed together with the drift that it should have passed.",
        "refuses what is no result",
        (
            (RESULTS, "from poet_runtime.results import AlertPlan, DriftResult\n"),
            (
                FOUND,
                "    waiting = drifted(each for each in drift_results if isinstance(each, DriftResult))\n",
            ),
        ),
    ),
    Bad(
        "counts before it reads",
        "An iterator is empty when it has been counted: nothing drifted, says the plan.",
        "takes results in any container",
        ((FOUND, f"    count = len(tuple(drift_results))\n{FOUND}    waiting = waiting if count else ()\n"),),
    ),
    Bad(
        "looks for each among all others",
        "A hundred models that drift at once are planned in a second, a hundred thousand not in a day.",
        "plans very many results in time",
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
        "plans in the order in which results came",
        "Whoever comes first is told first, and who that is depends on a race.",
        "forgets the order",
        (
            (
                FOUND,
                "    drift_results = tuple(drift_results)\n" + FOUND + "    if len(waiting) == 2:\n"
                "        waiting = tuple(each for each in drift_results if each.drifted)\n",
            ),
        ),
    ),
    Bad(
        "keeps what it has planned",
        "A list at the top of the module is one for all callers, and grows for ever.",
        "dialect",
        (
            ("VERSION = 2\n", "VERSION = 2\nSEEN = []\n"),
            (EVERY, "    SEEN.extend(waiting)\n    waiting = waiting[: 1000 - len(SEEN)]\n" + EVERY),
        ),
        behind=TABLE,
    ),
    Bad(
        "remembers by a default",
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
        "The alert goes out by itself, a thousand times while the candidate is being tried.",
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
