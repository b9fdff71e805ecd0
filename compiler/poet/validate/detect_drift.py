"""The contract of `detect_drift`: honest about what it found, blind to what cannot matter, never silent."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from poet.decisions import Decisions
from poet.errors import SampleError
from poet.policies.detect_drift import Branch, Criterion, branches
from poet.runtime.drift import Samples
from poet.runtime.results import DriftResult, Score
from poet.validate._contract import Broken, Contract, Policy, demand
from poet.validate._samples import Pair, numeric, numeric_pairs, pairs, with_times

__all__ = ["CONTRACT"]


def _answer(policy: Policy, pair: Pair, **keywords: Any) -> DriftResult:
    result = policy(pair.current, pair.reference, **(pair.keywords | keywords))
    if not isinstance(result, DriftResult):
        raise Broken(f"it answers {type(result).__name__}, not DriftResult")
    return result


def says_what_it_decides_by(policy: Policy) -> Callable[[], None]:
    """`drifted` is a bool and follows from score, threshold and direction; what is undecided has a reason."""

    @given(pairs())
    def test(pair: Pair) -> None:
        result = _answer(policy, pair)
        demand(type(result.drifted) is bool, f"drifted is {result.drifted!r}")
        if math.isnan(result.score):
            demand(not result.drifted and bool(result.reason), f"a score of NaN without a reason: {result}")
            return
        is_above = result.direction == "above"
        beyond = result.score > result.threshold if is_above else result.score < result.threshold
        demand(
            beyond == result.drifted, f"{result.score!r} {result.direction} {result.threshold!r}: {result}"
        )
        demand(result.score >= 0.0 or "own_sd" in result.test, f"the score {result.score} is below its range")
        if result.test.endswith("p_value"):
            demand(result.score <= 1.0, f"a p-value of {result.score}")

    return test


def never_drifts_on_identical_samples(policy: Policy) -> Callable[[], None]:
    """Find no drift of a sample from itself."""

    @given(pairs())
    def test(pair: Pair) -> None:
        times = pair.keywords.get("reference_times")
        keywords = pair.keywords | ({} if times is None else {"current_times": times})
        result = policy(pair.reference, pair.reference, **keywords)
        demand(result.drifted is False, f"drifted from itself: {result}")

    return test


def finds_a_shift_of_three_standard_deviations(policy: Policy) -> Callable[[], None]:
    """Find every shift of 3 reference sd with 200 points and more."""

    @given(
        st.sampled_from(("normal", "rounded", "integers")),
        st.integers(0, 10_000),
        st.sampled_from((1.0, -1.0)),
    )
    def test(shape: str, seed: int, sign: float) -> None:
        reference, current = numeric(shape, 300, seed), numeric(shape, 200, seed + 1)
        result = policy(current + sign * 3.0 * reference.std(), reference)
        demand(result.drifted is True, f"a shift of 3 sd was not found: {result}")

    return test


def forgets_the_order_of_current(policy: Policy) -> Callable[[], None]:
    """Forget the order of a current sample without times."""

    @given(numeric_pairs(), st.integers(0, 100))
    def test(pair: Pair, seed: int) -> None:
        shuffled = np.random.default_rng(seed).permutation(pair.current)
        here, there = _answer(policy, pair), policy(shuffled, pair.reference)
        demand(here.drifted == there.drifted, f"the order of the current sample decides: {here} {there}")

    return test


def is_blind_to_unit_and_origin(policy: Policy) -> Callable[[], None]:
    """Change nothing when a constant is added to both samples, or both are scaled."""

    @given(numeric_pairs(), st.sampled_from((2.0, 0.5, 1024.0)), st.sampled_from((0.0, 8.0, -64.0)))
    def test(pair: Pair, factor: float, offset: float) -> None:
        spread = float(np.std(pair.reference))
        moved = Pair(pair.current * factor + offset * spread, pair.reference * factor + offset * spread, {})
        here, there = _answer(policy, pair), _answer(policy, moved)
        # at the threshold itself one ulp of the data may decide
        assume(abs(here.score - here.threshold) > 1e-6 * abs(here.threshold))
        demand(here.drifted == there.drifted, f"unit or origin decides: {here} {there}")

    return test


def reports_missing_data(policy: Policy) -> Callable[[], None]:
    """Report a current sample that is empty or all missing as such, never as "no drift"."""

    @given(numeric_pairs(), st.sampled_from(("empty", "nan", "none")))
    def test(pair: Pair, how: str) -> None:
        nothing: Any = {"empty": np.array([], float), "nan": np.full(30, np.nan), "none": [None] * 30}[how]
        result = policy(nothing, pair.reference)
        demand(result.drifted is False and bool(result.reason), f"nothing said of missing data: {result}")

    return test


def leaves_its_arguments_alone(policy: Policy) -> Callable[[], None]:
    """Change no sample, and give the same question the same answer."""

    @given(numeric_pairs(), numeric_pairs())
    def test(pair: Pair, other: Pair) -> None:
        before = pair.current.copy(), pair.reference.copy()
        first = _answer(policy, pair)
        _answer(policy, other)
        again = _answer(policy, pair)
        unchanged = np.array_equal(before[0], pair.current) and np.array_equal(before[1], pair.reference)
        demand(unchanged, "it changed its arguments")
        same = (first.drifted, first.test, first.rule) == (again.drifted, again.test, again.rule)
        demand(same and (first.score == again.score or math.isnan(first.score)), f"{first} then {again}")

    return test


def refuses_wrong_types(policy: Policy) -> Callable[[], None]:
    """Raise `SampleError` for a programming error."""

    @given(st.sampled_from([np.zeros((3, 3)), "text", {"a": 1}, 5, None]))
    def test(wrong: Any) -> None:
        try:
            result = policy(wrong, [1.0, 2.0, 3.0])
        except SampleError:
            return
        raise Broken(f"it takes {wrong!r} for a sample and answers {result}")

    return test


def keeps_its_declared_false_alarm_rate(policy: Policy, decisions: Decisions | None) -> Callable[[], None]:
    """Where a version declares a rate of false alarms, samples without a change stay under it."""
    declared = {} if decisions is None else decisions.configuration.get("declared_false_alarm_rate", {})
    if not isinstance(declared, Mapping):
        raise Broken(f"declared_false_alarm_rate is {declared!r}, expected rates by kind")
    runs = 200

    @given(st.just(0))
    def test(_: int) -> None:
        for kind, rate in sorted(declared.items()):
            alarms = sum(bool(_answer(policy, _quiet(kind, seed)).drifted) for seed in range(runs))
            most = runs * rate + 3.0 * math.sqrt(runs * rate * (1.0 - rate))
            demand(alarms <= most, f"{alarms} false alarms in {runs} quiet {kind} samples, declared {rate}")

    return test


def _quiet(kind: str, seed: int) -> Pair:
    if kind == "seasonal":
        return with_times(seed, 7, hours=24)
    return Pair(numeric("normal", 60, 2 * seed), numeric("normal", 120, 2 * seed + 1), {})


def boundary_table(module: ModuleType, decisions: Decisions) -> int:
    """Set every score at its threshold and one ulp either side, under every condition, and compare.

    The candidate's own `compare` is replaced by samples whose scores are ours; what it answers must be what
    the decisions say.
    """
    there, count = vars(module)["compare"], 0
    try:
        for condition in _conditions(decisions):
            branch = _deciding(decisions, condition)
            for scores in _scores(branch):
                vars(module)["compare"] = _comparing(condition, scores)
                result = module.detect_drift([1.0], [1.0], feature=condition["feature"])
                expected = _holding(branch, scores) >= branch.criteria.agree
                says = f"{condition} with {scores}: {result.drifted} by {result.rule!r}"
                demand(
                    result.drifted is expected, f"{says}, the decisions say {expected} by {branch.rule.id!r}"
                )
                demand(result.rule == branch.rule.id, f"{says}, the decisions say {branch.rule.id!r}")
                thresholds = [criterion.threshold for criterion in branch.criteria.criteria]
                demand(
                    result.threshold in thresholds, f"threshold {result.threshold} is none of {thresholds}"
                )
                count += 1
    finally:
        vars(module)["compare"] = there
    return count


def _conditions(decisions: Decisions) -> Iterator[dict[str, Any]]:
    found = branches(decisions)
    features = {"", "no such feature", *(name for branch in found for name in branch.condition.features)}
    sizes = {50, 10**6}
    for branch in found:
        if (most := branch.condition.reference_at_most) is not None:
            sizes |= {most - 1, most, most + 1}
    for feature, size, kind, seasonal in itertools.product(
        sorted(features), sorted(sizes), ("numeric", "categorical"), (False, True)
    ):
        yield {"feature": feature, "n_reference": size, "kind": kind, "seasonal": seasonal}


def _deciding(decisions: Decisions, condition: Mapping[str, Any]) -> Branch:
    return next(branch for branch in branches(decisions) if _covers(branch, condition))


def _covers(branch: Branch, condition: Mapping[str, Any]) -> bool:
    asked = branch.condition
    return (
        (asked.kind is None or asked.kind == condition["kind"])
        and (asked.seasonal is None or asked.seasonal == condition["seasonal"])
        and (asked.reference_at_most is None or condition["n_reference"] <= asked.reference_at_most)
        and (not asked.features or condition["feature"] in asked.features)
    )


def _scores(branch: Branch) -> Iterator[tuple[float, ...]]:
    """Give values for the criteria of a rule: each at its threshold and beside it, all combinations."""
    steps = [
        (math.nextafter(each.threshold, -math.inf), each.threshold, math.nextafter(each.threshold, math.inf))
        for each in branch.criteria.criteria
    ]
    yield from itertools.islice(itertools.product(*steps), 243)


def _holding(branch: Branch, scores: tuple[float, ...]) -> int:
    return sum(
        _holds(criterion, value) for criterion, value in zip(branch.criteria.criteria, scores, strict=True)
    )


def _holds(criterion: Criterion, value: float) -> bool:
    return value > criterion.threshold if criterion.direction == "above" else value < criterion.threshold


def _comparing(condition: Mapping[str, Any], values: tuple[float, ...]) -> Callable[..., "_Told"]:
    def compare(*_args: Any, version: int = 0, feature: str = "", **_keywords: Any) -> _Told:
        return _Told(condition, values, version, feature)

    return compare


class _Told(Samples):
    """Samples that have the scores they are told to have, in the order in which criteria are given."""

    def __init__(
        self, condition: Mapping[str, Any], values: tuple[float, ...], version: int, feature: str
    ) -> None:
        self.__dict__.update(_condition=condition, _values=values, version=version, feature=feature)
        self.__dict__.update(reason="", profile=None)

    @property
    def is_categorical(self) -> bool:
        return bool(self.__dict__["_condition"]["kind"] == "categorical")

    @property
    def is_seasonal(self) -> bool:
        return bool(self.__dict__["_condition"]["seasonal"])

    @property
    def n_reference(self) -> int:
        return int(self.__dict__["_condition"]["n_reference"])

    def decide(self, rule_id: str, *criteria: Any, agree: int = 1) -> DriftResult:
        readings = list(zip(criteria, self.__dict__["_values"], strict=True))
        held = [(each, value) for each, value in readings if each.holds(value)]
        drifted = len(held) >= agree
        decisive, value = (held or readings)[0]
        return DriftResult(
            drifted=drifted,
            score=value,
            threshold=decisive.threshold,
            test=decisive.test,
            direction=decisive.direction,
            scores={"told": Score(statistic=value)},
            rule=rule_id,
            policy_version=self.version,
        )


CONTRACT = Contract(
    properties=(
        says_what_it_decides_by,
        reports_missing_data,
        refuses_wrong_types,
        never_drifts_on_identical_samples,
        finds_a_shift_of_three_standard_deviations,
        forgets_the_order_of_current,
        is_blind_to_unit_and_origin,
        leaves_its_arguments_alone,
        keeps_its_declared_false_alarm_rate,
    ),
    boundary_table=boundary_table,
)
