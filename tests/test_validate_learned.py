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
FAULTS = {
    "multiplies the wrong features": (IMPORTANCE, "feature_name in NEVER", "feature_name not in NEVER"),
    "forgets the season": (IMPORTANCE, ' and field(context, "time_of_year") == ', " and "),
    "forgets the company": (IMPORTANCE, " and PRICE_WITH_DAY_OF_WEEK_OTHER in company", ""),
    "uses or instead of and": (IMPORTANCE, "_FEATURE and PRICE", "_FEATURE or PRICE"),
    "adds instead of multiplying": (IMPORTANCE, "importance * PRICE", "importance + PRICE"),
    "has a narrower lower limit": (IMPORTANCE, "max(importance, 0.1 * base)", "max(importance, 0.2 * base)"),
    "has a narrower upper limit": (IMPORTANCE, "10.0 * base)", "4.0 * base)"),
    "reads another field": (IMPORTANCE, 'field(context, "time_of_year")', 'field(context, "season")'),
    "returns an integer": (IMPORTANCE, "return min(", "return int(min("),
    "includes the end of a suppression": (ALERTS, "moment < USELESS", "moment <= USELESS"),
    "never ends a suppression": (ALERTS, "moment < USELESS_LATENCY_P50_UNTIL", "moment < 1e300"),
    "suppresses without a time": (ALERTS, "if moment is not None and", "if moment is None or"),
    "has no holdout": (ALERTS, "holdout(taken, USELESS_LATENCY_P50_HOLDOUT)", "holdout(taken, 0.0)"),
    "loses the holdout": (ALERTS, "alerts.extend(individual_alerts(asked,", "alerts.extend(individual_alerts((),"),
    "loses suppressions": (ALERTS, 'suppressed.extend(suppress(taken, "cool-down"))', "suppressed.extend([])"),
    "names another rule": (ALERTS, 'suppress(taken, "cool-down")', 'suppress(taken, "cool")'),
    "raises thresholds too far": (ALERTS, " recent, COOL_DOWN_FACTOR, sev", " recent, 9.0, sev"),
    "cools down for too long": (ALERTS, "moment, COOL_DOWN_SECONDS)", "moment, 1e9)"),
    "uses > instead of >= for a batch": (ALERTS, "len(waiting) >= BATCH", "len(waiting) > BATCH"),
    "repeats the members of a summary": (ALERTS, "        waiting = others\n", ""),
    "loses the other results": (ALERTS, "        waiting = others\n", "        waiting = ()\n"),
    "never reopens a summary": (ALERTS, "or (members and is_reopened)", "or (members and False)"),
    "suppresses severe results": (ALERTS, "=COOL_DOWN_SEVERITY_BELOW", '="critical"'),
    "forgets the time of an alert": (ALERTS, 'rule="batch", now=moment', 'rule="batch", now=None'),
    "includes the drift rate": (STRATEGY, "< QUIET_DRIFT_RATE_BELOW", "<= QUIET_DRIFT_RATE_BELOW"),
    "monitors critical models less": (STRATEGY, ' and impact in ("none", "low", "medium")', ""),
    "trusts a missing impact": (STRATEGY, '"business_impact", "critical")', '"business_impact", "low")'),
    "monitors critical models hourly": (STRATEGY, "frequency=THOROUGH_FREQUENCY", "frequency=FREQUENCY"),
    "tests a critical model once": (STRATEGY, "tests=THOROUGH_TESTS", "tests=TESTS"),
    "forgets incidents": (STRATEGY, "if has_recent_incident(", "if not has_recent_incident("),
    "keeps one feature too few": (STRATEGY, "QUIET_FEATURES, QUIET_TOP)", "QUIET_FEATURES, QUIET_TOP - 1)"),
    "keeps any features": (STRATEGY, "QUIET_FEATURES, QUIET_TOP)", "frozenset(), QUIET_TOP)"),
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
