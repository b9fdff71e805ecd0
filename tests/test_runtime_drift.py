"""Comparison of two samples, and the drift decision."""

import dataclasses
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from poet_runtime.drift.comparison import Samples, compare, score_all
from poet_runtime.drift.criteria import (
    METHODS,
    SCALES,
    Criterion,
    Measure,
    Reading,
    at_least,
    criterion_of,
    read_score,
)
from poet_runtime.drift.reference import PREPARATIONS, Reference
from poet_runtime.drift.statistics import COUNTS, NUMERIC
from poet_runtime.errors import SampleError
from poet_runtime.results import DriftResult, Score

Floats = NDArray[np.float64]
DAY = 86_400.0


def above(statistic: str, preparation: str, scale: str, threshold: float) -> Criterion:
    """Return a criterion that holds above a threshold."""
    return criterion_of(statistic, preparation, scale, threshold, "above")


def below(statistic: str, preparation: str, scale: str, threshold: float) -> Criterion:
    """Return a criterion that holds below a threshold."""
    return criterion_of(statistic, preparation, scale, threshold, "below")


CALIBRATED = (
    above("wasserstein", "deseasonalized", "null_max", 1.0),
    above("mean_absolute_difference", "raw", "null_max", 1.0),
    above("mean_shift", "raw", "absolute", 2.5),
)
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def noise(n: int, seed: int = 0) -> Floats:
    """Return independent standard normal values."""
    return np.random.default_rng(seed).normal(size=n)


def comparison(samples: Samples, criterion: Criterion) -> Reading:
    """Return the comparison that generated code writes for a criterion."""
    method = getattr(samples, METHODS[criterion.scale])
    measure: Measure = method(criterion.statistic, preparation=criterion.preparation)
    if criterion.direction == "above":
        return measure > criterion.threshold
    return measure < criterion.threshold


def expression(samples: Samples, criteria: tuple[Criterion, ...], min_votes: int) -> Reading:
    """Return the expression that generated code writes: with or, and, or at_least."""
    if 1 < min_votes < len(criteria):
        return at_least(min_votes, *(comparison(samples, each) for each in criteria))
    reading = comparison(samples, criteria[0])
    for each in criteria[1:]:
        if min_votes == 1:
            reading = reading or comparison(samples, each)
        else:
            reading = reading and comparison(samples, each)
    return reading


def decide(
    current: Any, reference: Any, *criteria: Criterion, min_votes: int = 1, **given: Any
) -> DriftResult:
    """Return the drift decision for these criteria."""
    samples = compare(current, reference, version=3, feature="age", **given)
    return samples.result(expression(samples, criteria, min_votes), rule="rule")


def criterion_for(statistic: str, preparation: str, scale: str) -> Criterion:
    """Return the criterion that holds most easily: above almost zero, or below almost any p-value."""
    return (
        below(statistic, preparation, scale, 0.999)
        if scale == "p_value"
        else above(statistic, preparation, scale, 1e-9)
    )


every_criterion = st.builds(
    criterion_for,
    st.sampled_from(sorted(NUMERIC)),
    st.sampled_from(PREPARATIONS),
    st.sampled_from(SCALES),
)
numbers = hnp.arrays(
    np.float64,
    st.integers(1, 60),
    elements=st.one_of(
        st.floats(allow_nan=True, allow_infinity=True),
        st.floats(-10, 10),
        st.sampled_from([0.0, 1.0, 2.0]),
    ),
)


# Properties of every decision


@SLOW
@given(values=numbers, criterion=every_criterion)
def test_identical_samples_never_drift(values: Floats, criterion: Criterion) -> None:
    """Identical samples do not drift by any criterion, with or without times, for any values."""
    times = np.arange(len(values)) * 3600.0
    given_times: dict[str, Any] = {"current_times": times, "reference_times": times}
    assert not decide(values, values.copy(), criterion).drifted
    assert not decide(values, values.copy(), criterion, **given_times).drifted


@SLOW
@given(
    values=st.lists(st.one_of(st.none(), st.sampled_from("abc")), max_size=40),
    statistic=st.sampled_from(sorted(COUNTS)),
    scale=st.sampled_from(SCALES),
)
def test_identical_categories_never_drift(values: list[str | None], statistic: str, scale: str) -> None:
    """Identical categorical samples do not drift by any statistic on any scale."""
    assert not decide(values, list(values), criterion_for(statistic, "raw", scale)).drifted


@SLOW
@given(current=numbers, reference=numbers, criterion=every_criterion)
def test_a_decision_agrees_with_its_score(current: Floats, reference: Floats, criterion: Criterion) -> None:
    """Every score is finite, or NaN with a reason, and no exception or warning is raised."""
    result = decide(current, reference, criterion)
    if result.direction == "above":
        assert result.drifted == (result.score > result.threshold)
    else:
        assert result.drifted == (result.score < result.threshold)
    assert math.isfinite(result.score) or (math.isnan(result.score) and bool(result.reason))


@SLOW
@given(seed=st.integers(0, 10_000), shift=st.floats(-1e3, 1e3), scale=st.floats(1e-3, 1e3))
def test_scores_are_invariant_to_shift_and_scale(seed: int, shift: float, scale: float) -> None:
    """No statistic depends on the origin or the unit of the values."""
    current, reference = noise(50, seed) + 0.3, noise(120, seed + 1)
    before = score_all(current, reference)
    after = score_all(current * scale + shift, reference * scale + shift)
    for test, score in before.items():
        assert after[test].statistic == pytest.approx(score.statistic, rel=1e-6, abs=1e-6)
        if score.null_max is not None:
            assert after[test].null_max == pytest.approx(score.null_max, rel=1e-6, abs=1e-6)


@SLOW
@given(seed=st.integers(0, 10_000), criterion=every_criterion)
def test_without_times_the_order_of_the_current_sample_does_not_matter(
    seed: int, criterion: Criterion
) -> None:
    """Shuffling the current sample changes neither the score nor the reason of any criterion."""
    current, reference = noise(40, seed).round(1), noise(90, seed + 1).round(1)
    shuffled = np.random.default_rng(seed).permutation(current)
    first, second = decide(current, reference, criterion), decide(shuffled, reference, criterion)
    assert first.score == pytest.approx(second.score, abs=1e-9, nan_ok=True)
    assert first.reason == second.reason


def test_only_criteria_on_differences_depend_on_order() -> None:
    """These are the mean absolute difference and every statistic of differenced values."""
    assert not above("mean_absolute_difference", "raw", "null_max", 1.0).is_order_free
    assert not above("ks", "differenced", "absolute", 0.1).is_order_free
    assert above("ks", "raw", "null_max", 1.0).is_order_free


@settings(max_examples=40, deadline=None)
@given(
    reference=hnp.arrays(
        np.float64,
        st.integers(200, 400),
        elements=st.one_of(st.floats(-100, 100), st.sampled_from([0.0, 1.0])),
    ),
    rows=st.integers(200, 400),
    seed=st.integers(0, 1000),
    sign=st.sampled_from([-1, 1]),
)
def test_a_shift_of_three_standard_deviations_is_detected(
    reference: Floats, rows: int, seed: int, sign: int
) -> None:
    """From 200 values on, the calibrated criteria detect it for any distribution of the reference."""
    assume(reference.std() > 0)
    current = np.random.default_rng(seed).choice(reference, rows) + sign * 3 * reference.std()
    assert decide(current, reference, *CALIBRATED).drifted


def test_the_calibrated_criteria_rarely_alert_on_unchanged_data() -> None:
    """At most 10 % of the decisions on independent, autocorrelated and seasonal series are alerts."""
    drifted = []
    for seed in range(20):
        values, times = noise(3000, seed), np.arange(3000) * 900.0
        slow = np.convolve(values, 0.7 ** np.arange(20), mode="same")
        for series in (values, slow, values + 3 * np.sin(times / DAY * 2 * np.pi)):
            given_times: dict[str, Any] = {"current_times": times[2700:], "reference_times": times[:2700]}
            drifted.append(decide(series[2700:], series[:2700], *CALIBRATED, **given_times).drifted)
    assert np.mean(drifted) <= 0.1


def test_a_shift_within_a_season_is_drift_and_the_season_is_not() -> None:
    """For a morning against two weeks, KS reports drift and the deseasonalized distance does not."""
    times = np.arange(96 * 14) * 900.0
    values = np.sin(times / DAY * 2 * np.pi) + 0.2 * noise(len(times))
    later = times[:24] + 14 * DAY
    morning = np.sin(later / DAY * 2 * np.pi) + 0.2 * noise(24, 1)
    given_times: dict[str, Any] = {"current_times": later, "reference_times": times}
    assert decide(morning, values, below("ks", "raw", "p_value", 0.05), **given_times).drifted
    assert not decide(morning, values, CALIBRATED[0], **given_times).drifted
    assert decide(morning + 0.6, values, CALIBRATED[0], **given_times).drifted


# Samples that cannot be compared


@pytest.mark.parametrize(
    ("current", "reference", "reason"),
    [
        ([], [1.0], "current is empty"),
        ([None, None], [1.0], "current is all missing"),
        ([1.0], [], "reference is empty"),
        ([1.0], [float("nan")], "reference is all missing"),
        (["a"], [1.0], "current is categorical, reference is numeric"),
        ([True], ["a"], "current is boolean, reference is categorical"),
    ],
)
def test_samples_that_cannot_be_compared_have_a_reason(current: Any, reference: Any, reason: str) -> None:
    """The result has no score, so it differs from a decision that there is no drift."""
    samples = compare(current, reference)
    result = samples.result(samples.p_value("ks") < 0.05, rule="rule")
    assert (samples.comparable, samples.reason) == (False, reason)
    assert samples.not_compared() == dataclasses.replace(result, scores=samples.not_compared().scores)
    assert (result.drifted, result.test, result.reason) == (False, "none", reason)
    assert math.isnan(result.score)
    assert score_all(current, reference) == {}


@pytest.mark.parametrize("value", [0.0, 0.1, -3.5, 1e300])
def test_any_other_value_drifts_from_a_constant_reference(value: float) -> None:
    """The same constant does not drift, whatever the rounding of its mean."""
    reference = np.full(1000, value)
    assert not decide(np.full(300, value), reference, *CALIBRATED).drifted
    other = np.full(300, value)
    other[0] += abs(value) or 1.0
    result = decide(other, reference, *CALIBRATED)
    assert result.drifted
    assert math.isfinite(result.score)


@pytest.mark.parametrize(
    ("current", "criterion"),
    [
        ([1.0], above("mean_absolute_difference", "raw", "null_max", 1.0)),
        ([1.0], above("scale_shift", "raw", "null_max", 1.0)),
        ([1.0], above("ks", "differenced", "absolute", 0.5)),
        ([1.0, 2.0], above("chi_square", "raw", "absolute", 0.5)),
        ([1.0, 2.0], below("wasserstein", "raw", "p_value", 0.5)),
    ],
)
def test_an_undefined_statistic_is_reported(current: list[float], criterion: Criterion) -> None:
    """NaN is not reported as the absence of drift without a reason."""
    result = decide(current, noise(50), criterion, current_times=np.arange(len(current)))
    assert not result.drifted
    assert result.reason == f"not defined for these samples: {criterion.test}"


def test_an_undefined_statistic_is_reported_next_to_a_defined_one() -> None:
    """If the defined statistic does not show drift, the reason has the undefined one."""
    scale = above("scale_shift", "raw", "null_max", 1.0)
    result = decide([0.0], noise(50), scale, CALIBRATED[2])
    assert (result.drifted, result.test) == (False, "mean_shift/raw/absolute")
    assert result.reason == "not defined for these samples: scale_shift/raw/null_max"
    found = decide([9.0], noise(50), scale, CALIBRATED[2])
    assert (found.drifted, found.reason) == (True, "")


def test_criteria_on_order_need_times() -> None:
    """Without times, a criterion on order is reported as undefined, or the other criteria decide."""
    times, rough = np.arange(600) * 60.0, np.tile([-1.0, 1.0], 50)
    smooth = np.sin(np.arange(500) / 40) * np.sqrt(2)
    given_times: dict[str, Any] = {"current_times": times[500:], "reference_times": times[:500]}
    assert decide(rough, smooth, CALIBRATED[1], **given_times).drifted
    alone = decide(rough, smooth, CALIBRATED[1])
    assert (alone.drifted, alone.test) == (False, "none")
    assert alone.reason == "not defined without times: mean_absolute_difference/raw/null_max"
    assert decide(rough + 9, smooth, *CALIBRATED).test == "wasserstein/deseasonalized/null_max"


ORDER, OTHER, NEVER = CALIBRATED[1], CALIBRATED[2], above("mean_shift", "raw", "absolute", 1e6)


@pytest.mark.parametrize(
    ("criteria", "min_votes", "drifted", "test"),
    [
        ((ORDER, OTHER), 1, True, OTHER.test),
        ((OTHER, ORDER), 1, True, OTHER.test),
        ((ORDER, NEVER), 1, False, NEVER.test),
        ((NEVER, ORDER), 1, False, NEVER.test),
        ((ORDER, OTHER), 2, False, ""),
        ((OTHER, ORDER), 2, False, ""),
        ((NEVER, ORDER), 2, False, NEVER.test),  # it fails, whatever the other comparison is
        ((ORDER, OTHER, NEVER), 2, False, NEVER.test),
        ((ORDER, OTHER, CALIBRATED[0]), 2, True, OTHER.test),
        ((ORDER, above("ks", "differenced", "absolute", 0.5), OTHER), 2, False, ""),
    ],
)
def test_without_times_the_other_comparisons_decide_if_they_can(
    criteria: tuple[Criterion, ...],
    min_votes: int,
    drifted: bool,  # noqa: FBT001
    test: str,
) -> None:
    """If the decision needs the order, there is none, and the reason lists every comparison that needs it."""
    result = decide(noise(100) + 9, noise(500, 1), *criteria, min_votes=min_votes)
    assert result.drifted is drifted
    if test:
        assert (result.test, result.reason) == (test, "")
    else:
        needed = ", ".join(each.test for each in criteria if not each.is_order_free)
        assert (result.test, result.reason) == ("none", f"not defined without times: {needed}")
        assert math.isnan(result.score)


def test_a_nested_decision_that_needs_the_order_is_not_made() -> None:
    """A comparison that holds cannot decide against drift."""
    samples = compare(noise(100) + 9, noise(500, 1))
    level, order = samples.statistic("mean_shift"), samples.statistic("mean_absolute_difference")
    result = samples.result((level > 1e6 or level > 1) and order > 0.1, rule="r")
    assert result.reason == "not defined without times: mean_absolute_difference/raw/absolute"
    assert not result.drifted


def test_a_reference_of_two_values_is_not_calibrated() -> None:
    """The reason reports that the calibrated statistic is undefined."""
    assert decide([1.0, 5.0], [1.0, 2.0], CALIBRATED[0]).reason.startswith("not defined")


# The decision


def test_a_result_has_all_fields_of_the_decision() -> None:
    """It has score, threshold, test, rule, version, feature, computed scores and profile."""
    result = decide(noise(100) + 3, noise(500, 1), below("ks", "raw", "p_value", 0.05))
    assert (result.drifted, result.test, result.direction) == (True, "ks/raw/p_value", "below")
    assert (result.rule, result.policy_version, result.feature, result.reason) == ("rule", 3, "age", "")
    assert result.score == result.p_value == result.scores["ks/raw"].p_value
    assert list(result.scores) == ["ks/raw"]
    assert result.profile is not None
    assert (result.profile.kind, result.profile.n_current, result.profile.n_reference) == (
        "numeric",
        100,
        500,
    )


THREE = {
    "a": above("mean_shift", "raw", "absolute", 0.9),
    "b": above("wasserstein", "raw", "absolute", 0.5),
    "c": above("ks", "raw", "absolute", 0.99),
    "d": above("ks", "raw", "absolute", 5.0),
}


@pytest.mark.parametrize(
    ("names", "min_votes", "drifted", "test"),
    [
        ("cab", 1, True, "a"),  # the first that holds; b is not evaluated
        ("cd", 1, False, "c"),  # the one that is closest to its threshold
        ("dc", 1, False, "c"),
        ("ba", 2, True, "a"),  # the smallest margin
        ("ab", 2, True, "a"),
        ("acd", 3, False, "c"),  # the first that fails; d is not evaluated
        ("abc", 2, True, "a"),  # the second best of three
        ("abcd", 3, False, "c"),  # the third best of four
    ],
)
def test_the_comparison_that_decides_is_reported(
    names: str,
    min_votes: int,
    drifted: bool,  # noqa: FBT001
    test: str,
) -> None:
    """The reported score and threshold are those of the comparison that decided."""
    criteria = [THREE[name] for name in names]
    result = decide(noise(400, 1) + 1, noise(400), *criteria, min_votes=min_votes)
    assert (result.drifted, result.test) == (drifted, THREE[test].test)
    assert result.threshold == THREE[test].threshold


def test_or_and_and_may_be_nested() -> None:
    """If some comparisons hold and others do not, the last one that was evaluated decided."""
    samples = compare(noise(400, 1) + 1, noise(400))
    mean, area, ks = (
        samples.statistic("mean_shift"),
        samples.statistic("wasserstein"),
        samples.statistic("ks"),
    )
    found = samples.result((mean > 0.9 and ks > 0.99) or area > 0.5, rule="r")
    assert (found.drifted, found.threshold) == (True, 0.5)
    missed = samples.result((mean > 0.9 or area > 5) and ks > 0.99, rule="r")
    assert (missed.drifted, missed.threshold) == (False, 0.99)
    voted = samples.result(at_least(2, mean > 0.9, area > 0.5, ks > 0.99) and ks > 0.1, rule="r")
    assert (voted.drifted, voted.threshold) == (True, 0.9)
    between = samples.result(0.1 < ks < 0.99, rule="r")
    assert (between.drifted, between.direction, between.threshold) == (True, "below", 0.99)


def test_every_result_reports_its_own_comparisons() -> None:
    """Comparisons made before an earlier result, or as parts of `at_least`, do not decide later results."""
    samples = compare(noise(400, 1) + 1, noise(400))
    mean, area = samples.statistic("mean_shift") > 0.9, samples.statistic("wasserstein")
    first = samples.result(mean, rule="first")
    second = samples.result(area > 0.1, rule="second")
    again = samples.result(mean, rule="again")
    assert [each.test.partition("/")[0] for each in (first, second, again)] == [
        "mean_shift",
        "wasserstein",
        "mean_shift",
    ]


def test_a_numpy_number_may_be_a_threshold_on_either_side() -> None:
    """NumPy scalars leave the comparison to the measure."""
    samples = compare(noise(400, 1) + 1, noise(400))
    measure = samples.statistic("wasserstein")
    for number in (np.float64(0.5), np.float32(0.5), 0.5):
        readings: Any = (measure > number, number < measure)
        assert [(bool(each), each.criterion.threshold) for each in readings] == [(True, 0.5)] * 2
        assert not measure < number
    assert bool(measure > np.int64(0))


@pytest.mark.parametrize(
    ("misuse", "said"),
    [
        (lambda it: it >= 0.05, r"ks/raw/p_value is used >= 0\.05; compare it with a threshold by > or <"),
        (lambda it: it <= 0.05, r"is used <= 0\.05"),
        (lambda it: it == 0.05, r"is used == 0\.05"),
        (lambda it: it != 0.05, r"is used != 0\.05"),
        (lambda it: 0.05 == it, r"is used == 0\.05"),  # noqa: SIM300
        (lambda it: it in (1.0, 2.0), r"is used == 1\.0"),
        (lambda it: 1 if it else 0, "is used as a truth value.*p_value\\('ks'\\) < 0.05"),
        (lambda it: not it, "is used as a truth value"),
        (lambda it: it or 1, "is used as a truth value"),
        (lambda it: it > it, "must be a finite number, got Measure"),  # noqa: PLR0124
        (lambda it: it > True, "must be a finite number, got True"),
        (lambda it: it < np.True_, "must be a finite number, got"),
        (lambda it: it < "0.05", "must be a finite number, got '0.05'"),
        (lambda it: it < None, "must be a finite number, got None"),
        (lambda it: it < math.inf, "must be a finite number, got inf"),
        (lambda it: it < [0.05], "must be a finite number, got \\[0.05\\]"),
        (max, "not iterable"),
    ],
)
def test_a_measure_can_only_be_compared_with_a_threshold(misuse: Callable[[Any], object], said: str) -> None:
    """Any other use is an error, because it could be false without being noticed."""
    measure = compare([1.0, 2.0], [1.0, 2.0]).p_value("ks")
    with pytest.raises((SampleError, TypeError), match=said):
        misuse(measure)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda _: True,
        lambda _: 0.3,
        lambda _: None,
        lambda samples: samples.p_value("ks"),
        lambda samples: not samples.p_value("ks") < 0.05,
        lambda samples: bool(samples.p_value("ks") < 0.05),
        lambda samples: (samples.p_value("ks") < 0.05) == True,  # noqa: E712
        lambda samples: any((samples.p_value("ks") < 0.05, samples.ratio("ks") > 1.5)),
        lambda samples: samples.p_value("ks") < 0.05 or False,
        lambda samples: samples.p_value("ks") < 2 and True,
        lambda _: compare([1.0], [2.0]).p_value("ks") < 0.05,
        lambda samples: compare(samples.current.values, samples.reference).p_value("ks") < 0.05,
        lambda _: at_least(1, compare([1.0], [2.0]).p_value("ks") < 0.05),
        lambda _: criterion_of("ks", "raw", "p_value", 0.05, "below"),
    ],
)
def test_a_decision_is_a_comparison_of_these_samples(wrong: Callable[[Samples], Any]) -> None:
    """Otherwise the result would have no score, or the score of other samples."""
    samples = compare(noise(30), noise(40, 1))
    with pytest.raises(SampleError, match=r"rule 'age': the decision is .* comparison of these samples"):
        samples.result(wrong(samples), rule="age")


def test_at_least_combines_comparisons_of_the_same_samples() -> None:
    """A truth value or a comparison of other samples is an error."""
    samples, others = compare(noise(30), noise(40, 1)), compare(noise(30), noise(40, 1))
    reading = samples.p_value("ks") < 0.05
    wrong: Any
    for wrong in (True, 2, samples.p_value("ks"), others.p_value("ks") < 0.05):
        for readings in ((reading, wrong), (wrong, reading)):
            with pytest.raises(SampleError, match="at_least combines comparisons of the same samples"):
                at_least(1, *readings)


def test_a_score_equal_to_its_threshold_is_not_drift() -> None:
    """A score must be above its threshold."""
    reference = np.array([-1.0, 1.0])
    assert not decide(reference + 1, reference, above("mean_shift", "raw", "absolute", 1.0)).drifted
    assert decide(
        reference + 1, reference, above("mean_shift", "raw", "absolute", np.nextafter(1.0, 0.0))
    ).drifted


@pytest.mark.parametrize("votes", [0, 3, -1, True, 1.0, "2"])
def test_votes_are_between_one_and_the_number_of_comparisons(votes: Any) -> None:
    """A rule that always or never holds is a programming error."""
    samples = compare([1.0], [1.0])
    with pytest.raises(SampleError, match=f"at_least: votes is {votes!r} of 2 comparisons"):
        at_least(votes, *(comparison(samples, each) for each in CALIBRATED[:2]))
    with pytest.raises(SampleError, match="of 0 comparisons"):
        at_least(1)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("k", "raw", "absolute"), "unknown statistic 'k'; known are anderson_darling"),
        (("ks", "row", "absolute"), "unknown preparation 'row'; known are raw"),
        (("ks", "raw", "p"), "unknown scale 'p'; known are absolute, p_value"),
    ],
)
def test_an_unknown_name_is_an_error_with_the_known_ones(names: tuple[str, str, str], said: str) -> None:
    """A threshold that is not a finite number is an error as well."""
    with pytest.raises(SampleError, match=said):
        above(*names, 1.0)
    with pytest.raises(SampleError, match="unknown statistic 'k'"):
        assert compare([1.0], [1.0]).ratio("k") > 1.0
    with pytest.raises(SampleError, match="finite number"):
        below("ks", "raw", "p_value", math.nan)


def test_scales_are_relative_to_self_distances_of_the_reference() -> None:
    """The scales use the 90 % quantile, the maximum, or the mean and standard deviation."""
    score = Score(statistic=6.0, p_value=0.2, null_q90=2.0, null_max=3.0, null_mean=1.0, null_sd=0.5)
    read = {scale: read_score(score, scale) for scale in SCALES}
    assert read == {"absolute": 6.0, "p_value": 0.2, "null_q90": 3.0, "null_max": 2.0, "null_zscore": 10.0}
    assert all(math.isnan(read_score(Score(statistic=6.0), scale)) for scale in SCALES[1:])


# The samples


def test_statistics_are_computed_once_and_on_demand() -> None:
    """A rule only computes the statistics that it uses."""
    samples = compare(noise(30), noise(300, 1))
    assert samples.score("ks", "raw", calibrated=False).null_max is None
    assert samples.score("ks", "raw").null_max is not None
    assert samples.score("ks", "raw") is samples.score("ks", "raw", calibrated=False)


def test_a_prepared_reference_gives_the_same_scores() -> None:
    """It also keeps its period."""
    times = np.arange(960) * 900.0
    values = np.sin(times / DAY * 2 * np.pi) + 0.1 * noise(960)
    arguments: dict[str, Any] = {"current_times": times[:50]}
    prepared = Reference.prepare(values, times=times, period=DAY)
    raw: dict[str, Any] = {"reference_times": times, "context": {"period": DAY, "segment": "eu"}}
    assert score_all(values[:50], prepared, **arguments) == score_all(values[:50], values, **arguments, **raw)


def test_a_profile_describes_the_shape_of_the_reference() -> None:
    """A drifted current sample must not change the rule that applies to it."""
    reference = np.random.default_rng(2).exponential(size=20_000)
    profile = compare([1.0, None, 2.0, 3.0], reference).profile
    assert profile.skewness == pytest.approx(2.0, abs=0.2)
    assert profile.tail_weight == pytest.approx(6.0, abs=2.0)
    assert (profile.n_unique, profile.missing_fraction) == (20_000, 0.25)
    assert profile.autocorrelation == pytest.approx(0, abs=0.03)
    assert not profile.is_seasonal


def test_a_season_is_known_if_both_samples_have_times() -> None:
    """The profile has its period and strength, and rules can test for a season."""
    times = np.arange(960) * 900.0
    values = np.sin(times / DAY * 2 * np.pi)
    samples = compare(values[:9], values, current_times=times[:9], reference_times=times)
    assert (samples.is_seasonal, samples.profile.period) == (True, DAY)
    assert samples.profile.seasonal_strength == pytest.approx(1, abs=0.01)
    blind = compare(values[:9], values, reference_times=times)
    assert (blind.is_seasonal, blind.profile.is_seasonal) == (False, False)


def test_categories_are_compared_by_name() -> None:
    """The order of the categories does not matter, and a category may be in one sample only."""
    samples = compare(["c", "a"], ["a", "b", "b", "a"])
    assert samples.is_categorical
    assert samples.score("total_variation", "raw").statistic == 0.5
    assert compare([True, False], [False, True]).score("chi_square", "raw").p_value == 1.0


def test_single_and_double_precision_values_are_equal() -> None:
    """A value such as 0.1 equals itself in both precisions, although the last bits differ."""
    values = noise(200).round(1)
    for current, reference in ((values.astype(np.float32), values), (values, values.astype(np.float32))):
        assert compare(current, reference).score("ks", "raw").statistic == 0.0


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ("daily", "context must be a mapping"),
        ({"period": "day"}, "must be seconds"),
        ({"period": -1}, "positive"),
    ],
)
def test_an_invalid_context_is_an_error(context: Any, said: str) -> None:
    """An invalid period is not replaced by a guess."""
    with pytest.raises(SampleError, match=said):
        compare([1.0], [1.0], context=context)


def test_the_full_set_of_scores_has_the_scores_that_learners_replay() -> None:
    """There are 20 numeric tests, 12 of them calibrated, and 6 categorical ones, all calibrated."""
    times = np.arange(330) * 60.0
    numeric = score_all(
        noise(30), noise(300), feature="age", current_times=times[300:], reference_times=times[:300]
    )
    assert len(numeric) == 20
    assert sum(score.null_max is not None for score in numeric.values()) == 12
    assert all(math.isfinite(score.statistic) for score in numeric.values())
    assert set(numeric) - set(score_all(noise(30), noise(300))) == {
        "mean_absolute_difference/raw",
        "mean_absolute_difference/deseasonalized",
    }
    categorical = score_all(["a", "b"], ["a"] * 9 + ["b"])
    assert len(categorical) == 6
    assert all(score.null_max is not None for score in categorical.values())


def test_compare_returns_samples() -> None:
    """The type is public so that it can be used in annotations."""
    assert isinstance(compare([1.0], [1.0]), Samples)


def test_importing_the_runtime_does_not_import_heavy_libraries() -> None:
    """Results do not import NumPy, and decisions do not import pandas, statsmodels or scipy.stats."""
    script = (
        "import sys, poet_runtime.results; assert 'numpy' not in sys.modules, 'numpy'\n"
        "import poet_runtime.drift, poet_runtime.drift.table\n"
        "heavy = {'pandas', 'polars', 'pyarrow', 'statsmodels', 'scipy.stats'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
