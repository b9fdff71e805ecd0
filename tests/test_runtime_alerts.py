"""Alert plans: no result is lost, no critical result is suppressed, and the order does not matter."""

import math
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from poet_runtime.alerts import AlertPlanner, drifted, plan_alerts, severity, to_timestamp
from poet_runtime.drift.comparison import compare
from poet_runtime.results import Alert, AlertPlan, DriftResult
from tests.modules import module_of
from tests.policies.generate_alerts.million_alerts import decisions

A = frozenset("a")
NOW = 10_000.0


def drift(feature: str = "a", *, score: float = 2.0, direction: str = "above", **fields: str) -> DriftResult:
    """Return a drifted result with a threshold of 1."""
    return DriftResult(
        drifted=True,
        score=score,
        threshold=1.0,
        test="t",
        feature=feature,
        direction="below" if direction == "below" else "above",
        **fields,  # type: ignore[arg-type]
    )


def planner(*results: DriftResult, history: Any = (), now: Any = NOW) -> AlertPlanner:
    """Return a planner of these results."""
    return plan_alerts(results, history=history, now=now, version=7)


def suppressed(
    *results: DriftResult,
    ratio_at_most: float | None = None,
    severity_below: Literal["medium", "high", "critical"] = "critical",
    holdout: float = 0.0,
) -> tuple[DriftResult, ...]:
    """Return the results of feature a that are suppressed."""
    plan = planner(*results)
    plan.suppress(A, severity_below=severity_below, ratio_at_most=ratio_at_most, holdout=holdout, rule="s")
    return tuple(each.member for each in plan.alert_individually(rule="e").suppressed)


def cooled_down(
    *results: DriftResult,
    history: Any,
    now: float | None = NOW,
    seconds: float = 60.0,
    factor: float = 2.0,
    groups: dict[str, frozenset[str]] | None = None,
) -> AlertPlan:
    """Return the plan after a cool-down of results below high severity."""
    plan = planner(*results, history=history, now=now)
    plan.cool_down(
        seconds=seconds, factor=factor, severity_below="high", rule="c", except_new_members_of=groups
    )
    return plan.alert_individually(rule="e")


def recent(*features: str, group: str = "") -> Alert:
    """Return an alert that was raised a second ago."""
    return Alert(
        members=tuple(map(drift, features)), group=group, is_summary=bool(group), raised_at=NOW - 1.0
    )


def test_ten_thousand_results_are_planned_within_half_a_second() -> None:
    """The limit is on processor time, and no result is lost."""
    plan_all = module_of(decisions()).generate_alerts
    many = [drift(f"f{k % 700}", execution_id=f"x{k}") for k in range(10_000)]
    begun = time.process_time()
    plan = plan_all(many, now=1_000_000.0)
    assert time.process_time() - begun < 0.5
    assert sum(len(alert.members) for alert in plan.alerts) + len(plan.suppressed) == 10_000


def test_equal_results_count_separately_and_are_sorted_by_content() -> None:
    """Results are a multiset, so the plan does not depend on their order."""
    one, two = drift("a"), drift("a")
    assert len(drifted([drift("b"), one, two])) == 3
    assert drifted([drift("b"), one]) == drifted([one, drift("b")])
    assert planner(drift("b"), one).remaining == (one, drift("b"))


def test_severity_is_the_business_impact() -> None:
    """An impact of none has low severity, and an unknown impact has medium severity."""
    named = [severity(drift(business_impact=each)) for each in ("none", "low", "critical", "", "odd")]
    assert named == ["low", "low", "critical", "medium", "medium"]


def test_impact_comes_from_the_context_of_detect_drift() -> None:
    """A result has the business impact that the caller of `detect_drift` passed."""
    samples = compare([1.0, 2.0], [1.0, 2.0], context={"business_impact": "critical"})
    decided = samples.result(samples.statistic("wasserstein") > 1.0, rule="r")
    assert decided.business_impact == "critical"
    assert samples.not_compared().business_impact == "critical"


def test_every_drifted_result_is_planned_once() -> None:
    """The plan has the version and the time, and the alerts have the rules that made them."""
    calm = replace(drift("z"), drifted=False)
    plan = planner(drift("a"), drift("b"), drift("b"), drift("c"), calm)
    plan.suppress(A, severity_below="high", holdout=0.0, rule="s")
    plan.summarize(frozenset("b"), rule="g")
    assert (plan.count(frozenset("abc")), plan.n_remaining) == (1, 1)
    found = plan.alert_individually(rule="e")
    assert [(each.rule, each.member.feature) for each in found.suppressed] == [("s", "a")]
    assert [(each.rule, len(each.members)) for each in found.alerts] == [("g", 2), ("e", 1)]
    assert {each.raised_at for each in found.alerts} == {NOW}
    assert found.policy_version == 7
    assert plan.alert_individually(rule="e") == found


@pytest.mark.parametrize(("score", "direction"), [(2.0, "above"), (0.5, "below")])
def test_a_ratio_counts_in_both_directions(score: float, direction: str) -> None:
    """The ratio is the factor by which a score exceeds its threshold in its direction."""
    result = drift(score=score, direction=direction)
    assert suppressed(result, ratio_at_most=2.0) == (result,)
    assert suppressed(result, ratio_at_most=1.99) == ()


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_without_a_ratio_is_never_suppressed(score: float) -> None:
    """Its distance from the threshold is unknown."""
    assert suppressed(drift(score=score), ratio_at_most=1e9) == ()


def test_critical_results_are_never_suppressed() -> None:
    """They pass every suppression and every cool-down, whatever the severity floor."""
    critical, high = (drift(business_impact=each) for each in ("critical", "high"))
    assert suppressed(critical, high) == (high,)
    assert suppressed(critical, high, severity_below="high") == ()
    plan = planner(critical, high, history=[recent("a")])
    plan.cool_down(seconds=60.0, factor=9.0, severity_below="critical", rule="c")
    assert [each.member for each in plan.alert_individually(rule="e").suppressed] == [high]


def test_an_unknown_severity_is_an_error() -> None:
    """A misspelled severity floor must not suppress everything."""
    with pytest.raises(ValueError, match="severe"):
        suppressed(drift(), severity_below="severe")  # type: ignore[arg-type]


def test_a_holdout_has_about_its_configured_share() -> None:
    """It is uniform over ids, deterministic for an id, and marked in the alert."""
    many = tuple(drift(execution_id=f"x{k}") for k in range(5_000))
    rest = suppressed(*many, holdout=0.1)
    assert 4_400 < len(rest) < 4_600
    assert suppressed(*many, holdout=0.1) == rest
    plan = planner(*many)
    plan.suppress(A, severity_below="high", holdout=0.1, rule="s")
    alerts = plan.alert_individually(rule="e").alerts
    assert {(each.is_holdout, each.rule) for each in alerts} == {(True, "s")}
    assert len(alerts) == 5_000 - len(rest)


def test_an_alert_is_recent_until_the_end_of_the_cool_down() -> None:
    """At its end the original threshold applies again. Alerts in the future do not count."""
    alert = Alert(members=(drift("a"),), raised_at=1000.0)

    def raised(*history: Any, now: float | None) -> bool:
        return bool(cooled_down(drift("a"), history=history, now=now).thresholds)

    assert raised(AlertPlan(alerts=(alert,)), now=1059.0)
    assert raised(alert, now=1000.0)
    assert not raised(alert, now=1060.0)
    assert not raised(alert, now=999.0)
    assert not raised(alert, now=None)
    assert not raised(Alert(members=(drift(),)), now=1000.0)


AB = {"group-ab": frozenset("ab")}


def cooled_features(*history: Alert, groups: dict[str, frozenset[str]] | None = None) -> set[str]:
    """Return which of the features a, b and c are cooled down."""
    return set(cooled_down(*map(drift, "abc"), history=history, groups=groups).thresholds)


def test_recent_features_are_those_of_all_alerts() -> None:
    """Every member of a summary has a recent alert."""
    assert cooled_features(recent("a", "b"), recent("c")) == set("abc")


def test_a_new_member_of_a_summarized_group_is_not_cooled_down() -> None:
    """Without a summary, an individual alert counts; next to one, it is not evidence of the common cause."""
    summary = recent("a", group="group-ab")
    assert cooled_features(summary, recent("b"), groups=AB) == {"a"}
    assert cooled_features(recent("b"), groups=AB) == {"b"}
    assert cooled_features(summary, recent("b", group="group-ab"), recent("b"), groups=AB) == set("ab")


def test_a_feature_of_two_groups_is_known_from_either_summary() -> None:
    """The first group claims the feature, so it never appears in the summary of the second."""
    groups = AB | {"group-bc": frozenset("bc")}
    history = recent("a", "b", group="group-ab"), recent("c", group="group-bc")
    assert cooled_features(*history, groups=groups) == set("abc")


def test_a_recent_summary_is_reopened() -> None:
    """A summary is recent for the length of the cool-down, and unknown without a cool-down."""
    plan = planner(drift("b"), history=[recent("a", group="group-ab")])
    assert not plan.has_recent_summary("group-ab")
    plan.cool_down(seconds=60.0, factor=2.0, severity_below="high", rule="c", except_new_members_of=AB)
    assert plan.has_recent_summary("group-ab")
    assert not plan.has_recent_summary("group-bc")
    late = planner(drift("b"), history=[recent("a", group="group-ab")], now=NOW + 60.0)
    late.cool_down(seconds=60.0, factor=2.0, severity_below="high", rule="c", except_new_members_of=AB)
    assert not late.has_recent_summary("group-ab")


def test_thresholds_are_raised_in_both_directions() -> None:
    """The threshold of a p-value is divided by the factor."""
    plan = cooled_down(drift("a"), drift("b", direction="below"), history=[recent("a", "b")])
    assert plan.thresholds == {"a": 2.0, "b": 0.5}


@pytest.mark.parametrize("score", [2.0, 0.5])
@pytest.mark.parametrize("threshold", [0.0, -1.0, math.nan])
def test_a_threshold_that_cannot_be_multiplied_is_unchanged(score: float, threshold: float) -> None:
    """Results with a threshold of zero, a negative one or NaN are not suppressed."""
    result = replace(drift(score=score), threshold=threshold)
    plan = cooled_down(result, history=[recent("a")])
    assert repr(plan.thresholds["a"]) == repr(threshold)
    assert plan.suppressed == ()


def test_scores_up_to_a_raised_threshold_are_suppressed() -> None:
    """Severe results and results without a score are not suppressed."""
    scores = (1.5, 2.0, math.nextafter(2.0, 3.0), math.nan)
    results = tuple(drift(score=score) for score in scores)
    plan = cooled_down(*results, history=[recent("a")])
    assert tuple(each.member for each in plan.suppressed) == results[:2]
    severe = (drift(score=1.5, business_impact="high"), drift(score=1.5, business_impact="critical"))
    assert cooled_down(*severe, history=[recent("a")]).suppressed == ()


def test_a_summary_has_the_highest_severity_of_its_members() -> None:
    """The summary also has the name of its group and the time of the plan."""
    plan = planner(drift(), drift(business_impact="high"), now=5.0)
    plan.summarize_remaining(rule="group-a")
    (alert,) = plan.alert_individually(rule="e").alerts
    assert (alert.severity, alert.group, alert.raised_at, alert.is_summary) == ("high", "group-a", 5.0, True)


def test_no_results_make_no_summary() -> None:
    """An alert has at least one member."""
    plan = planner(drift())
    plan.summarize(frozenset("b"), rule="group-b")
    assert plan.n_remaining == 1
    plan.summarize(A, rule="group-a")
    plan.summarize_remaining(rule="batch")
    assert [each.rule for each in plan.alert_individually(rule="e").alerts] == ["group-a"]


DAY = datetime(2024, 1, 1)  # noqa: DTZ001 -- a datetime without a zone is tested


def test_times_of_all_types_are_seconds() -> None:
    """A datetime without a zone is UTC."""
    times = [DAY, DAY.replace(tzinfo=UTC), np.datetime64("2024-01-01"), 1_704_067_200]
    assert [to_timestamp(each) for each in times] == [1_704_067_200.0] * 4
    assert [to_timestamp(each) for each in (np.int64(5), np.float32(5.0), 5)] == [5.0] * 3


@pytest.mark.parametrize("end", [DAY, DAY.replace(tzinfo=UTC), np.datetime64("2024-01-01"), 1_704_067_200.0])
@pytest.mark.parametrize("as_given", [float, lambda seconds: datetime.fromtimestamp(seconds, UTC)])
def test_an_end_is_exclusive(end: Any, as_given: Any) -> None:
    """Ends and times of all types are compared in seconds."""
    assert planner(now=as_given(1_704_067_199.0)).is_before(end)
    assert not planner(now=as_given(1_704_067_200.0)).is_before(end)


@pytest.mark.parametrize("unknown", [None, math.nan, np.datetime64("NaT"), pd.NaT])
def test_an_unknown_time_suppresses_nothing(unknown: Any) -> None:
    """NaT as an integer is the smallest one, which would be before the end of every suppression."""
    assert to_timestamp(unknown) is None
    assert not planner(now=unknown).is_before(1e300)
    assert not planner(now=0.0).is_before(unknown)
    noisy = drift("noisy", score=1.1)
    assert module_of(decisions()).generate_alerts([noisy], now=unknown).suppressed == ()


def test_history_may_be_an_iterator() -> None:
    """The history is needed by the cool-down and by every group."""
    plan_all = module_of(decisions()).generate_alerts
    earlier = Alert(members=(drift("a"),), group="group-a", raised_at=1_000_000.0)
    plans = [
        plan_all([drift("b")], history=history, now=1_000_100.0) for history in ([earlier], iter([earlier]))
    ]
    assert plans[0] == plans[1]
    assert [alert.group for alert in plans[0].alerts] == ["group-a"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: planner(now="today"), "pass seconds"),
        (lambda: planner({"drifted": True}), "expected DriftResult"),  # type: ignore[arg-type]
        (lambda: planner(now=True), "now is True; pass seconds"),
        (lambda: drifted(5), "drift_results is int, expected a sequence; pass the answers"),  # type: ignore[arg-type]
        (lambda: drifted({"a": drift()}), "holds str, expected DriftResult; .* the values of a table's"),  # type: ignore[dict-item]
        (lambda: cooled_down(history=["an alert"]), "expected Alert or AlertPlan"),
        (lambda: cooled_down(history=None), "history is NoneType, expected a sequence"),
    ],
)
def test_arguments_of_other_types_are_a_type_error(call: object, says: str) -> None:
    """The message has the expected type or the next step."""
    with pytest.raises(TypeError, match=says):
        call()  # type: ignore[operator]
