"""Versions of `generate_alerts` that say the same in other words."""

from tests.variants import Good

__all__ = ["GOOD"]

IMPORTS = "from poet_runtime.alerts import Time, plan_alerts\n"
RESULTS = "from poet_runtime.results import Alert, AlertPlan, DriftResult\n"
EVERY = '    return plan.alert_individually(rule="every-drift")\n'
DECIDED = '    decided = plan.alert_individually(rule="every-drift")\n'
BEFORE = "    if plan.is_before(USELESS_LATENCY_P50_UNTIL):\n"
BATCH = """\
    if plan.n_remaining >= BATCH_AT_LEAST:
        plan.summarize_remaining(rule="batch")
"""
GROUPS = """\
        except_new_members_of={
            "group-ad_spend": GROUP_AD_SPEND_FEATURES,
        },
"""

GOOD = (
    Good(
        "has its numbers in place",
        (
            ("seconds=COOL_DOWN_SECONDS", "seconds=3600.0"),
            ("if plan.n_remaining >= BATCH_AT_LEAST:", "if plan.n_remaining > 2:"),
            ("holdout=USELESS_LATENCY_P50_HOLDOUT", "holdout=0.1"),
        ),
    ),
    Good(
        "asks for the end the other way round",
        ((BEFORE, f"{BEFORE.replace('if ', 'if not ')}        pass\n    else:\n"),),
    ),
    Good(
        "takes the useless out by hand",
        (
            (IMPORTS, IMPORTS.replace("plan_alerts", "plan_alerts, severity")),
            (
                '            {"latency_p50"},\n            severity_below="high",\n',
                (
                    "            {\n                each.feature\n"
                    "                for each in plan.remaining\n"
                    '                if each.feature == "latency_p50" and severity(each) != "critical"\n'
                    '            },\n            severity_below="high",\n'
                ),
            ),
        ),
    ),
    Good(
        "makes its alerts one by one",
        (
            (
                EVERY,
                (
                    f"{DECIDED}    rebuilt = []\n    for each in decided.alerts:\n        rebuilt.append(\n"
                    "            Alert(\n                members=each.members,\n"
                    "                severity=each.severity,\n                group=each.group,\n"
                    "                is_summary=each.is_summary,\n"
                    "                is_holdout=each.is_holdout,\n                rule=each.rule,\n"
                    "                raised_at=each.raised_at,\n            )\n        )\n"
                    "    return AlertPlan(\n        alerts=tuple(rebuilt),\n"
                    "        suppressed=decided.suppressed,\n        thresholds=decided.thresholds,\n"
                    "        policy_version=VERSION,\n    )\n"
                ),
            ),
        ),
    ),
    Good(
        "either sums up or tells each",
        (
            (
                BATCH,
                (
                    f"    if plan.n_remaining < BATCH_AT_LEAST:\n    {EVERY}"
                    '    plan.summarize_remaining(rule="batch")\n'
                ),
            ),
        ),
    ),
    Good(
        "holds back by hand",
        (
            (RESULTS, RESULTS.replace("DriftResult", "DriftResult, Suppressed")),
            (
                "    plan.cool_down(\n",
                '    groups = {"group-ad_spend": GROUP_AD_SPEND_FEATURES}\n    plan.cool_down(\n',
            ),
            (GROUPS, "        except_new_members_of=groups,\n"),
            (
                EVERY,
                (
                    f"{DECIDED}    members = []\n    for each in decided.suppressed:\n"
                    "        members.append(Suppressed(member=each.member, rule=each.rule))\n"
                    "    return AlertPlan(\n        alerts=decided.alerts,\n"
                    "        suppressed=tuple(members),\n        thresholds=decided.thresholds,\n"
                    "        policy_version=VERSION,\n    )\n"
                ),
            ),
        ),
    ),
)
