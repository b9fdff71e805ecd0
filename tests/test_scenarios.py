"""Reference scenarios of the policies: events in, generated code out, and its answers."""

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from poet.build.check import check
from poet.build.render import render
from poet.build.validate import validate
from poet.spec.decisions import decode, encode
from poet_runtime.policies.policy import BUILT_IN
from poet_runtime.results import DriftResult
from tests.modules import module_of
from tests.regenerate_golden import (
    EVENTS,
    EXAMPLES,
    example_page,
    golden,
    learned,
    line,
    scenario_events,
    scenarios,
)

POLICIES = sorted(BUILT_IN)


def learned_module(policy: str) -> ModuleType:
    """Return the module learned from a scenario."""
    return module_of(decode((golden(policy) / "scenario" / "decisions.json").read_bytes()))


@pytest.mark.parametrize("policy", POLICIES)
def test_stored_events_of_a_scenario_match_its_function(policy: str) -> None:
    """The folder's events equal those that the scenario's function returns."""
    stored = (golden(policy) / "scenario" / EVENTS).read_bytes()
    assert stored == b"".join(map(line, scenario_events(policy)))


@pytest.mark.parametrize("case", scenarios(), ids=lambda case: case.parent.name)
def test_learning_from_a_scenario_gives_its_decisions(case: Path) -> None:
    """The bytes are equal after log, segments, summaries and learner."""
    assert encode(learned(case)) == (case / "decisions.json").read_bytes()


@pytest.mark.parametrize("case", scenarios(), ids=lambda case: case.parents[1].name)
def test_the_page_of_a_scenario_is_current(case: Path) -> None:
    """The page in docs/examples shows the module and the difference that the scenario gives today."""
    page = EXAMPLES / f"{case.parents[1].name}.md"
    assert page.read_text(encoding="utf-8") == example_page(case), "run python -m tests.regenerate_golden"


@pytest.mark.parametrize("policy", POLICIES)
def test_a_learned_module_satisfies_the_contract(policy: str, tmp_path: Path) -> None:
    """The sandbox is the same as before every publication."""
    decisions = decode((golden(policy) / "scenario" / "decisions.json").read_bytes())
    assert validate(check(render(decisions)), staging=tmp_path, effort=10).report.passed


def test_windows_follow_velocity_stability_and_limits() -> None:
    """The window is 500 above 5000 points per hour, doubled for revenue and conversions, and 5000 below."""
    window = learned_module("calculate_adaptive_window").calculate_adaptive_window
    assert [window("clicks", velocity, "normal") for velocity in (5_000.0, 5_001.0)] == [5_000, 500]
    assert [window(name, 8_000.0, "normal") for name in ("revenue", "conversions")] == [1_000, 1_000]


def test_importance_depends_on_season_and_other_features() -> None:
    """The multiplier is 3 on Black Friday, 1.5 for price with day_of_week, and 0.1 for user_location."""
    importance = learned_module("calculate_feature_importance").calculate_feature_importance
    friday: dict[str, Any] = {"time_of_year": "black_friday"}
    assert [importance(name, friday) for name in ("price", "discount", "user_age")] == [3.0, 3.0, 1.0]
    assert importance("price", SimpleNamespace(other_features=["day_of_week"])) == 1.5
    assert importance("price", friday | {"other_features": ["day_of_week"]}) == 4.5
    assert importance("user_location", {}) == 0.1
    assert importance("never seen", friday) == 1.0


def drift(feature: str, **fields: Any) -> DriftResult:
    """Return a drifted result."""
    return DriftResult(drifted=True, score=1.2, threshold=1.0, test="t", feature=feature, **fields)


def test_alerts_with_one_cause_are_summarized_and_thresholds_rise_temporarily() -> None:
    """One summary triples thresholds for an hour, and useless alerts are suppressed unless severe."""
    alerts = learned_module("generate_alerts").generate_alerts
    three = [drift(name) for name in ("ad_spend", "clicks", "sessions")]
    plan = alerts(three, now=1_710_000_000.0)
    assert [(len(alert.members), alert.is_summary) for alert in plan.alerts] == [(3, True)]
    again = alerts(three[:1], history=[plan], now=1_710_000_600.0)
    assert (again.alerts, again.thresholds) == ((), {"ad_spend": 3.0})
    later = alerts(three[:1], history=[plan], now=1_710_003_600.0)
    assert (len(later.alerts), later.thresholds) == (1, {})
    useless = [drift("latency_p50", execution_id=f"x{k}") for k in range(200)]
    suppressed = alerts(useless, now=1_710_000_000.0)
    assert 160 <= len(suppressed.suppressed) < 200
    assert all(alert.is_holdout for alert in suppressed.alerts)
    assert not alerts([drift("latency_p50", business_impact="critical")], now=1_710_000_000.0).suppressed
    assert not alerts(useless, now=1_714_000_000.0).suppressed


def test_large_tables_are_sampled_and_sparse_ones_use_the_sparse_method() -> None:
    """Samples have 10 000 rows at a loss of 0.05; above 90 % missing values the sparse method is used."""
    monitor = learned_module("monitor_with_recovery").monitor_with_recovery
    large = monitor({"a": [1.0] * 60_000}, monitor=lambda table: len(table["a"]))
    assert (large.results, large.strategy, round(large.quality_loss, 3)) == (10_000, "sampled", 0.05)
    sparse = monitor({"a": [None] * 19 + [1.0]}, monitor=lambda table: sum(table["a"]))
    assert (sparse.results, sparse.strategy) == (1.0, "sparse")
    assert monitor({"a": [1.0] * 500}, monitor=lambda table: len(table["a"])).strategy == "full"


def test_strategy_depends_on_impact_drift_rate_and_incidents() -> None:
    """It is real time for critical models and after incidents, daily for quiet ones, else the default."""
    strategy = learned_module("adaptive_monitoring_strategy").adaptive_monitoring_strategy
    quiet = {
        "business_impact": "low",
        "historical_drift_rate": 0.005,
        "features": ["a", "price", "b", "discount"],
    }
    critical = strategy({"business_impact": "critical"})
    assert (critical.frequency, critical.features, critical.tests) == ("real_time", "all", "multiple")
    less = strategy(quiet)
    assert (less.frequency, less.features, less.tests) == ("daily", ("discount", "price", "a"), "single")
    assert strategy(quiet | {"recent_incidents": 1}).frequency == "real_time"
    assert strategy(quiet | {"recent_incidents": 1, "days_since_incident": 3.0}).frequency == "daily"
    assert strategy(quiet | {"historical_drift_rate": None}).frequency == "hourly"
    assert strategy({}).frequency == "real_time"
