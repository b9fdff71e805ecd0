"""Tests of estimated costs of a miss, a false alarm and a run, and of soft votes from actions."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from poet.events import Event, make
from poet.learning.configuration import Costs, LearnConfiguration
from poet.learning.costs import learned_costs
from poet.learning.labels import count_votes, with_soft_votes
from tests.builders import execution, summaries_of, validation

VALUE = "monitoring.value_delivered"


def reports(type_: str, n: int, **data: Any) -> list[Event]:
    """Return `n` events of one type, an hour apart."""
    return [make(type_, data, source=f"user/{k % 3}", id=f"{type_}-{k}", time=3600.0 * k) for k in range(n)]


def costs_of(tmp_path: Path, events: list[Event], **costs: float) -> dict[str, float]:
    """Return the costs estimated from these events."""
    configuration = LearnConfiguration(costs=Costs(**costs))
    learned, _ = learned_costs(summaries_of(tmp_path, events), configuration)
    return {"miss": learned.miss, "false_alarm": learned.false_alarm, "run": learned.run}


def test_costs_without_reports_are_the_configured_ones(tmp_path: Path) -> None:
    """A miss costs three false alarms."""
    assert costs_of(tmp_path, []) == {"miss": 3.0, "false_alarm": 1.0, "run": 0.001}


def test_few_reports_change_no_cost_and_many_do(tmp_path: Path) -> None:
    """The configured cost has the weight of ten reports."""
    few = reports(VALUE, 9, drift_catch="drift-1", prevented_loss=500, monitoring_cost=1)
    many = reports(VALUE, 30, drift_catch="drift-1", prevented_loss=500, monitoring_cost=1)
    assert costs_of(tmp_path / "few", few)["miss"] == 3.0
    assert costs_of(tmp_path / "many", many)["miss"] == 5.0


def test_a_cost_stays_within_the_maximum_adjustment(tmp_path: Path) -> None:
    """The maximum is a factor of two, unless poet.toml allows more."""
    many = reports(VALUE, 40, drift_catch="drift-1", prevented_loss=50_000, monitoring_cost=1)
    assert costs_of(tmp_path / "a", many)["miss"] == 6.0
    assert costs_of(tmp_path / "b", many, max_adjustment_factor=100.0)["miss"] == 300.0


def test_wasted_hours_and_useless_retrainings_set_the_cost_of_false_alarms(tmp_path: Path) -> None:
    """Three hours at 50 dollars are 1.5 units of 100 dollars, and so is a retraining for 150 dollars."""
    wasted = reports("drift.false_positive", 15, execution_id="x1", wasted_investigation_time="3_hours")
    useless = {"trigger": "drift_alert_x1", "performance_before": 0.8, "performance_after": 0.8}
    retrained = reports("model.retrained", 15, **useless, retraining_cost="$150")
    assert costs_of(tmp_path, wasted + retrained)["false_alarm"] == 1.5


def test_extreme_reports_of_one_source_do_not_change_a_cost(tmp_path: Path) -> None:
    """A fifth of the reports does not change the median."""
    plausible = reports(VALUE, 40, drift_catch="drift-1", prevented_loss=300, monitoring_cost=1)
    data = {"drift_catch": "drift-2", "prevented_loss": 1e9, "monitoring_cost": 1}
    extreme = [make(VALUE, data, source="user/loud", id=f"w{k}", time=3600.0 * k) for k in range(10)]
    assert costs_of(tmp_path, plausible + extreme)["miss"] == 3.0


@pytest.mark.parametrize("costs", [{"miss": 0.0}, {"max_adjustment_factor": 0.5}, {"unit_usd": -1.0}])
def test_invalid_costs_are_rejected_by_their_name_in_the_configuration(costs: dict[str, float]) -> None:
    """Costs are positive, and the largest adjustment is at least 1."""
    with pytest.raises(ValueError, match=rf"costs\.{next(iter(costs))} must be"):
        msgspec.convert(costs, Costs)


def test_the_largest_adjustment_is_part_of_documents() -> None:
    """Manifests contain every cost."""
    document = LearnConfiguration(costs=Costs(max_adjustment_factor=3.0)).as_document()
    assert document["costs"] == msgspec.to_builtins(Costs()) | {"max_adjustment_factor": 3.0}


def retrained(number: int, after: float) -> Event:
    """Return a retraining that execution x<number> triggered."""
    data = {"trigger": f"drift_alert_x{number}", "performance_before": 0.8, "performance_after": after}
    return make("model.retrained", data, source="user/ana", id=f"r{number}", time=3600.0 * number)


def labels(tmp_path: Path, events: list[Event]) -> dict[str, float]:
    """Return the label of each execution with votes."""
    label_table = count_votes(with_soft_votes(summaries_of(tmp_path, events)))
    return dict(zip(map(str, label_table.execution_ids), map(float, label_table.label), strict=True))


def test_a_retraining_that_helped_is_a_soft_vote_for_a_real_drift(tmp_path: Path) -> None:
    """A retraining that did not help is a soft vote for a false alarm."""
    events = [execution(1), execution(2), retrained(1, 0.9), retrained(2, 0.8)]
    assert labels(tmp_path, events) == {"x1": 0.75, "x2": 0.25}


def test_an_explicit_vote_takes_precedence_over_a_soft_vote(tmp_path: Path) -> None:
    """The order of the events does not matter."""
    events = [execution(1), validation(1, was_real=False), retrained(1, 0.9)]
    assert labels(tmp_path, events) == {"x1": 0.0}


def test_an_adjusted_threshold_votes_on_the_answers_that_it_changes(tmp_path: Path) -> None:
    """Suppressed alerts were false; alerts beyond the new threshold or at other thresholds get no vote."""
    events = [
        execution(1, feature="latency", score=0.1, threshold=0.05),
        execution(2, feature="latency", score=0.2, threshold=0.05),
        execution(3, feature="latency", score=0.1, threshold=0.07),
        execution(4, feature="price", score=0.1, threshold=0.05),
        execution(5, feature="latency", score=0.01, threshold=0.05, drifted=False),
        *reports("threshold.adjustment", 1, feature="latency", old_threshold=0.05, manually_adjusted_to=0.15),
    ]
    assert labels(tmp_path, events) == {"x1": 0.25}


def test_a_lowered_threshold_votes_that_non_alerts_were_misses(tmp_path: Path) -> None:
    """The vote is soft as well."""
    non_alert = execution(1, feature="latency", score=0.1, threshold=0.15, drifted=False)
    adjusted = reports(
        "threshold.adjustment", 1, feature="latency", old_threshold=0.15, manually_adjusted_to=0.05
    )
    assert labels(tmp_path, [non_alert, *adjusted]) == {"x1": 0.75}
