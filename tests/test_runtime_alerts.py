"""Alerts: nothing is lost, nothing grave is held back, whatever the order and whatever was before."""

import math
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from poet_runtime.alerts import (
    below_threshold,
    drifted,
    holdout,
    partition,
    raised_thresholds,
    recent_alerts,
    recent_features,
    severity,
    summary,
    to_timestamp,
)
from poet_runtime.drift.comparison import compare
from poet_runtime.results import Alert, AlertPlan, DriftResult
from tests.modules import module_of
from tests.policies.generate_alerts.million_alerts import decisions


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
    decided = samples.result(samples.statistic("wasserstein") > 1.0, rule="r")
    assert decided.business_impact == "critical"
    assert samples.not_compared().business_impact == "critical"


@pytest.mark.parametrize(("score", "direction", "ratio"), [(2.0, "above", 2.0), (0.5, "below", 2.0)])
def test_a_ratio_counts_on_either_side(score: float, direction: str, ratio: float) -> None:
    """How many times beyond its threshold."""
    result = drift(score=score, direction=direction)
    assert partition((result,), frozenset("a"), ratio_at_most=ratio)[0] == (result,)
    assert partition((result,), frozenset("a"), ratio_at_most=ratio - 0.01)[0] == ()


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_without_a_ratio_is_never_held_back(score: float) -> None:
    """Nobody knows how far beyond it lies."""
    assert partition((drift(score=score),), frozenset("a"), ratio_at_most=1e9)[0] == ()


def test_the_critical_are_never_taken_apart_by_severity() -> None:
    """Whatever the floor."""
    grave = drift(business_impact="critical")
    assert partition((grave,), frozenset("a"), severity_below="critical") == ((), (grave,))


def test_a_holdout_is_about_its_share() -> None:
    """Uniform over ids, the same for the same id."""
    many = tuple(drift(execution_id=f"x{k}") for k in range(5_000))
    asked, rest = holdout(many, 0.1)
    assert (len(asked) + len(rest), 400 < len(asked) < 600) == (5_000, True)
    assert holdout(many, 0.1)[0] == asked


def test_recent_is_less_than_so_long_ago() -> None:
    """At the end of the span the bar falls back; alerts of the future count for nothing."""
    alert = Alert(members=(drift("a"),), raised_at=1000.0)
    assert recent_alerts([AlertPlan(alerts=(alert,))], 1059.0, 60.0) == (alert,)
    assert recent_alerts([alert], 1060.0, 60.0) == ()
    assert recent_alerts([alert], 999.0, 60.0) == ()
    assert recent_alerts([alert], None, 60.0) == ()
    assert recent_alerts([Alert(members=(drift(),))], 1000.0, 60.0) == ()


def summed(*features: str, group: str = "group-ab") -> Alert:
    """Give a summary of a group."""
    return Alert(members=tuple(map(drift, features)), group=group, is_summary=True)


AB = {"group-ab": frozenset("ab")}


def test_recent_features_are_those_of_all_alerts() -> None:
    """Of every member."""
    assert recent_features([summed("a", "b", group=""), summed("c")]) == set("abc")


def test_a_new_member_of_a_summed_up_group_is_not_recent() -> None:
    """That it was alerted by itself says nothing of the common cause; without a summary it does."""
    alone = Alert(members=(drift("b"),))
    assert recent_features([summed("a"), alone], groups=AB) == {"a"}
    assert recent_features([alone], groups=AB) == {"b"}
    assert recent_features([summed("a"), summed("b"), alone], groups=AB) == set("ab")


def test_a_feature_of_two_groups_is_known_from_either_summary() -> None:
    """The first group takes it, so the second one's summary never has it."""
    groups = AB | {"group-bc": frozenset("bc")}
    assert recent_features([summed("a", "b"), summed("c", group="group-bc")], groups=groups) == set("abc")


def test_bars_rise_on_either_side() -> None:
    """A p-value's bar falls."""
    waiting = (drift("a"), drift("b", direction="below"))
    assert raised_thresholds(waiting, frozenset("ab"), 2.0) == {"a": 2.0, "b": 0.5}


@pytest.mark.parametrize("score", [2.0, 0.5])
def test_a_bar_that_nothing_scales_stays(score: float) -> None:
    """Zero, a negative threshold, NaN: what drifted beyond them is alerted, not held back."""
    for threshold in (0.0, -1.0, math.nan):
        result = replace(drift(score=score), threshold=threshold)
        assert repr(raised_thresholds((result,), frozenset("a"), 2.0)["a"]) == repr(threshold)
        assert below_threshold((result,), frozenset("a"), 2.0, severity_below="high")[0] == ()


def test_a_raised_bar_holds_back_up_to_itself() -> None:
    """And neither what is grave nor what has no score."""
    scores = (1.5, 2.0, math.nextafter(2.0, 3.0), math.nan)
    waiting = tuple(drift(score=score) for score in scores)
    taken, rest = below_threshold(waiting, frozenset("a"), 2.0, severity_below="high")
    assert (taken, rest) == (waiting[:2], waiting[2:])
    grave = (drift(score=1.5, business_impact="high"), drift(score=1.5, business_impact="critical"))
    assert below_threshold(grave, frozenset("a"), 2.0, severity_below="high") == ((), grave)


def test_a_summary_is_as_grave_as_its_gravest_member() -> None:
    """And names its group."""
    alert = summary((drift(), drift(business_impact="high")), rule="group-a", now=5.0)
    assert (alert.severity, alert.group, alert.raised_at, alert.is_summary) == ("high", "group-a", 5.0, True)


def test_moments_of_any_kind_are_seconds() -> None:
    """A datetime without a zone is UTC."""
    day = datetime(2024, 1, 1)  # noqa: DTZ001 -- what this is about
    moments = [day, day.replace(tzinfo=UTC), np.datetime64("2024-01-01"), 1_704_067_200]
    assert [to_timestamp(each) for each in moments] == [1_704_067_200.0] * 4
    assert [to_timestamp(each) for each in (np.int64(5), np.float32(5.0), 5)] == [5.0] * 3


@pytest.mark.parametrize("nobody_knows", [None, math.nan, np.datetime64("NaT"), pd.NaT])
def test_what_no_clock_said_is_no_moment(nobody_knows: Any) -> None:
    """Or NaT, the least of all numbers, would lie before the end of every suppression."""
    assert to_timestamp(nobody_knows) is None
    noisy = drift("noisy", score=1.1)
    assert module_of(decisions()).generate_alerts([noisy], now=nobody_knows).suppressed == ()


def test_history_may_be_read_only_once() -> None:
    """The cool-down and every group ask for it."""
    plan_alerts = module_of(decisions()).generate_alerts
    earlier = Alert(members=(drift("a"),), group="group-a", raised_at=1_000_000.0)
    plans = [
        plan_alerts([drift("b")], history=history, now=1_000_100.0)
        for history in ([earlier], iter([earlier]))
    ]
    assert plans[0] == plans[1]
    assert [alert.group for alert in plans[0].alerts] == ["group-a"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: to_timestamp("today"), "pass seconds"),
        (lambda: drifted([{"drifted": True}]), "expected DriftResult"),  # type: ignore[list-item]
        (lambda: to_timestamp(True), "now is True; pass seconds"),  # noqa: FBT003 -- what this is about
        (lambda: drifted(5), "drift_results is int, expected a sequence; pass the answers"),  # type: ignore[arg-type]
        (lambda: drifted({"a": drift()}), "holds str, expected DriftResult; .* the values of a table's"),  # type: ignore[dict-item]
        (lambda: recent_alerts(["an alert"], 1.0, 1.0), "expected Alert or AlertPlan"),
        (lambda: recent_alerts(None, 1.0, 1.0), "history is NoneType, expected a sequence"),  # type: ignore[arg-type]
    ],
)
def test_what_is_neither_is_a_type_error(call: object, says: str) -> None:
    """It says what was expected."""
    with pytest.raises(TypeError, match=says):
        call()  # type: ignore[operator]
