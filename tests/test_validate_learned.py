"""Subtly wrong versions of what the scenarios teach: each is refused, by a gate that should."""

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
    "multiplies where it should not": (IMPORTANCE, "feature_name in NEVER", "feature_name not in NEVER"),
    "forgets the season": (IMPORTANCE, ' and field(context, "time_of_year") == ', " and "),
    "forgets the company": (IMPORTANCE, " and PRICE_WITH_DAY_OF_WEEK_OTHER in company", ""),
    "takes or for and": (IMPORTANCE, "_FEATURE and PRICE", "_FEATURE or PRICE"),
    "adds in place of multiplying": (IMPORTANCE, "importance * PRICE", "importance + PRICE"),
    "has a narrower lower limit": (IMPORTANCE, "max(importance, 0.1 * base)", "max(importance, 0.2 * base)"),
    "has a narrower upper limit": (IMPORTANCE, "10.0 * base)", "4.0 * base)"),
    "asks another field": (IMPORTANCE, 'field(context, "time_of_year")', 'field(context, "season")'),
    "answers with a whole number": (IMPORTANCE, "return min(", "return int(min("),
    "suppresses a moment too long": (ALERTS, "moment < USELESS", "moment <= USELESS"),
    "never ends a suppression": (ALERTS, "moment < USELESS_LATENCY_P50_UNTIL", "moment < 1e300"),
    "suppresses without a moment": (ALERTS, "if moment is not None and", "if moment is None or"),
    "asks about nothing": (ALERTS, "holdout(taken, USELESS_LATENCY_P50_HOLDOUT)", "holdout(taken, 0.0)"),
    "loses who is asked": (ALERTS, "alerts.extend(individual(asked,", "alerts.extend(individual((),"),
    "loses what is held": (ALERTS, 'suppressed.extend(held(taken, "cool-down"))', "suppressed.extend([])"),
    "names another rule": (ALERTS, 'held(taken, "cool-down")', 'held(taken, "cool")'),
    "raises the bar too far": (ALERTS, "s(waiting, recent, COOL_DOWN_FACTOR,", "s(waiting, recent, 9.0,"),
    "cools down for too long": (ALERTS, "moment, COOL_DOWN_SECONDS)", "moment, 1e9)"),
    "sums up one too few": (ALERTS, "len(waiting) >= BATCH", "len(waiting) > BATCH"),
    "keeps a summed-up group": (ALERTS, "        waiting = others\n", ""),
    "loses the rest": (ALERTS, "        waiting = others\n", "        waiting = ()\n"),
    "never reopens a summary": (ALERTS, "or (members and is_reopened)", "or (members and False)"),
    "holds back what is grave": (ALERTS, "=COOL_DOWN_SEVERITY_BELOW", '="critical"'),
    "forgets when it was raised": (ALERTS, 'rule="batch", now=moment', 'rule="batch", now=None'),
    "is quiet at the border": (STRATEGY, "< QUIET_DRIFT_RATE_BELOW", "<= QUIET_DRIFT_RATE_BELOW"),
    "is quiet about what is grave": (STRATEGY, ' and impact in ("none", "low", "medium")', ""),
    "trusts a missing impact": (STRATEGY, '"business_impact", "critical")', '"business_impact", "low")'),
    "watches the critical by the hour": (STRATEGY, "frequency=THOROUGH_FREQUENCY", "frequency=FREQUENCY"),
    "tests a critical model once": (STRATEGY, "tests=THOROUGH_TESTS", "tests=TESTS"),
    "forgets incidents": (STRATEGY, "if has_recent_incident(", "if not has_recent_incident("),
    "keeps one feature too few": (STRATEGY, "QUIET_FEATURES, QUIET_TOP)", "QUIET_FEATURES, QUIET_TOP - 1)"),
    "keeps any features": (STRATEGY, "QUIET_FEATURES, QUIET_TOP)", "frozenset(), QUIET_TOP)"),
    "gives no reason": (STRATEGY, 'reason="quiet"', 'reason=""'),
}  # fmt: skip


def taught(policy: str) -> CheckedModule:
    """Give the module that a scenario teaches."""
    return check(render(decode((golden(policy) / "scenario" / "decisions.json").read_bytes())))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_subtly_wrong_version_is_refused(tmp_path: Path, fault: str) -> None:
    """By its boundary table or its contract."""
    policy, old, new = FAULTS[fault]
    good = taught(policy)
    source = good.rendered.source.replace(old, new)
    if new.startswith("return int("):
        source = source.replace("10.0 * base)", "10.0 * base))")
    assert source != good.rendered.source, f"the fault {fault!r} no longer fits the template"
    bad = CheckedModule(dataclasses.replace(good.rendered, source=source), good.sha256)
    with pytest.raises(ContractBrokenError):
        validate(bad, staging=tmp_path, effort=15)
