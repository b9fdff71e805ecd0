"""The boundary table of `detect_drift`: a check that a module follows its decisions exactly."""

import inspect
import itertools
import math
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Final, NamedTuple

from poet.build.contract import ContractViolation, require
from poet.policies.detect_drift.behaviour import StubSamples, run
from poet.policies.detect_drift.rules import Branch, branches
from poet.spec.decisions import Decisions
from poet_runtime.drift.comparison import compare
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

    def samples(self, scores: Mapping[str, float], *, reason: str = "") -> StubSamples:
        """Return samples with these facts and scores."""
        return StubSamples(
            feature=self.feature,
            n_reference=self.n_reference,
            is_categorical=self.kind == "categorical",
            is_seasonal=self.seasonal,
            scores=scores,
            reason=reason,
        )


def boundary_table(module: ModuleType, decisions: Decisions) -> int:
    """Check a module with every score at its threshold and one ulp on either side, under every condition.

    The module's `compare` is replaced by one that returns samples with given scores. The answer, the rule and
    the comparison that decided must match the decisions. Return the number of rows.
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
            for scores in _score_rows(branch):
                _require_row(module, facts, branch, scores, decisions.version)
                count += 1
        _require_not_compared(module, decisions.version)
    finally:
        vars(module)["compare"] = original
    return count + 1


def _require_row(
    module: ModuleType, facts: SampleFacts, branch: Branch, scores: Mapping[str, float], version: int
) -> None:
    samples = facts.samples(scores)
    result = _evaluate(module, samples, facts, version)
    situation, criteria = f"{facts} with scores {scores}", _criteria(branch)
    extra = [each.test for each in samples.criteria if each not in criteria]
    require(not extra, f"{situation}: it compares {extra}, which rule {branch.rule.id} does not")
    drifted = sum(each.holds(scores[each.test]) for each in criteria) >= branch.criteria.min_votes
    require(result.drifted is drifted, f"{situation}: drifted is {result.drifted}, expected {drifted}")
    require(result.rule == branch.rule.id, f"{situation}: decided by {result.rule!r}, not {branch.rule.id!r}")
    deciding = [each for each in criteria if (each.test, each.threshold) == (result.test, result.threshold)]
    require(bool(deciding), f"{situation}: it returns {result}, expected a test of the rule")
    value = scores[result.test]
    same = result.score == value or (math.isnan(result.score) and math.isnan(value))
    agrees = any(each.holds(value) is drifted for each in deciding)
    require(same and agrees, f"{situation}: it returns {result}, whose score did not decide")


def _require_not_compared(module: ModuleType, version: int) -> None:
    facts = SampleFacts("", 100, "numeric", seasonal=False)
    samples = facts.samples({}, reason="current is empty")
    result = _evaluate(module, samples, facts, version)
    require(
        result.drifted is False and result.reason == samples.reason and not samples.criteria,
        f"samples that cannot be compared: it returns {result}",
    )


def _evaluate(module: ModuleType, samples: StubSamples, facts: SampleFacts, version: int) -> DriftResult:
    """Return the module's answer, and check that it compares exactly the objects that it was given."""
    keywords: dict[str, Any] = {
        "current": [1.0, 2.0],
        "reference": [3.0],
        "current_times": [0.0, 1.0],
        "reference_times": [2.0],
        "context": {"period": 24.0},
    }
    result = run(module, samples, **keywords)
    given = {"feature": facts.feature, "version": version, **keywords}
    passed = {
        name: samples.given.get(name, parameter.default) for name, parameter in COMPARE.parameters.items()
    }
    changed = [name for name, value in passed.items() if value is not given[name]]
    require(not changed, f"{facts}: it does not pass {changed} on to compare unchanged: {samples.given}")
    return result


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


def _score_rows(branch: Branch) -> Iterator[dict[str, float]]:
    """Yield scores for the tests of a rule: at each threshold, one ulp on either side, and NaN.

    For few criteria all combinations are used; for many, the values of each while some of the others hold.
    """
    criteria = _criteria(branch)
    steps: dict[str, list[float]] = {}
    for each in criteria:
        below, above = (math.nextafter(each.threshold, end) for end in (-math.inf, math.inf))
        steps.setdefault(each.test, [math.nan]).extend((below, each.threshold, above))
    if math.prod(map(len, steps.values())) <= MOST_ROWS:
        for values in itertools.product(*steps.values()):
            yield dict(zip(steps, values, strict=True))
        return
    holding = {test: max(found[1:]) for test, found in steps.items()}
    holding |= {each.test: min(steps[each.test][1:]) for each in criteria if each.direction == "below"}
    failing = {each.test: each.threshold for each in criteria}
    for holders, test in itertools.product(range(len(steps) + 1), steps):
        others = {
            other: holding[other] if place < holders else failing[other] for place, other in enumerate(steps)
        }
        yield from (others | {test: value} for value in steps[test])
