"""Alerts: nothing is lost, nothing grave is held back, whatever the order and whatever was before."""

import time
from datetime import UTC, datetime

import numpy as np
import pytest

from poet.runtime.alerts import (
    apart,
    drifted,
    holdout,
    raised_bars,
    recent_features,
    seconds,
    severity,
    summary,
)
from poet.runtime.drift import above, compare
from poet.runtime.results import Alert, AlertPlan, DriftResult
from tests.million_alerts import decisions, lost
from tests.modules import module_of


def drift(feature: str = "a", *, score: float = 2.0, direction: str = "above", **fields: str) -> DriftResult:
    """Give a drifted result against a threshold of 1."""
    return DriftResult(
        drifted=True,
        score=score,
        threshold=1.0,
        test="t",
        feature=feature,
        direction="below" if direction == "below" else "above",
        **fields,  # type: ignore[arg-type]
    )


def test_twenty_thousand_random_plans_lose_nothing() -> None:
    """``python -m tests.million_alerts`` plans a million."""
    assert lost(20_000) == 0


def test_ten_thousand_results_are_planned_in_a_moment() -> None:
    """Half a second on a busy machine."""
    plan_alerts = module_of(decisions()).generate_alerts
    many = [drift(f"f{k % 700}", execution_id=f"x{k}") for k in range(10_000)]
    begun = time.perf_counter()
    plan = plan_alerts(many, now=1_000_000.0)
    assert time.perf_counter() - begun < 0.5
    assert sum(len(alert.members) for alert in plan.alerts) + len(plan.suppressed) == 10_000


def test_alike_results_are_each_kept_in_an_order_of_their_own() -> None:
    """A multiset, sorted by content."""
    one, two = drift("a"), drift("a")
    assert len(drifted([drift("b"), one, two])) == 3
    assert drifted([drift("b"), one]) == drifted([one, drift("b")])


def test_severity_is_the_named_impact() -> None:
    """None is low; what nobody named is medium."""
    named = [severity(drift(business_impact=each)) for each in ("none", "low", "critical", "", "odd")]
    assert named == ["low", "low", "critical", "medium", "medium"]


def test_impact_comes_from_the_context_of_the_drift() -> None:
    """What the caller of detect_drift said."""
    samples = compare([1.0, 2.0], [1.0, 2.0], context={"business_impact": "critical"})
    decided = samples.decide("r", above("wasserstein", "raw", "absolute", 1.0))
    assert decided.business_impact == "critical"
    assert samples.undecided().business_impact == "critical"


@pytest.mark.parametrize(("score", "direction", "ratio"), [(2.0, "above", 2.0), (0.5, "below", 2.0)])
def test_a_ratio_counts_on_either_side(score: float, direction: str, ratio: float) -> None:
    """How many times beyond its threshold."""
    result = drift(score=score, direction=direction)
    assert apart((result,), frozenset("a"), ratio_at_most=ratio)[0] == (result,)
    assert apart((result,), frozenset("a"), ratio_at_most=ratio - 0.01)[0] == ()


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_without_a_ratio_is_never_held_back(score: float) -> None:
    """Nobody knows how far beyond it lies."""
    assert apart((drift(score=score),), frozenset("a"), ratio_at_most=1e9)[0] == ()


def test_the_critical_are_never_taken_apart_by_severity() -> None:
    """Whatever the floor."""
    grave = drift(business_impact="critical")
    assert apart((grave,), frozenset("a"), severity_below="critical") == ((), (grave,))


def test_a_holdout_is_about_its_share() -> None:
    """Uniform over ids, the same for the same id."""
    many = tuple(drift(execution_id=f"x{k}") for k in range(5_000))
    asked, rest = holdout(many, 0.1)
    assert (len(asked) + len(rest), 400 < len(asked) < 600) == (5_000, True)
    assert holdout(many, 0.1)[0] == asked


def test_recent_is_less_than_so_long_ago() -> None:
    """At the end of the span the bar falls back; alerts of the future count for nothing."""
    alert = Alert(members=(drift("a"),), raised_at=1000.0)
    assert recent_features([AlertPlan(alerts=(alert,))], 1059.0, 60.0) == {"a"}
    assert recent_features([alert], 1060.0, 60.0) == frozenset()
    assert recent_features([alert], 999.0, 60.0) == frozenset()


def test_bars_rise_on_either_side() -> None:
    """A p-value's bar falls."""
    waiting = (drift("a"), drift("b", direction="below"))
    assert raised_bars(waiting, frozenset("ab"), 2.0) == {"a": 2.0, "b": 0.5}


def test_a_summary_is_as_grave_as_its_gravest_member() -> None:
    """And names its group."""
    alert = summary((drift(), drift(business_impact="high")), rule="group-a", now=5.0)
    assert (alert.severity, alert.group, alert.raised_at, alert.is_summary) == ("high", "group-a", 5.0, True)


def test_moments_of_any_kind_are_seconds() -> None:
    """A datetime without a zone is UTC."""
    day = datetime(2024, 1, 1)  # noqa: DTZ001 -- what this is about
    moments = [day, day.replace(tzinfo=UTC), np.datetime64("2024-01-01"), 1_704_067_200]
    assert [seconds(each) for each in moments] == [1_704_067_200.0] * 4
    assert seconds(None) is None


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: seconds("today"), "give seconds"),
        (lambda: drifted([{"drifted": True}]), "expected DriftResult"),  # type: ignore[list-item]
        (lambda: recent_features(["an alert"], 1.0, 1.0), "expected Alert or AlertPlan"),
    ],
)
def test_what_is_neither_is_a_type_error(call: object, says: str) -> None:
    """It says what was expected."""
    with pytest.raises(TypeError, match=says):
        call()  # type: ignore[operator]
