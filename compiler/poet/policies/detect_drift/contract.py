"""The contract of `detect_drift`: consistent results, invariance to irrelevant changes, explicit reasons."""

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from itertools import starmap
from typing import Any, Final

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import bdtrc

from poet.build.contract import Contract, ContractViolation, Policy, WorkloadCase, require
from poet.build.samples import Pair, letters, numeric, numeric_pairs, pairs, with_times
from poet.policies.detect_drift.oracle import boundary_table
from poet.spec.decisions import Decisions
from poet_runtime.drift.statistics import ORDERED
from poet_runtime.errors import SampleError
from poet_runtime.results import DriftResult


def _answer(policy: Policy, pair: Pair, **keywords: Any) -> DriftResult:
    result = policy(pair.current, pair.reference, **(pair.keywords | keywords))
    if not isinstance(result, DriftResult):
        raise ContractViolation(f"it returns {type(result).__name__}, not DriftResult")
    return result


def reports_the_deciding_statistic(policy: Policy) -> Callable[[], None]:
    """Check that `drifted` follows from score, threshold and direction, or that there is a reason."""

    @given(pairs())
    def test(pair: Pair) -> None:
        result = _answer(policy, pair)
        require(type(result.drifted) is bool, f"drifted is {result.drifted!r}")
        if math.isnan(result.score):
            require(not result.drifted and bool(result.reason), f"a score of NaN without a reason: {result}")
            return
        is_above = result.direction == "above"
        beyond = result.score > result.threshold if is_above else result.score < result.threshold
        require(
            beyond == result.drifted, f"{result.score!r} {result.direction} {result.threshold!r}: {result}"
        )
        require(_is_in_range(result), f"{result.test}: a score of {result.score}")

    return test


def _is_in_range(result: DriftResult) -> bool:
    """Return whether the score is in its range: distances are at least 0, p-values at most 1.

    Anderson-Darling is standardized, so it can be negative, as can all statistics on the scale `null_zscore`.
    """
    statistic, scale = result.test.partition("/")[0], result.test.rpartition("/")[2]
    is_two_sided = scale == "null_zscore" or (statistic == "anderson_darling" and scale != "p_value")
    return (is_two_sided or result.score >= 0.0) and (scale != "p_value" or result.score <= 1.0)


def finds_no_drift_in_identical_samples(policy: Policy) -> Callable[[], None]:
    """Check that a sample does not drift from itself."""

    @given(pairs())
    def test(pair: Pair) -> None:
        times = pair.keywords.get("reference_times")
        keywords = pair.keywords | ({} if times is None else {"current_times": times})
        result = policy(pair.reference, pair.reference, **keywords)
        require(result.drifted is False, f"drifted from itself: {result}")

    return test


def detects_a_shift_of_three_standard_deviations(policy: Policy) -> Callable[[], None]:
    """Check that every shift of 3 reference sd is found with at least 200 points."""

    @given(
        st.sampled_from(("normal", "heavy", "rounded", "integers", "tiny", "huge")),
        st.integers(200, 500),
        st.integers(200, 500),
        st.integers(0, 10_000),
        st.sampled_from((3.0, -3.0)),
    )
    def test(shape: str, n: int, n_reference: int, seed: int, by: float) -> None:
        reference, current = numeric(shape, n_reference, seed), numeric(shape, n, seed + 1)
        result = policy(current + by * reference.std(), reference)
        require(result.drifted is True, f"a shift of 3 sd was not found: {result}")

    return test


def detects_a_shift_in_large_samples_within_the_time_limit(policy: Policy) -> Callable[[], None]:
    """Check that a shift of 3 reference sd in very large samples is found within the time limit of a call."""

    @given(st.just((0, 1)))
    def test(seeds: tuple[int, int]) -> None:
        current, reference = (numeric("normal", LARGE_SAMPLE, seed) for seed in seeds)
        result = _answer(policy, Pair(current + 3.0, reference, {}))
        require(result.drifted is True, f"a shift of 3 sd was not found: {result}")

    return test


def ignores_the_order_of_current(policy: Policy) -> Callable[[], None]:
    """Check that the order of a current sample without times matters only to statistics of order."""

    @given(numeric_pairs(), st.integers(0, 100))
    def test(pair: Pair, seed: int) -> None:
        shuffled = np.random.default_rng(seed).permutation(pair.current)
        here, there = _answer(policy, pair), _answer(policy, replace(pair, current=shuffled))
        for name in here.scores.keys() & there.scores.keys():
            one, other = here.scores[name].statistic, there.scores[name].statistic
            alike = _is_about_order(name) or one == other or math.isclose(one, other, rel_tol=1e-9)
            require(alike or math.isnan(one) or abs(one - other) < 1e-9, f"{name} is {one}, shuffled {other}")
        if not any(map(_is_about_order, here.scores)) and not _is_close_call(here):
            require(here.drifted == there.drifted, f"the answer depends on the order: {here} {there}")

    return test


def _is_about_order(score: str) -> bool:
    statistic, _, preparation = score.partition("/")
    return statistic in ORDERED or preparation == "differenced"


def _is_close_call(result: DriftResult) -> bool:
    """Return whether a rounding error of the data can change the decision."""
    return abs(result.score - result.threshold) <= 1e-6 * abs(result.threshold)


def is_invariant_to_unit_and_origin(policy: Policy) -> Callable[[], None]:
    """Check that adding a constant to both samples, or scaling both, does not change the decision."""

    @given(numeric_pairs(), st.sampled_from((2.0, 0.5, 1024.0)), st.sampled_from((0.0, 8.0, -64.0)))
    def test(pair: Pair, factor: float, offset: float) -> None:
        spread = float(np.std(pair.reference))
        moved = Pair(pair.current * factor + offset * spread, pair.reference * factor + offset * spread, {})
        here, there = _answer(policy, pair), _answer(policy, moved)
        same = here.drifted == there.drifted or _is_close_call(here)
        require(same, f"the answer depends on unit or origin: {here} {there}")

    return test


def reports_missing_data(policy: Policy) -> Callable[[], None]:
    """Check that an empty or all-missing current sample is reported with a reason, not as "no drift"."""

    @given(numeric_pairs(), st.sampled_from(("empty", "nan", "none")))
    def test(pair: Pair, how: str) -> None:
        nothing: Any = {"empty": np.array([], float), "nan": np.full(30, np.nan), "none": [None] * 30}[how]
        result = policy(nothing, pair.reference)
        require(result.drifted is False and bool(result.reason), f"missing data are not reported: {result}")

    return test


def does_not_modify_its_arguments(policy: Policy) -> Callable[[], None]:
    """Check that samples are not changed, and that repeated calls get the same answer."""

    @given(pairs(), pairs())
    def test(pair: Pair, other: Pair) -> None:
        before = deepcopy(pair)
        first = _answer(policy, pair)
        _answer(policy, other)
        again = _answer(policy, pair)
        unchanged = all(starmap(_is_same, zip(_parts(before), _parts(pair), strict=True)))
        require(unchanged, "it changed its arguments")
        same = (first.drifted, first.test, first.rule) == (again.drifted, again.test, again.rule)
        require(same and (first.score == again.score or math.isnan(first.score)), f"{first} then {again}")

    return test


def _parts(pair: Pair) -> list[Any]:
    return [pair.current, pair.reference, *pair.keywords.values()]


def _is_same(one: Any, other: Any) -> bool:
    if not isinstance(one, np.ndarray):
        return bool(one == other)
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def rejects_wrong_types(policy: Policy) -> Callable[[], None]:
    """Check that arguments of wrong types raise `SampleError`."""

    @given(st.sampled_from([np.zeros((3, 3)), "text", {"a": 1}, 5, None]))
    def test(wrong: Any) -> None:
        try:
            result = policy(wrong, [1.0, 2.0, 3.0])
        except SampleError:
            return
        raise ContractViolation(f"it accepts {wrong!r} as a sample and returns {result}")

    return test


def stays_below_the_declared_false_alarm_rate(
    policy: Policy, decisions: Decisions | None
) -> Callable[[], None]:
    """Check that samples without a change stay below the false alarm rate that a version declares."""
    declared = {} if decisions is None else decisions.configuration.get("declared_false_alarm_rate", {})
    if not isinstance(declared, Mapping) or declared.keys() - QUIET.keys():
        raise ContractViolation(
            f"declared_false_alarm_rate is {declared!r}, expected rates of {sorted(QUIET)}"
        )

    @given(st.just(sorted(declared.items())))
    def test(rates: list[tuple[str, float]]) -> None:
        for kind, rate in rates:
            alarms = sum(_answer(policy, QUIET[kind](seed)).drifted for seed in range(QUIET_RUNS))
            # the probability of at least this many alarms if the declared rate is the true one
            chance = float(bdtrc(alarms - 1, QUIET_RUNS, rate)) if alarms else 1.0
            message = f"{alarms} false alarms in {QUIET_RUNS} quiet {kind} samples, declared {rate}"
            require(chance > BY_CHANCE, message)

    return test


LARGE_SAMPLE: Final = 50_000  # values of a large sample
QUIET_RUNS, BY_CHANCE = 200, 1e-4
QUIET: Final[Mapping[str, Callable[[int], Pair]]] = {
    "categorical": lambda seed: Pair(letters(60, 2 * seed), letters(120, 2 * seed + 1), {}),
    "numeric": lambda seed: Pair(numeric("normal", 60, 2 * seed), numeric("normal", 120, 2 * seed + 1), {}),
    "seasonal": lambda seed: with_times(seed, 7, hours=8 + seed % 17),
}


WORKLOAD_VALUES: Final = 20_000  # values of each sample of a workload


def _many_numbers() -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (numeric("normal", WORKLOAD_VALUES, 1), numeric("normal", WORKLOAD_VALUES, 2)), {}


def _many_categories() -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (letters(WORKLOAD_VALUES, 1), letters(WORKLOAD_VALUES, 2)), {}


def _many_days() -> tuple[tuple[Any, ...], dict[str, Any]]:
    pair = with_times(1, 200, hours=200)
    return (pair.current, pair.reference), dict(pair.keywords)


CONTRACT: Final = Contract(
    properties=(
        reports_the_deciding_statistic,
        reports_missing_data,
        rejects_wrong_types,
        finds_no_drift_in_identical_samples,
        detects_a_shift_of_three_standard_deviations,
        detects_a_shift_in_large_samples_within_the_time_limit,
        ignores_the_order_of_current,
        is_invariant_to_unit_and_origin,
        does_not_modify_its_arguments,
        stays_below_the_declared_false_alarm_rate,
    ),
    boundary_table=boundary_table,
    former_names={
        "says_what_it_decides_by": "reports_the_deciding_statistic",
        "refuses_wrong_types": "rejects_wrong_types",
        "never_drifts_on_identical_samples": "finds_no_drift_in_identical_samples",
        "finds_a_shift_of_three_standard_deviations": "detects_a_shift_of_three_standard_deviations",
        "finds_a_shift_in_large_samples_in_time": "detects_a_shift_in_large_samples_within_the_time_limit",
        "forgets_the_order_of_current": "ignores_the_order_of_current",
        "is_blind_to_unit_and_origin": "is_invariant_to_unit_and_origin",
        "leaves_its_arguments_alone": "does_not_modify_its_arguments",
        "keeps_its_declared_false_alarm_rate": "stays_below_the_declared_false_alarm_rate",
    },
    signature="(current, reference, *, feature='', current_times=None, reference_times=None, context=None)",
    workloads=(
        WorkloadCase("many numbers", _many_numbers),
        WorkloadCase("many categories", _many_categories),
        WorkloadCase("many days", _many_days),
    ),
)
