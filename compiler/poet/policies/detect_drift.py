"""`detect_drift`: its rules, where it starts, and in which order its rules decide."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

from poet.decisions import Decisions, Rule
from poet.errors import RenderError
from poet.policies._outline import Constant, constant_name, finite, in_rule_order, only_kinds, read, why
from poet.policies._spec import PolicySpec

__all__ = [
    "SPEC",
    "Branch",
    "Condition",
    "Criteria",
    "Criterion",
    "Direction",
    "Kind",
    "Preparation",
    "Scale",
    "Statistic",
    "baseline",
    "branches",
    "outline",
]

Kind = Literal["categorical", "numeric"]
Direction = Literal["above", "below"]
Preparation = Literal["raw", "phase_matched", "deseasonalised", "detrended", "differenced"]
Scale = Literal["absolute", "p_value", "own_q90", "own_max", "own_sd"]
Statistic = Literal[
    "ks",
    "anderson_darling",
    "cramer_von_mises",
    "wasserstein",
    "psi",
    "jensen_shannon",
    "hellinger",
    "chi_square",
    "g_test",
    "total_variation",
    "mann_whitney",
    "levene",
    "mean_shift",
    "median_shift",
    "scale_shift",
    "roughness",
]
_SCALE_IN_NAME = {
    "absolute": (),
    "p_value": ("p",),
    "own_q90": ("own_q90",),
    "own_max": ("own_max",),
    "own_sd": ("own_sd",),
}


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a rule decides; what is absent or null holds for any."""

    kind: Kind | None = None
    seasonal: bool | None = None
    features: tuple[str, ...] = ()
    reference_at_most: int | None = None


class Criterion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One statistic against one number."""

    statistic: Statistic
    preparation: Preparation = "raw"
    scale: Scale
    direction: Direction
    threshold: float


class Criteria(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rule does: at least `agree` of its criteria must hold for a drift."""

    criteria: tuple[Criterion, ...]
    agree: int = 1


@dataclass(frozen=True, slots=True)
class Branch:
    """A rule in the place where it decides.

    `is_last`: it takes all that no rule before it took, so its kind and season need no asking.
    """

    rule: Rule
    condition: Condition
    criteria: Criteria
    is_last: bool = False


# The one place that says what "calibrated" is on numeric data.
_CALIBRATED = (
    Criterion(
        statistic="wasserstein",
        preparation="deseasonalised",
        scale="own_max",
        direction="above",
        threshold=1.0,
    ),
)
_CHI_SQUARE = Criterion(statistic="chi_square", scale="p_value", direction="below", threshold=0.05)
_CHI_SQUARE_SAYS = "chi-square of homogeneity, p < 0.05"
_KS = Criterion(statistic="ks", scale="p_value", direction="below", threshold=0.05)
_KS_SAYS = "two-sample Kolmogorov-Smirnov, p < 0.05"
_SMALL_REFERENCE = 1000  # evidently's own border between p-values and distances


def baseline(start: str) -> tuple[Rule, ...]:
    """Give the rules that version 1 has under `start`.

    Raises
    ------
    RenderError
        No such start.
    """
    if start not in _STARTS:
        raise RenderError(f"detect_drift has no start {start!r}; choose one of {', '.join(_STARTS)}")
    return _STARTS[start]


def _rule(
    rule_id: str, reason: str, *criteria: Criterion, kind: Kind, reference_at_most: int | None = None
) -> Rule:
    condition: dict[str, object] = {"kind": kind}
    if reference_at_most is not None:
        condition["reference_at_most"] = reference_at_most
    return Rule(
        id=rule_id,
        kind="decide",
        condition=condition,
        parameters={"criteria": [msgspec.to_builtins(criterion) for criterion in criteria], "agree": 1},
        reason=reason,
    )


def _distance(statistic: Statistic, threshold: float, *, scale: Scale = "absolute") -> Criterion:
    return Criterion(statistic=statistic, scale=scale, direction="above", threshold=threshold)


_STARTS: dict[str, tuple[Rule, ...]] = {
    "calibrated": (
        _rule("categorical", _CHI_SQUARE_SAYS, _CHI_SQUARE, kind="categorical"),
        _rule("numeric", "further off than any window of the reference itself", *_CALIBRATED, kind="numeric"),
    ),
    "ks": (
        _rule("categorical", _CHI_SQUARE_SAYS, _CHI_SQUARE, kind="categorical"),
        _rule("numeric", _KS_SAYS, _KS, kind="numeric"),
    ),
    "psi": (
        _rule("categorical", "population stability index > 0.2", _distance("psi", 0.2), kind="categorical"),
        _rule("numeric", "population stability index > 0.2", _distance("psi", 0.2), kind="numeric"),
    ),
    "wasserstein": (
        _rule(
            "categorical",
            "Jensen-Shannon distance > 0.1",
            _distance("jensen_shannon", 0.1),
            kind="categorical",
        ),
        _rule(
            "numeric",
            "Wasserstein distance > 0.1 reference sd",
            _distance("wasserstein", 0.1),
            kind="numeric",
        ),
    ),
    "evidently": (
        _rule(
            "categorical",
            "Jensen-Shannon distance > 0.1",
            _distance("jensen_shannon", 0.1),
            kind="categorical",
        ),
        _rule(
            "categorical-small",
            _CHI_SQUARE_SAYS,
            _CHI_SQUARE,
            kind="categorical",
            reference_at_most=_SMALL_REFERENCE,
        ),
        _rule(
            "numeric",
            "Wasserstein distance > 0.1 reference sd",
            _distance("wasserstein", 0.1),
            kind="numeric",
        ),
        _rule("numeric-small", _KS_SAYS, _KS, kind="numeric", reference_at_most=_SMALL_REFERENCE),
    ),
    "nannyml": tuple(
        _rule(
            kind,
            "Jensen-Shannon distance over mean + 3 sd of the reference's own chunks",
            _distance("jensen_shannon", 3.0, scale="own_sd"),
            kind=kind,
        )
        for kind in get_args(Kind)
    ),
}


def branches(decisions: Decisions) -> tuple[Branch, ...]:
    """Give the rules that can decide, in the order in which they are asked.

    The most specific rule comes first: features, then the reference's size, then season, then kind.
    A rule that the ones before it leave nothing to decide is left out.

    Raises
    ------
    RenderError
        A rule is malformed, or some kind of data would be left without a rule.
    """
    only_kinds(decisions, ("decide",))
    open_cells = _cells(Condition())
    found: list[Branch] = []
    for branch in sorted((_branch(rule) for rule in decisions.active), key=_precedence):
        mine = _cells(branch.condition) & open_cells
        if not mine:
            continue
        if branch.condition.features or branch.condition.reference_at_most is not None:
            found.append(branch)
            continue
        open_cells -= mine
        found.append(Branch(branch.rule, branch.condition, branch.criteria, is_last=not open_cells))
    if open_cells:
        left = ", ".join(
            f"{kind} {'seasonal' if season else 'not seasonal'}" for kind, season in sorted(open_cells)
        )
        raise RenderError(
            f"detect_drift: no rule decides for {left}; keep a rule that holds for everything left"
        )
    return tuple(found)


def _branch(rule: Rule) -> Branch:
    condition = read(rule, rule.condition, Condition)
    criteria = read(rule, rule.parameters, Criteria)
    if not 1 <= criteria.agree <= len(criteria.criteria):
        raise RenderError(
            f"rule {rule.id!r}: agree is {criteria.agree} of {len(criteria.criteria)} criteria; "
            "give at least one criterion and an agree between 1 and their number",
        )
    for criterion in criteria.criteria:
        finite(rule, f"the threshold of {criterion.statistic}", criterion.threshold)
        if (criterion.scale == "p_value") != (criterion.direction == "below"):
            raise RenderError(
                f"rule {rule.id!r}: {criterion.statistic} on scale {criterion.scale} {criterion.direction} its threshold; "
                "a p-value speaks of drift below, every other scale above",
            )
    return Branch(rule, condition, criteria)


def _precedence(branch: Branch) -> tuple[bool, bool, int, bool, bool, str]:
    condition = branch.condition
    return (
        not condition.features,
        condition.reference_at_most is None,
        condition.reference_at_most or 0,
        condition.seasonal is None,
        condition.kind is None,
        branch.rule.id,
    )


def _cells(condition: Condition) -> frozenset[tuple[str, bool]]:
    kinds = get_args(Kind) if condition.kind is None else (condition.kind,)
    seasons = (False, True) if condition.seasonal is None else (condition.seasonal,)
    return frozenset((kind, season) for kind in kinds for season in seasons)


def outline(decisions: Decisions) -> dict[str, object]:
    """Say what the template prints."""
    constants: list[Constant] = []
    found = branches(decisions)
    printed = [_print(branch, constants) for branch in found]
    directions = {criterion.direction for branch in found for criterion in branch.criteria.criteria}
    return {
        "constants": in_rule_order(constants),
        "imports": (*sorted(directions), "compare"),
        "branches": tuple(printed),
    }


def _print(branch: Branch, constants: list[Constant]) -> dict[str, object]:
    rule, condition, criteria = branch.rule, branch.condition, branch.criteria
    comments = iter([why(rule)])

    def constant(value: object, *parts: str) -> str:
        name = constant_name(rule, *parts)
        constants.append(Constant(rule.id, name, value, next(comments, "as above")))
        return name

    return {
        "rule": rule.id,
        "criteria": [
            {
                "direction": criterion.direction,
                "words": (criterion.statistic, criterion.preparation, criterion.scale),
                "threshold": constant(criterion.threshold, *_name_of(criterion, criteria)),
            }
            for criterion in criteria.criteria
        ],
        "agree": constant(criteria.agree, "agree") if len(criteria.criteria) > 1 else None,
        "tests": _tests(branch, constant),
    }


def _tests(branch: Branch, constant: Callable[..., str]) -> tuple[dict[str, object], ...]:
    """List what must hold for the branch, the narrowest first; nothing for the last one."""
    condition = branch.condition
    tests: list[dict[str, object]] = []
    if condition.features:
        tests.append({"of": "features", "name": constant(frozenset(condition.features), "features")})
    if condition.reference_at_most is not None:
        tests.append({"of": "reference", "name": constant(condition.reference_at_most, "reference_at_most")})
    if condition.seasonal is not None and not branch.is_last:
        tests.append({"of": "seasonal", "holds": condition.seasonal})
    if condition.kind is not None and not branch.is_last:
        tests.append({"of": "categorical", "holds": condition.kind == "categorical"})
    return tuple(tests)


def _name_of(criterion: Criterion, among: Criteria) -> tuple[str, ...]:
    """Name a threshold by statistic, scale and direction; by preparation only where that is needed."""
    twins = [
        other
        for other in among.criteria
        if (other.statistic, other.scale) == (criterion.statistic, criterion.scale)
    ]
    preparation = (criterion.preparation,) if len(twins) > 1 else ()
    return (criterion.statistic, *preparation, *_SCALE_IN_NAME[criterion.scale], criterion.direction)


_FIELDS = (*Condition.__struct_fields__, *Criterion.__struct_fields__, *Criteria.__struct_fields__)
SPEC = PolicySpec(
    name="detect_drift",
    template="detect_drift.py.jinja",
    starts=tuple(_STARTS),
    baseline=baseline,
    outline=outline,
    learner="poet.learn.detect_drift:learn",
    contract="poet.validate.detect_drift",
    words=frozenset(
        word
        for words in (
            _FIELDS,
            *(get_args(choice) for choice in (Kind, Direction, Preparation, Scale, Statistic)),
        )
        for word in words
    ),
)
