"""`monitor_with_recovery`: how to run a monitor so that it always returns."""

import math
from typing import Annotated, Final, Literal, get_args

import msgspec

from poet.spec.decisions import Decisions, Rule
from poet.spec.outline import Constant, constant_name, finite, only_kinds, read, single, unique, why
from poet.spec.policy_spec import PolicySpec
from poet_runtime.errors import RenderError

Kind = Literal["timeout", "memory", "crash", "value", "io", "other"]
Strategy = Literal["sampled", "sparse", "by_feature", "retry"]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Rows = Annotated[int, msgspec.Meta(ge=1)]
_LONGEST_S: Final = 1e7  # about four months
_LOSS_UNIT: Final = "fraction of a full result"
_EXCLUDED_UNIT: Final = "have their own deadline"
_OF_A_PROCESS: Final = ("crash", "memory")  # a killed process can only be observed from another process


class Missing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condition: more than this share of a feature's values is missing."""

    missing_above: Share


class Sparse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The quality loss of monitoring presence instead of values."""

    quality_loss: Share


class Large(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condition: the table has more rows than this."""

    rows_above: Rows


class Sample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number of rows of a sample, and its quality loss."""

    rows: Rows
    quality_loss: Share


class Reach(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condition of a deadline: one computation or any, and table sizes that feedback covered."""

    computation: str | None
    rows_from: int
    rows_to: int
    features_from: int
    features_to: int


class Seconds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deadline for the whole call: seconds * rows**per_rows * features**per_features."""

    seconds: float
    per_rows: float
    per_features: float


class Failed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condition: a run failed with this kind of error, on more rows than this."""

    error: Kind
    rows_above: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Tried(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The strategies to try in order, the rows of a sample, and the quality loss of each strategy."""

    strategies: tuple[Strategy, ...]
    rows: Rows
    quality_losses: tuple[Share, ...]


def baseline(_start: str) -> tuple[Rule, ...]:
    """Return the rules of version 1, which are the same for every preset."""
    return (Rule(id="full", kind="run", reason="a full run; every error is reported"),)


def outline(decisions: Decisions) -> dict[str, object]:
    """Return the template's variables: data reduction, deadlines, the run, fallbacks.

    Raises
    ------
    RenderError
        If a rule is malformed, two deadlines are for one computation, or two fallbacks are for one error.
    """
    only_kinds(decisions, ("run", "sparse", "sample", "deadline", "fallback"))
    single(decisions, "run")
    constants: list[Constant] = []
    fallbacks = _fallbacks(decisions, constants)
    return {
        "sparse": _sparse(single(decisions, "sparse"), constants) if _of(decisions, "sparse") else None,
        "sample": _sample(single(decisions, "sample"), constants) if _of(decisions, "sample") else None,
        "deadlines": _deadlines(decisions, constants),
        "fallbacks": fallbacks,
        "is_isolated": any(each["error"] in _OF_A_PROCESS for each in fallbacks),
        "after_timeout": next((each for each in fallbacks if each["error"] == "timeout"), None),
        "constants": unique(constants),
    }


def _of(decisions: Decisions, kind: str) -> list[Rule]:
    return sorted((rule for rule in decisions.active if rule.kind == kind), key=lambda rule: rule.id)


def _constant(rule: Rule, constants: list[Constant], value: object, *parts: str, unit: str = "") -> str:
    """Add a constant of the rule and return its name."""
    name = constant_name(rule, *parts)
    constants.append(Constant(rule.id, name, value, why(rule), unit))
    return name


def _sparse(rule: Rule, constants: list[Constant]) -> dict[str, str]:
    share = read(rule, rule.condition, Missing).missing_above
    loss = read(rule, rule.parameters, Sparse).quality_loss
    return {
        "above": _constant(rule, constants, share, "missing_above", unit="share of a feature's values"),
        "loss": _constant(rule, constants, loss, "quality_loss", unit=_LOSS_UNIT),
    }


def _sample(rule: Rule, constants: list[Constant]) -> dict[str, str]:
    rows_above, sample = read(rule, rule.condition, Large).rows_above, read(rule, rule.parameters, Sample)
    if sample.rows > rows_above:
        raise RenderError(
            f"rule {rule.id!r}: a sample of {sample.rows} rows from tables above {rows_above}; "
            "expected a sample of at most as many rows"
        )
    return {
        "above": _constant(rule, constants, rows_above, "rows_above"),
        "rows": _constant(rule, constants, sample.rows, "rows"),
        "loss": _constant(rule, constants, sample.quality_loss, "quality_loss", unit=_LOSS_UNIT),
    }


def _deadlines(decisions: Decisions, constants: list[Constant]) -> tuple[dict[str, object], ...]:
    """Return the deadlines of single computations, then the one for all others."""
    found = [(rule, read(rule, rule.condition, Reach)) for rule in _of(decisions, "deadline")]
    computations = [reach.computation for _, reach in found]
    if len(set(computations)) != len(computations):
        raise RenderError(
            f"monitor_with_recovery: deadlines for the computations {computations}; expected one each"
        )
    named = frozenset(each for each in computations if each is not None)
    found.sort(key=lambda each: each[1].computation is None)
    return tuple(_deadline(rule, reach, named, constants) for rule, reach in found)


def _deadline(
    rule: Rule, reach: Reach, named: frozenset[str], constants: list[Constant]
) -> dict[str, object]:
    """Return a deadline; the general one excludes the `named` computations, whatever their tables' size."""
    deadline = read(rule, rule.parameters, Seconds)
    _check(rule, reach, deadline)
    excluded = named if reach.computation is None else frozenset()
    return {
        "computation": reach.computation,
        "is_for_one": reach.computation is not None,
        "excluded": next(iter(excluded)) if len(excluded) == 1 else None,
        "all_excluded": _constant(rule, constants, excluded, "excluded_computations", unit=_EXCLUDED_UNIT)
        if len(excluded) > 1
        else None,
        **{
            name: _constant(rule, constants, value, name)
            for name, value in (
                ("min_rows", reach.rows_from),
                ("max_rows", reach.rows_to),
                ("min_features", reach.features_from),
                ("max_features", reach.features_to),
            )
        },
        **_formula(rule, deadline, constants),
    }


def _formula(rule: Rule, deadline: Seconds, constants: list[Constant]) -> dict[str, object]:
    """Return the coefficient, and the powers of rows and features that it is multiplied with."""
    powers: list[dict[str, object]] = []
    units: list[str] = []
    for of, unit, exponent in (
        ("rows", "row", deadline.per_rows),
        ("features", "feature", deadline.per_features),
    ):
        if exponent == 1.0:
            powers.append({"of": of, "exponent": None})
            units.append(unit)
        elif exponent:
            powers.append({"of": of, "exponent": _constant(rule, constants, exponent, of, "exponent")})
            units.append(f"{unit}^{exponent:.15g}")
    part, unit = ("coefficient", f"seconds per {' and '.join(units)}") if powers else ("seconds", "")
    return {
        "coefficient": _constant(rule, constants, deadline.seconds, part, unit=unit),
        "powers": tuple(powers),
    }


def _check(rule: Rule, reach: Reach, deadline: Seconds) -> None:
    """Raise for empty ranges, and for deadlines that decrease with the size, are not positive or too long."""
    if not (1 <= reach.rows_from <= reach.rows_to and 1 <= reach.features_from <= reach.features_to):
        raise RenderError(f"rule {rule.id!r}: {reach}; expected 1 <= from <= to, of rows and of features")
    for name in Seconds.__struct_fields__:
        finite(rule, name, getattr(deadline, name))
    if not deadline.seconds > 0.0 <= min(deadline.per_rows, deadline.per_features):
        raise RenderError(
            f"rule {rule.id!r}: {deadline}; expected seconds above 0 and exponents of at least 0"
        )
    logarithm = (
        math.log(deadline.seconds)
        + deadline.per_rows * math.log(reach.rows_to)
        + deadline.per_features * math.log(reach.features_to)
    )
    if logarithm > math.log(_LONGEST_S):
        raise RenderError(
            f"rule {rule.id!r}: {deadline} is more than {_LONGEST_S:g} s for the largest table that it "
            "covers; keep the rule as a candidate"
        )


def _fallbacks(decisions: Decisions, constants: list[Constant]) -> tuple[dict[str, object], ...]:
    printed = tuple(_fallback(rule, constants) for rule in _of(decisions, "fallback"))
    errors = [each["error"] for each in printed]
    if len(set(errors)) != len(errors):
        raise RenderError(f"monitor_with_recovery: fallbacks for {errors}; expected one for each error")
    return printed


def _fallback(rule: Rule, constants: list[Constant]) -> dict[str, object]:
    failed, tried = read(rule, rule.condition, Failed), read(rule, rule.parameters, Tried)
    names = tried.strategies
    if not names or len(set(names)) != len(names) or len(names) != len(tried.quality_losses):
        raise RenderError(
            f"rule {rule.id!r}: strategies {', '.join(names) or 'none'} with {len(tried.quality_losses)} "
            "losses; expected at least one strategy, each once, and a loss for each"
        )
    above = failed.rows_above
    return {
        "error": failed.error,
        "rows_above": None if above is None else _constant(rule, constants, above, "rows_above"),
        "strategies": tuple(
            {
                "name": name,
                "loss": _constant(rule, constants, loss, name, "quality_loss", unit=_LOSS_UNIT),
            }
            for name, loss in zip(names, tried.quality_losses, strict=True)
        ),
        "sample_rows": _constant(rule, constants, tried.rows, "sample_rows") if "sampled" in names else None,
    }


SPEC: Final = PolicySpec(
    name="monitor_with_recovery",
    template="monitor_with_recovery.py.jinja",
    starts=("baseline",),
    baseline=baseline,
    outline=outline,
    learner="poet.policies.monitor_with_recovery.learner.learn:learn",
    contract="poet.policies.monitor_with_recovery.contract",
    behaviour="poet.policies.monitor_with_recovery.behaviour",
    words=frozenset({
        *Missing.__struct_fields__, *Sparse.__struct_fields__, *Large.__struct_fields__,
        *Sample.__struct_fields__, *Reach.__struct_fields__, *Seconds.__struct_fields__,
        *Failed.__struct_fields__, *Tried.__struct_fields__, *get_args(Kind), *get_args(Strategy),
    }),
)  # fmt: skip
