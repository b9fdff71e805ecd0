"""The boundary table of `detect_drift`: a check that a module follows its decisions exactly."""

import inspect
import itertools
import math
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final, NamedTuple

from poet.build.contract import ContractViolation, require
from poet.policies.detect_drift.rules import Branch, branches
from poet.spec.decisions import Decisions
from poet_runtime.drift.comparison import Samples, compare
from poet_runtime.drift.criteria import Criterion
from poet_runtime.results import DriftResult

COMPARE: Final = inspect.signature(compare)
MOST_ROWS: Final = 256  # combinations of scores under one condition


class SampleFacts(NamedTuple):
    """The facts about the samples that conditions depend on."""

    feature: str
    n_reference: int
    kind: str
    seasonal: bool


class DecideCall(NamedTuple):
    """The arguments with which a module calls `decide`."""

    rule: str
    criteria: tuple[Criterion, ...]
    min_votes: int


def boundary_table(module: ModuleType, decisions: Decisions) -> int:
    """Check a module with every score at its threshold and one ulp on either side, under every condition.

    The module's `compare` is replaced by one that returns samples with given scores. The deciding rule, its
    criteria and the answer must match the decisions. Return the number of rows.
    """
    original, count = vars(module).get("compare"), 0
    if original is None:
        raise ContractViolation(
            "it does not import 'compare' from poet_runtime.drift, so scores cannot be set"
        )
    rules = branches(decisions)
    try:
        for facts in _sample_facts(rules):
            branch = next(branch for branch in rules if _covers(branch, facts))
            for values in _values(branch):
                _require_row(module, facts, branch, values, decisions.version)
                count += 1
        _require_undecided(module, decisions.version)
    finally:
        vars(module)["compare"] = original
    return count + 1


def _require_row(
    module: ModuleType, facts: SampleFacts, branch: Branch, values: tuple[float, ...], version: int
) -> None:
    samples = _StubSamples(facts, values)
    result = _evaluate(module, samples, facts, version)
    situation = f"{facts} with scores {values}"
    expected = DecideCall(branch.rule.id, _criteria(branch), branch.criteria.min_votes)
    calls = samples.decide_calls
    require(calls == [expected], f"{situation}: it uses {calls}, expected {expected}")
    drifted = sum(map(Criterion.holds, expected.criteria, values)) >= expected.min_votes
    require(result.drifted is drifted, f"{situation}: drifted is {result.drifted}, expected {drifted}")
    require(result.rule == branch.rule.id, f"{situation}: decided by {result.rule!r}, not {branch.rule.id!r}")
    same = result.score == values[0] or math.isnan(values[0])
    require(same and result.threshold == expected.criteria[0].threshold, f"{situation}: it returns {result}")


def _require_undecided(module: ModuleType, version: int) -> None:
    facts = SampleFacts("", 100, "numeric", seasonal=False)
    samples = _StubSamples(facts, (), reason="current is empty")
    result = _evaluate(module, samples, facts, version)
    require(
        result.drifted is False and result.reason == samples.reason,
        f"samples that cannot be compared: it returns {result}",
    )


def _evaluate(module: ModuleType, samples: "_StubSamples", facts: SampleFacts, version: int) -> DriftResult:
    """Return the module's answer, and check that it compares exactly the objects that it was given."""
    current, reference = [1.0, 2.0], [3.0]
    keywords: dict[str, Any] = {
        "feature": facts.feature,
        "current_times": [0.0, 1.0],
        "reference_times": [2.0],
        "context": {"period": 24.0},
    }
    vars(module)["compare"] = samples.compare
    result = module.detect_drift(current, reference, **keywords)
    given = {"current": current, "reference": reference, "version": version, **keywords}
    changed = [name for name, value in samples.compared.items() if value is not given[name]]
    require(not changed, f"{facts}: it does not pass {changed} on to compare unchanged: {samples.compared}")
    return result  # type: ignore[no-any-return]


def _sample_facts(rules: tuple[Branch, ...]) -> Iterator[SampleFacts]:
    features = {"", "no such feature", *(name for branch in rules for name in branch.condition.features)}
    sizes = {50, 10**6}
    for branch in rules:
        if (most := branch.condition.reference_at_most) is not None:
            sizes |= {most - 1, most, most + 1}
    kinds, seasons = ("numeric", "categorical"), (False, True)
    combinations = itertools.product(sorted(features), sorted(sizes), kinds, seasons)
    yield from itertools.starmap(SampleFacts, combinations)


def _covers(branch: Branch, facts: SampleFacts) -> bool:
    condition = branch.condition
    return (
        (condition.kind is None or condition.kind == facts.kind)
        and (condition.seasonal is None or condition.seasonal == facts.seasonal)
        and (condition.reference_at_most is None or facts.n_reference <= condition.reference_at_most)
        and (not condition.features or facts.feature in condition.features)
    )


def _criteria(branch: Branch) -> tuple[Criterion, ...]:
    return tuple(
        Criterion(each.statistic, each.preparation, each.scale, each.threshold, each.direction)
        for each in branch.criteria.criteria
    )


def _values(branch: Branch) -> Iterator[tuple[float, ...]]:
    """Yield values for the criteria of a rule: at the threshold, one ulp on either side, and NaN.

    For few criteria all combinations are used; for many, the values of each while some of the others hold.
    """
    steps = [
        (math.nextafter(k, -math.inf), k, math.nextafter(k, math.inf), math.nan)
        for k in (criterion.threshold for criterion in branch.criteria.criteria)
    ]
    if 4 ** len(steps) <= MOST_ROWS:
        yield from itertools.product(*steps)
        return
    holding = [
        each[2 if it.direction == "above" else 0] for it, each in zip(_criteria(branch), steps, strict=True)
    ]
    for holders, place in itertools.product(range(len(steps) + 1), range(len(steps))):
        rest = [value if other < holders else steps[other][1] for other, value in enumerate(holding)]
        yield from ((*rest[:place], value, *rest[place + 1 :]) for value in steps[place])


class _StubSamples(Samples):
    """A stub of samples with given scores, in the order of the criteria."""

    def __init__(self, facts: SampleFacts, values: tuple[float, ...], *, reason: str = "") -> None:
        self.decide_calls: list[DecideCall]
        self.compared: dict[str, Any]
        self.__dict__.update(
            _facts=facts, _values=values, reason=reason, decide_calls=[], compared={}, profile=None
        )

    def compare(self, *args: Any, **kwargs: Any) -> "_StubSamples":
        """Record the arguments of `compare` and return this stub."""
        bound = COMPARE.bind(*args, **kwargs)
        bound.apply_defaults()
        self.compared.update(bound.arguments)
        return self

    @property
    def is_categorical(self) -> bool:
        return bool(self.__dict__["_facts"].kind == "categorical")

    @property
    def is_seasonal(self) -> bool:
        return bool(self.__dict__["_facts"].seasonal)

    @property
    def n_reference(self) -> int:
        return int(self.__dict__["_facts"].n_reference)

    def decide(self, rule_id: str, *criteria: Criterion, min_votes: int = 1) -> DriftResult:
        self.decide_calls.append(DecideCall(rule_id, criteria, min_votes))
        values = self.__dict__["_values"]
        drifted = sum(map(Criterion.holds, criteria, values)) >= min_votes
        return DriftResult(
            drifted=drifted,
            score=values[0],
            threshold=criteria[0].threshold,
            test=criteria[0].test,
            rule=rule_id,
        )

    def undecided(self) -> DriftResult:
        return DriftResult(drifted=False, score=math.nan, threshold=math.nan, test="none", reason=self.reason)
