"""The rules of `detect_drift`: their conditions and criteria, and their order of precedence."""

from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

from poet.spec.decisions import Decisions, Rule
from poet.spec.outline import finite, only_kinds, read
from poet_runtime.errors import RenderError

Kind = Literal["categorical", "numeric"]
Direction = Literal["above", "below"]
Preparation = Literal["raw", "phase_matched", "deseasonalized", "detrended", "differenced"]
Scale = Literal["absolute", "p_value", "null_q90", "null_max", "null_zscore"]
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
    "mean_absolute_difference",
]


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The condition of a rule; absent or null fields match anything."""

    kind: Kind | None = None
    seasonal: bool | None = None
    features: tuple[str, ...] = ()
    reference_at_most: int | None = None


class Criterion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One statistic with its threshold."""

    statistic: Statistic
    preparation: Preparation = "raw"
    scale: Scale
    direction: Direction
    threshold: float


class Criteria(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The criteria of a rule: drift if at least `min_votes` of them hold."""

    criteria: tuple[Criterion, ...]
    min_votes: int = 1


@dataclass(frozen=True, slots=True)
class Branch:
    """A rule at its position in the order of precedence.

    If `is_last`, it covers everything that earlier rules do not, so its kind and season need no test.
    """

    rule: Rule
    condition: Condition
    criteria: Criteria
    is_last: bool = False


def branches(decisions: Decisions) -> tuple[Branch, ...]:
    """Return the rules that can decide, in order of precedence.

    The most specific rule comes first: features, then the size of the reference, then season, then kind.
    Rules that are fully covered by earlier ones are left out.

    Raises
    ------
    RenderError
        If a rule is malformed, or some kind of data has no rule.
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
            f"detect_drift: no rule decides for {left}; keep a rule that covers everything else"
        )
    return tuple(found)


def _branch(rule: Rule) -> Branch:
    condition = read(rule, rule.condition, Condition)
    criteria = read(rule, rule.parameters, Criteria)
    if not 1 <= criteria.min_votes <= len(criteria.criteria):
        raise RenderError(
            f"rule {rule.id!r}: min_votes is {criteria.min_votes} of {len(criteria.criteria)} criteria; "
            "set at least one criterion, and min_votes between 1 and their number",
        )
    for criterion in criteria.criteria:
        finite(rule, f"the threshold of {criterion.statistic}", criterion.threshold)
        if (criterion.scale == "p_value") != (criterion.direction == "below"):
            raise RenderError(
                f"rule {rule.id!r}: {criterion.statistic}, {criterion.scale}, {criterion.direction}; "
                "a p-value indicates drift below its threshold, every other scale above",
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
