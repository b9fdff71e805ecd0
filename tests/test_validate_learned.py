"""Wrong versions of the learned scenario modules, with one small change each: a gate rejects every one."""

import dataclasses
from pathlib import Path

import pytest

from poet.build.check import CheckedModule, check
from poet.build.render import render
from poet.build.validate import ContractBrokenError, validate
from poet.spec.decisions import decode
from tests.regenerate_golden import golden

pytestmark = pytest.mark.usefixtures("_forked")

IMPORTANCE, ALERTS, STRATEGY = (
    "calculate_feature_importance",
    "generate_alerts",
    "adaptive_monitoring_strategy",
)
EVERY = 'return plan.alert_individually(rule="every-drift")'
DECIDED = f"{EVERY.replace('return', 'decided =')}\n    return AlertPlan(policy_version=VERSION, "
SUPPRESSED = "suppressed=decided.suppressed, thresholds=decided.thresholds, "
LOST_HOLDOUT = f"{DECIDED}{SUPPRESSED}alerts=tuple(a for a in decided.alerts if not a.is_holdout))"
LOST_ALERTS = f"{DECIDED}{SUPPRESSED}alerts=tuple(a for a in decided.alerts if a.is_summary))"
LOST_SUPPRESSIONS = f"{DECIDED}alerts=decided.alerts, thresholds=decided.thresholds)"
NO_TIME = (
    f"{DECIDED}{SUPPRESSED}alerts=tuple("
    "Alert(members=a.members, severity=a.severity, group=a.group, rule=a.rule, "
    "is_summary=a.is_summary, is_holdout=a.is_holdout) for a in decided.alerts))"
)
FAULTS = {
    "multiplies the wrong features": (IMPORTANCE, 'feature_name == "user', 'feature_name != "user'),
    "forgets the season": (IMPORTANCE, ' and get(context, "time_of_year") == "black_friday"', ""),
    "forgets the company": (IMPORTANCE, ' and "day_of_week" in other_features', ""),
    "uses or instead of and": (IMPORTANCE, '"price" and "day', '"price" or "day'),
    "adds instead of multiplying": (IMPORTANCE, "importance *= PRICE", "importance += PRICE"),
    "has a narrower lower limit": (IMPORTANCE, "max(importance, 0.1 * base)", "max(importance, 0.2 * base)"),
    "has a narrower upper limit": (IMPORTANCE, "10.0 * base)", "4.0 * base)"),
    "reads another field": (IMPORTANCE, 'get(context, "time_of_year")', 'get(context, "season")'),
    "returns an integer": (IMPORTANCE, "return min(", "return int(min("),
    "ends a suppression late": (ALERTS, "datetime(2024, 4, 15, tz", "datetime(2024, 4, 15, 0, 0, 1, tz"),
    "never ends a suppression": (ALERTS, "is_before(USELESS_LATENCY_P50_UNTIL)", "is_before(1e300)"),
    "suppresses without a time": (ALERTS, "history=history, now=now", "history=history, now=now or 0.0"),
    "has no holdout": (ALERTS, "holdout=USELESS_LATENCY_P50_HOLDOUT", "holdout=0.0"),
    "loses the holdout": (ALERTS, EVERY, LOST_HOLDOUT),
    "loses suppressions": (ALERTS, EVERY, LOST_SUPPRESSIONS),
    "names another rule": (ALERTS, 'rule="cool-down"', 'rule="cool"'),
    "raises thresholds too far": (ALERTS, "factor=COOL_DOWN_FACTOR", "factor=9.0"),
    "cools down for too long": (ALERTS, "seconds=COOL_DOWN_SECONDS", "seconds=1e9"),
    "uses > instead of >= for a batch": (ALERTS, "plan.n_remaining >= BATCH", "plan.n_remaining > BATCH"),
    "repeats the members of a summary": (
        ALERTS, "plan_alerts(drift_results", "plan_alerts((*drift_results,) * 2",
    ),
    "loses the other results": (ALERTS, EVERY, LOST_ALERTS),
    "never reopens a summary": (ALERTS, 'plan.has_recent_summary("group-ad_spend")', "False"),
    "cools down new members of a group": (
        ALERTS, '"group-ad_spend": GROUP_AD_SPEND_FEATURES', '"group-ad_spend": frozenset()',
    ),
    "suppresses severe results": (ALERTS, 'severity_below="high"', 'severity_below="critical"'),
    "forgets the time of an alert": (ALERTS, EVERY, NO_TIME),
    "includes the drift rate": (STRATEGY, "< QUIET_DRIFT_RATE_BELOW", "<= QUIET_DRIFT_RATE_BELOW"),
    "monitors critical models less": (STRATEGY, ' and impact in {"none", "low", "medium"}', ""),
    "trusts a missing impact": (STRATEGY, '"business_impact", "critical")', '"business_impact", "low")'),
    "monitors critical models hourly": (STRATEGY, 'frequency="real_time"', 'frequency="hourly"'),
    "tests a critical model once": (STRATEGY, 'tests="multiple"', 'tests="single"'),
    "forgets incidents": (STRATEGY, "if has_recent_incident(", "if not has_recent_incident("),
    "keeps one feature too few": (STRATEGY, "QUIET_TOP, ", "QUIET_TOP - 1, "),
    "keeps any features": (STRATEGY, "first=QUIET_FEATURES", "first=frozenset()"),
    "gives no reason": (STRATEGY, 'reason="quiet"', 'reason=""'),
}  # fmt: skip


def learned_module(policy: str) -> CheckedModule:
    """Return the module learned from a scenario."""
    return check(render(decode((golden(policy) / "scenario" / "decisions.json").read_bytes())))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_version_is_rejected(tmp_path: Path, fault: str) -> None:
    """The boundary table or the contract rejects it."""
    policy, old, new = FAULTS[fault]
    good = learned_module(policy)
    source = good.rendered.source.replace(old, new)
    if new.startswith("return int("):
        source = source.replace("10.0 * base)", "10.0 * base))")
    assert source != good.rendered.source, f"the fault {fault!r} no longer fits the template"
    bad = CheckedModule(dataclasses.replace(good.rendered, source=source), good.sha256)
    with pytest.raises(ContractBrokenError):
        validate(bad, staging=tmp_path, effort=15)
