"""What a miss, a false alarm and a run are taken to cost; and votes that nobody cast in so many words."""

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


def told(type_: str, n: int, **data: Any) -> list[Event]:
    """Make `n` events of one type, an hour apart."""
    return [make(type_, data, source=f"user/{k % 3}", id=f"{type_}-{k}", time=3600.0 * k) for k in range(n)]


def costs_of(tmp_path: Path, events: list[Event], **costs: float) -> dict[str, float]:
    """Give the costs that these events teach."""
    configuration = LearnConfiguration(costs=Costs(**costs))
    learned, _ = learned_costs(summaries_of(tmp_path, events), configuration)
    return {"miss": learned.miss, "false_alarm": learned.false_alarm, "run": learned.run}


def test_without_reports_costs_are_those_of_the_configuration(tmp_path: Path) -> None:
    """Three false alarms a miss."""
    assert costs_of(tmp_path, []) == {"miss": 3.0, "false_alarm": 1.0, "run": 0.001}


def test_a_few_reports_move_nothing_and_many_do(tmp_path: Path) -> None:
    """What poet.toml says counts for ten reports."""
    few = told(VALUE, 9, drift_catch="drift-1", prevented_loss=500, monitoring_cost=1)
    many = told(VALUE, 30, drift_catch="drift-1", prevented_loss=500, monitoring_cost=1)
    assert costs_of(tmp_path / "few", few)["miss"] == 3.0
    assert costs_of(tmp_path / "many", many)["miss"] == 5.0


def test_no_cost_leaves_its_limits(tmp_path: Path) -> None:
    """Twice what is configured, unless poet.toml allows more."""
    many = told(VALUE, 40, drift_catch="drift-1", prevented_loss=50_000, monitoring_cost=1)
    assert costs_of(tmp_path / "a", many)["miss"] == 6.0
    assert costs_of(tmp_path / "b", many, max_adjustment_factor=100.0)["miss"] == 300.0


def test_wasted_hours_and_vain_retrainings_are_what_false_alarms_cost(tmp_path: Path) -> None:
    """Three hours at 50 dollars are one and a half units of 100; so are 150 dollars for a retraining."""
    wasted = told("drift.false_positive", 15, execution_id="x1", wasted_investigation_time="3_hours")
    vain = {"trigger": "drift_alert_x1", "performance_before": 0.8, "performance_after": 0.8}
    retrained = told("model.retrained", 15, **vain, retraining_cost="$150")
    assert costs_of(tmp_path, wasted + retrained)["false_alarm"] == 1.5


def test_wild_claims_of_one_source_do_not_move_a_cost(tmp_path: Path) -> None:
    """A median of many is not moved by a fifth."""
    sober = told(VALUE, 40, drift_catch="drift-1", prevented_loss=300, monitoring_cost=1)
    data = {"drift_catch": "drift-2", "prevented_loss": 1e9, "monitoring_cost": 1}
    wild = [make(VALUE, data, source="user/loud", id=f"w{k}", time=3600.0 * k) for k in range(10)]
    assert costs_of(tmp_path, sober + wild)["miss"] == 3.0


@pytest.mark.parametrize("costs", [{"miss": 0.0}, {"within": 0.5}, {"unit_usd": -1.0}])
def test_invalid_costs_are_refused_by_their_name_in_the_configuration(costs: dict[str, float]) -> None:
    """Costs are positive, and the largest adjustment is at least 1."""
    with pytest.raises(ValueError, match=rf"costs\.{next(iter(costs))} must be"):
        msgspec.convert(costs, Costs)


def test_the_largest_adjustment_keeps_its_name_in_documents() -> None:
    """Logs and manifests of earlier versions say `within`."""
    document = LearnConfiguration(costs=Costs(max_adjustment_factor=3.0)).as_document()
    assert document["costs"] == msgspec.to_builtins(Costs()) | {"within": 3.0}
    assert list(msgspec.to_builtins(Costs()))[-1] == "within"


def retrained(number: int, after: float) -> Event:
    """Make a retraining that execution x<number> triggered."""
    data = {"trigger": f"drift_alert_x{number}", "performance_before": 0.8, "performance_after": after}
    return make("model.retrained", data, source="user/ana", id=f"r{number}", time=3600.0 * number)


def labels(tmp_path: Path, events: list[Event]) -> dict[str, float]:
    """Give the label of each voted execution."""
    label_table = count_votes(with_soft_votes(summaries_of(tmp_path, events)))
    return dict(zip(map(str, label_table.execution_ids), map(float, label_table.label), strict=True))


def test_a_retraining_that_helped_says_softly_that_the_drift_was_real(tmp_path: Path) -> None:
    """One that did not says the contrary, as softly."""
    events = [execution(1), execution(2), retrained(1, 0.9), retrained(2, 0.8)]
    assert labels(tmp_path, events) == {"x1": 0.75, "x2": 0.25}


def test_a_verdict_outweighs_what_was_only_done(tmp_path: Path) -> None:
    """Whatever came first."""
    events = [execution(1), validation(1, was_real=False), retrained(1, 0.9)]
    assert labels(tmp_path, events) == {"x1": 0.0}


def test_a_moved_threshold_votes_on_the_answers_that_it_turns(tmp_path: Path) -> None:
    """Silenced alerts were false; what lies beyond the new bar, or under another one, is left alone."""
    events = [
        execution(1, feature="latency", score=0.1, threshold=0.05),
        execution(2, feature="latency", score=0.2, threshold=0.05),
        execution(3, feature="latency", score=0.1, threshold=0.07),
        execution(4, feature="price", score=0.1, threshold=0.05),
        execution(5, feature="latency", score=0.01, threshold=0.05, drifted=False),
        *told("threshold.adjustment", 1, feature="latency", old_threshold=0.05, manually_adjusted_to=0.15),
    ]
    assert labels(tmp_path, events) == {"x1": 0.25}


def test_a_lowered_threshold_calls_silences_misses(tmp_path: Path) -> None:
    """As softly."""
    silent = execution(1, feature="latency", score=0.1, threshold=0.15, drifted=False)
    moved = told("threshold.adjustment", 1, feature="latency", old_threshold=0.15, manually_adjusted_to=0.05)
    assert labels(tmp_path, [silent, *moved]) == {"x1": 0.75}
