"""The boundary table of `detect_drift`: a check that a module follows its decisions exactly."""

import inspect
import itertools
import math
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final, NamedTuple

from poet.build.contract import Broken, demand
from poet.policies.detect_drift.rules import Branch, branches
from poet.spec.decisions import Decisions
from poet_runtime.drift.comparison import Samples, compare
from poet_runtime.drift.criteria import Criterion
from poet_runtime.results import DriftResult

COMPARE: Final = inspect.signature(compare)
MOST_ROWS: Final = 256  # combinations of scores under one condition


class Case(NamedTuple):
    """The facts about the samples that conditions depend on."""

    feature: str
    n_reference: int
    kind: str
    seasonal: bool


class Asked(NamedTuple):
    """The arguments with which a module calls `decide`."""

    rule: str
    criteria: tuple[Criterion, ...]
    min_votes: int


def boundary_table(module: ModuleType, decisions: Decisions) -> int:
    """Check a module with every score at its threshold and one ulp on either side, under every condition.

    The module's `compare` is replaced by one that returns samples with given scores. The deciding rule, its
    criteria and the answer must match the decisions. Return the number of rows.
    """
    there, count = vars(module).get("compare"), 0
    if there is None:
        raise Broken("it does not import 'compare' from poet_runtime.drift, so scores cannot be set")
    found = branches(decisions)
    try:
        for case in _cases(found):
            branch = next(branch for branch in found if _covers(branch, case))
            for values in _values(branch):
                _demand_row(module, case, branch, values, decisions.version)
                count += 1
        _demand_undecided(module, decisions.version)
    finally:
        vars(module)["compare"] = there
    return count + 1


def _demand_row(
    module: ModuleType, case: Case, branch: Branch, values: tuple[float, ...], version: int
) -> None:
    samples = _Told(case, values)
    result = _asked(module, samples, case, version)
    says = f"{case} with scores {values}"
    expected = Asked(branch.rule.id, _criteria(branch), branch.criteria.min_votes)
    demand(samples.asked == [expected], f"{says}: it uses {samples.asked}, expected {expected}")
    drifted = sum(map(Criterion.holds, expected.criteria, values)) >= expected.min_votes
    demand(result.drifted is drifted, f"{says}: drifted is {result.drifted}, expected {drifted}")
    demand(result.rule == branch.rule.id, f"{says}: decided by {result.rule!r}, not {branch.rule.id!r}")
    same = result.score == values[0] or math.isnan(values[0])
    demand(same and result.threshold == expected.criteria[0].threshold, f"{says}: it returns {result}")


def _demand_undecided(module: ModuleType, version: int) -> None:
    case = Case("", 100, "numeric", seasonal=False)
    samples = _Told(case, (), reason="current is empty")
    result = _asked(module, samples, case, version)
    demand(
        result.drifted is False and result.reason == samples.reason,
        f"samples that cannot be compared: it returns {result}",
    )


def _asked(module: ModuleType, samples: "_Told", case: Case, version: int) -> DriftResult:
    """Return the module's answer, and check that it compares exactly the objects that it was given."""
    current, reference = [1.0, 2.0], [3.0]
    told: dict[str, Any] = {
        "feature": case.feature,
        "current_times": [0.0, 1.0],
        "reference_times": [2.0],
        "context": {"period": 24.0},
    }
    vars(module)["compare"] = samples.stand_in
    result = module.detect_drift(current, reference, **told)
    given = {"current": current, "reference": reference, "version": version, **told}
    changed = [name for name, value in samples.compared.items() if value is not given[name]]
    demand(not changed, f"{case}: it does not pass {changed} on to compare unchanged: {samples.compared}")
    return result  # type: ignore[no-any-return]


def _cases(found: tuple[Branch, ...]) -> Iterator[Case]:
    features = {"", "no such feature", *(name for branch in found for name in branch.condition.features)}
    sizes = {50, 10**6}
    for branch in found:
        if (most := branch.condition.reference_at_most) is not None:
            sizes |= {most - 1, most, most + 1}
    kinds, seasons = ("numeric", "categorical"), (False, True)
    yield from itertools.starmap(Case, itertools.product(sorted(features), sorted(sizes), kinds, seasons))


def _covers(branch: Branch, case: Case) -> bool:
    asked = branch.condition
    return (
        (asked.kind is None or asked.kind == case.kind)
        and (asked.seasonal is None or asked.seasonal == case.seasonal)
        and (asked.reference_at_most is None or case.n_reference <= asked.reference_at_most)
        and (not asked.features or case.feature in asked.features)
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


class _Told(Samples):
    """A stub of samples with given scores, in the order of the criteria."""

    def __init__(self, case: Case, values: tuple[float, ...], *, reason: str = "") -> None:
        self.asked: list[Asked]
        self.compared: dict[str, Any]
        self.__dict__.update(_case=case, _values=values, reason=reason, asked=[], compared={}, profile=None)

    def stand_in(self, *args: Any, **kwargs: Any) -> "_Told":
        """Record the arguments of `compare` and return this stub."""
        bound = COMPARE.bind(*args, **kwargs)
        bound.apply_defaults()
        self.compared.update(bound.arguments)
        return self

    @property
    def is_categorical(self) -> bool:
        return bool(self.__dict__["_case"].kind == "categorical")

    @property
    def is_seasonal(self) -> bool:
        return bool(self.__dict__["_case"].seasonal)

    @property
    def n_reference(self) -> int:
        return int(self.__dict__["_case"].n_reference)

    def decide(self, rule_id: str, *criteria: Criterion, min_votes: int = 1) -> DriftResult:
        self.asked.append(Asked(rule_id, criteria, min_votes))
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
