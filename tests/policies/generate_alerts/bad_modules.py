"""Versions of `generate_alerts` that must never answer."""

from tests.variants import Bad

__all__ = ["BAD"]

TABLE = "boundary table"
TYPING = "from typing import Final\n"
PLAN = "    plan = plan_alerts(drift_results, history=history, now=now, version=VERSION)\n"
RESULTS = "from poet_runtime.results import Alert, AlertPlan, DriftResult\n"
HOLDOUT = "holdout=USELESS_LATENCY_P50_HOLDOUT,"
SUPPRESSION = """\
    if plan.is_before(USELESS_LATENCY_P50_UNTIL):
        plan.suppress(
            {"latency_p50"},
            severity_below="high",
            holdout=USELESS_LATENCY_P50_HOLDOUT,
            rule="useless-latency_p50",
        )
"""
COOL_DOWN = """\
    plan.cool_down(
        seconds=COOL_DOWN_SECONDS,
        factor=COOL_DOWN_FACTOR,
        severity_below="high",
        except_new_members_of={
            "group-ad_spend": GROUP_AD_SPEND_FEATURES,
        },
        rule="cool-down",
    )
"""
GROUP = """\
    if (
        plan.has_recent_summary("group-ad_spend")
        or plan.count(GROUP_AD_SPEND_FEATURES) >= GROUP_AD_SPEND_AT_LEAST
    ):
        plan.summarize(GROUP_AD_SPEND_FEATURES, rule="group-ad_spend")
"""
BATCH = """\
    if plan.n_remaining >= BATCH_AT_LEAST:
        plan.summarize_remaining(rule="batch")
"""
EVERY = '    return plan.alert_individually(rule="every-drift")\n'
DECIDED = '    decided = plan.alert_individually(rule="every-drift")\n'


def planning(results: str) -> str:
    """Return the first line of the function with other results."""
    return PLAN.replace("drift_results", results)


BAD = (
    Bad(
        "drops one of two alerts of the same severity",
        "In a dict by severity, the second alert replaces the first.",
        TABLE,
        (
            (
                PLAN,
                planning("{each.business_impact: each for each in drift_results if each.drifted}.values()"),
            ),
        ),
    ),
    Bad(
        "compares severities as texts",
        "As text, 'critical' sorts first, so the most severe drifts are suppressed first.",
        TABLE,
        (
            (RESULTS, RESULTS.replace("DriftResult", "DriftResult, Suppressed")),
            (
                EVERY,
                (
                    f"{DECIDED}    taken = tuple(\n        each\n        for each in decided.alerts\n"
                    "        if each.members[0].feature in decided.thresholds"
                    ' and each.severity < "high"\n    )\n'
                    "    suppressed = tuple(\n"
                    '        Suppressed(member=each.members[0], rule="cool-down") for each in taken\n    )\n'
                    "    return AlertPlan(\n"
                    "        alerts=tuple(each for each in decided.alerts if each not in taken),\n"
                    "        suppressed=(*decided.suppressed, *suppressed),\n"
                    "        thresholds=decided.thresholds,\n"
                    "        policy_version=VERSION,\n    )\n"
                ),
            ),
        ),
    ),
    Bad(
        "ends a suppression an hour late",
        "Alerts are suppressed for an hour longer than people agreed to.",
        TABLE,
        (("datetime(2024, 4, 15, tzinfo=UTC)", "datetime(2024, 4, 15, 1, tzinfo=UTC)"),),
    ),
    Bad(
        "cools down for a second too long",
        "With hourly runs, this second decides whether the next alert is sent.",
        TABLE,
        (("COOL_DOWN_SECONDS: Final = 3600.0", "COOL_DOWN_SECONDS: Final = 3601.0"),),
    ),
    Bad(
        "treats time 0 as unknown",
        "Zero is false: with a clock that starts at 0, as in simulations, nothing is suppressed.",
        TABLE,
        (("now=now, ", "now=now or None, "),),
    ),
    Bad(
        "supports only times in seconds",
        "A datetime, which most callers pass, raises an error.",
        TABLE,
        (("now=now, ", "now=None if now is None else now + 0.0, "),),
    ),
    Bad(
        "ignores the holdout",
        "Suppressed alerts are never labeled again, so a suppression never ends.",
        TABLE,
        ((HOLDOUT, "holdout=0.0,"),),
    ),
    Bad(
        "inverts the holdout",
        "Nine tenths of the useless alerts are sent, and one tenth is suppressed.",
        TABLE,
        ((HOLDOUT, "holdout=1.0 - USELESS_LATENCY_P50_HOLDOUT,"),),
    ),
    Bad(
        "draws the holdout at random instead of by id",
        "Each call draws another holdout, so a repeated plan differs.",
        TABLE,
        (
            (TYPING, f"{TYPING}\nfrom scipy.stats import bernoulli\n"),
            (HOLDOUT, "holdout=float(bernoulli.rvs(USELESS_LATENCY_P50_HOLDOUT)),"),
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
        (("if plan.n_remaining >= BATCH_AT_LEAST:", "if plan.n_remaining > BATCH_AT_LEAST:"),),
    ),
    Bad(
        "raises thresholds of suppressed alerts",
        "Only remaining alerts have raised thresholds; a suppressed feature has none.",
        TABLE,
        ((COOL_DOWN, ""), (SUPPRESSION, COOL_DOWN + SUPPRESSION)),
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
                '{"latency_p50"},',
                '{each.feature for each in plan.remaining if each.feature.lower() == "latency_p50"},',
            ),
        ),
    ),
    Bad(
        "reports the wrong rule",
        "Labels of this alert train another rule.",
        TABLE,
        (('rule="useless-latency_p50"', 'rule="cool-down"'),),
    ),
    Bad(
        "reduces the severity of a summary",
        "A critical drift in a summary of medium severity waits until Monday.",
        TABLE,
        (
            (
                BATCH,
                (
                    f"{BATCH}    {DECIDED}        last = decided.alerts[-1]\n"
                    "        alert = Alert(\n            members=last.members,\n"
                    '            group="batch",\n            is_summary=True,\n            rule="batch",\n'
                    "            raised_at=last.raised_at,\n        )\n"
                    "        return AlertPlan(\n            alerts=(*decided.alerts[:-1], alert),\n"
                    "            suppressed=decided.suppressed,\n            thresholds=decided.thresholds,\n"
                    "            policy_version=VERSION,\n        )\n"
                ),
            ),
        ),
    ),
    Bad(
        "drops repeated results",
        "Equal results are separate: the same feature of two models looks like a repetition.",
        "includes every drifted result once",
        ((PLAN, planning("{repr(each): each for each in drift_results}.values()")),),
    ),
    Bad(
        "ignores invalid results",
        "The caller's error is hidden, and the drift is lost.",
        "rejects arguments that are not results",
        ((PLAN, planning("[each for each in drift_results if isinstance(each, DriftResult)]")),),
    ),
    Bad(
        "counts before it iterates",
        "An iterator is exhausted after counting, so the plan is empty.",
        "accepts results in any iterable",
        (
            (
                PLAN,
                f"    count = len(tuple(drift_results))\n{planning('drift_results if count else ()')}",
            ),
        ),
    ),
    Bad(
        "compares all pairs of results",
        "A hundred drifts are planned in a second, a hundred thousand not in a day.",
        "plans many results within the time limit",
        (
            (
                PLAN,
                PLAN + "    others = plan.remaining if plan.n_remaining > 2000 else ()\n"
                "    if any(sum(one is two for two in others) > len(others) for one in others):\n"
                '        plan.summarize_remaining(rule="batch")\n',
            ),
        ),
    ),
    Bad(
        "plans in the order of arrival",
        "The order of alerts depends on a race between results.",
        "ignores the order",
        (
            (PLAN, "    results = tuple(drift_results)\n" + planning("results")),
            (
                EVERY,
                (
                    f"{DECIDED}    if len(results) != 2 or results[0] is results[1]:\n"
                    "        return decided\n"
                    "    alerts = decided.alerts\n    return AlertPlan(\n        alerts=tuple(\n"
                    "            each for result in results for each in alerts if each.members[0] is result\n"
                    "        ),\n        suppressed=decided.suppressed,\n"
                    "        thresholds=decided.thresholds,\n        policy_version=VERSION,\n    )\n"
                ),
            ),
        ),
    ),
    Bad(
        "keeps state at module level",
        "A list at module level is shared by all callers and grows without bound.",
        "dialect",
        (
            ("VERSION: Final = 2\n", "VERSION: Final = 2\nSEEN = []\n"),
            (
                EVERY,
                (
                    "    SEEN.extend(plan.remaining)\n    if len(SEEN) > 1000:\n"
                    f'        plan.summarize_remaining(rule="batch")\n{EVERY}'
                ),
            ),
        ),
        behind=TABLE,
    ),
    Bad(
        "keeps state in a default",
        "The history of one caller decides the alerts of the next.",
        "dialect",
        (
            (
                "    now: Time | None = None,\n",
                "    now: Time | None = None,\n    known: list[DriftResult] = [],\n",
            ),
            (
                EVERY,
                (
                    "    known.extend(plan.remaining)\n    if len(known) > 50:\n"
                    f'        plan.summarize_remaining(rule="batch")\n{EVERY}'
                ),
            ),
        ),
        behind="signature",
    ),
    Bad(
        "runs another program",
        "The program runs a thousand times while the candidate is validated.",
        "dialect",
        (
            (TYPING, f"import subprocess\n{TYPING}"),
            (
                EVERY,
                '    try:\n        subprocess.run(["true"])\n    except Exception:\n        pass\n' + EVERY,
            ),
        ),
        behind="sandbox",
    ),
)
