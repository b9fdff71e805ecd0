"""The scenarios that the policies were drawn for: events in, generated code out, and what it then does."""

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
from tests.regenerate_golden import EVENTS, golden, learned, line, scenario_events, scenarios

POLICIES = sorted(BUILT_IN)


def taught(policy: str) -> ModuleType:
    """Give the module that a scenario teaches."""
    return module_of(decode((golden(policy) / "scenario" / "decisions.json").read_bytes()))


@pytest.mark.parametrize("policy", POLICIES)
def test_the_events_of_a_scenario_are_the_ones_that_are_kept(policy: str) -> None:
    """The folder's events are what the scenario's function gives."""
    kept = (golden(policy) / "scenario" / EVENTS).read_bytes()
    assert kept == b"".join(map(line, scenario_events(policy)))


@pytest.mark.parametrize("case", scenarios(), ids=lambda case: case.parent.name)
def test_the_events_of_a_scenario_teach_its_decisions(case: Path) -> None:
    """Through log, segments, summaries and learner, to the byte."""
    assert encode(learned(case)) == (case / "decisions.json").read_bytes()


@pytest.mark.parametrize("policy", POLICIES)
def test_what_a_scenario_teaches_keeps_the_contract(policy: str, tmp_path: Path) -> None:
    """In the sandbox, as before every publication."""
    decisions = decode((golden(policy) / "scenario" / "decisions.json").read_bytes())
    assert validate(check(render(decisions)), staging=tmp_path, effort=10).report.passed


def test_windows_follow_velocity_stability_and_limits() -> None:
    """500 above 5000 points an hour, twice that for revenue and conversions, 5000 below, never over 45000."""
    window = taught("calculate_adaptive_window").calculate_adaptive_window
    assert [window("clicks", velocity, "normal") for velocity in (5_000.0, 5_001.0)] == [5_000, 500]
    assert [window(name, 8_000.0, "normal") for name in ("revenue", "conversions")] == [1_000, 1_000]


def test_importance_follows_season_company_and_irrelevance() -> None:
    """Black friday x 3, price with day_of_week x 1.5, user_location 0.1: mappings and objects alike."""
    importance = taught("calculate_feature_importance").calculate_feature_importance
    friday: dict[str, Any] = {"time_of_year": "black_friday"}
    assert [importance(name, friday) for name in ("price", "discount", "user_age")] == [3.0, 3.0, 1.0]
    assert importance("price", SimpleNamespace(other_features=["day_of_week"])) == 1.5
    assert importance("price", friday | {"other_features": ["day_of_week"]}) == 4.5
    assert importance("user_location", {}) == 0.1
    assert importance("never seen", friday) == 1.0


def drift(feature: str, **fields: Any) -> DriftResult:
    """Give a drifted result."""
    return DriftResult(drifted=True, score=1.2, threshold=1.0, test="t", feature=feature, **fields)


def test_three_alerts_of_one_cause_become_one_and_bars_rise_for_a_while() -> None:
    """One summary; an hour of a bar three times as high; what is useless waits, but for what is grave."""
    alerts = taught("generate_alerts").generate_alerts
    three = [drift(name) for name in ("ad_spend", "clicks", "sessions")]
    plan = alerts(three, now=1_710_000_000.0)
    assert [(len(alert.members), alert.is_summary) for alert in plan.alerts] == [(3, True)]
    again = alerts(three[:1], history=[plan], now=1_710_000_600.0)
    assert (again.alerts, again.thresholds) == ((), {"ad_spend": 3.0})
    later = alerts(three[:1], history=[plan], now=1_710_003_600.0)
    assert (len(later.alerts), later.thresholds) == (1, {})
    useless = [drift("latency_p50", execution_id=f"x{k}") for k in range(200)]
    held = alerts(useless, now=1_710_000_000.0)
    assert 160 <= len(held.suppressed) < 200
    assert all(alert.is_holdout for alert in held.alerts)
    assert not alerts([drift("latency_p50", business_impact="critical")], now=1_710_000_000.0).suppressed
    assert not alerts(useless, now=1_714_000_000.0).suppressed


def test_large_tables_are_sampled_and_sparse_ones_seen_by_presence() -> None:
    """To 10 000 rows at a loss of 0.05; above nine tenths missing by the sparse method."""
    monitor = taught("monitor_with_recovery").monitor_with_recovery
    large = monitor({"a": [1.0] * 60_000}, monitor=lambda table: len(table["a"]))
    assert (large.results, large.strategy, round(large.quality_loss, 3)) == (10_000, "sampled", 0.05)
    sparse = monitor({"a": [None] * 19 + [1.0]}, monitor=lambda table: sum(table["a"]))
    assert (sparse.results, sparse.strategy) == (1.0, "sparse")
    assert monitor({"a": [1.0] * 500}, monitor=lambda table: len(table["a"])).strategy == "full"


def test_critical_models_are_watched_quiet_ones_less_and_incidents_count_for_a_while() -> None:
    """Real time for critical, daily for quiet, more for a day after an incident, the safe side in doubt."""
    strategy = taught("adaptive_monitoring_strategy").adaptive_monitoring_strategy
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
