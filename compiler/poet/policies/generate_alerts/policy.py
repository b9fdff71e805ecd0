"""`generate_alerts`: the alerts to raise for drifted results."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec

from poet.spec.decisions import Decisions, Rule
from poet.spec.outline import Constant, constant_name, finite, only_kinds, read, single, unique, why
from poet.spec.policy_spec import PolicySpec
from poet_runtime.errors import RenderError

Severity = Literal["medium", "high", "critical"]  # critical results are below none of them
Count = Annotated[int, msgspec.Meta(ge=1)]
_FIRST_YEAR: Final = 1970


class Pattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condition of a suppression: these features, until a time, below a severity and a ratio."""

    features: tuple[str, ...]
    until: float  # seconds since 1970
    severity_below: Severity
    ratio_at_most: float | None = None


class Share(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The share of suppressed alerts that is sent anyway to get labels."""

    holdout: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]


class Floor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condition: the severity is below this one."""

    severity_below: Severity


class Calm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The duration of the cool-down after a similar alert, and the factor on the threshold meanwhile."""

    seconds: Annotated[float, msgspec.Meta(gt=0.0)]
    factor: Annotated[float, msgspec.Meta(ge=1.0)]


class Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Features that fire for the same cause."""

    features: tuple[str, ...]


class Members(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number of members from which a group is summarized."""

    at_least: Count


class Many(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condition: at least this many results remain that are not in a group."""

    at_least: Count


class Anything(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The empty parameters of a rule."""


def baseline(_start: str) -> tuple[Rule, ...]:
    """Return the rules of version 1, which are the same for every preset."""
    return (Rule(id="every-drift", kind="individual", reason="one alert per drifted result"),)


def outline(decisions: Decisions) -> dict[str, object]:
    """Return the template's variables: suppressions, the cool-down, groups, the batch, the rest.

    Raises
    ------
    RenderError
        If a rule is malformed, or there are two cool-downs or two batches.
    """
    only_kinds(decisions, ("individual", "suppress", "cool_down", "group", "batch"))
    constants: list[Constant] = []
    suppressions = [_suppression(rule, constants) for rule in _of(decisions, "suppress")]
    groups = [_group(rule, constants) for rule in _of(decisions, "group")]
    cool_down = _cool_down(single(decisions, "cool_down"), constants) if _of(decisions, "cool_down") else None
    batch = _batch(single(decisions, "batch"), constants) if _of(decisions, "batch") else None
    return {
        "rule": single(decisions, "individual").id,
        "suppressions": tuple(suppressions),
        "cool_down": cool_down,
        "groups": tuple(groups),
        "batch": batch,
        "has_dates": any(isinstance(constant.value, datetime) for constant in constants),
        "constants": unique(constants),
    }


def _of(decisions: Decisions, kind: str) -> list[Rule]:
    return sorted((rule for rule in decisions.active if rule.kind == kind), key=lambda rule: rule.id)


def _suppression(rule: Rule, constants: list[Constant]) -> dict[str, object]:
    pattern = read(rule, rule.condition, Pattern)
    share = read(rule, rule.parameters, Share)
    until = _end(finite(rule, "until", pattern.until))
    holdout = finite(rule, "holdout", share.holdout)
    is_single = len(set(pattern.features)) == 1
    printed: dict[str, object] = {
        "rule": rule.id,
        "until": _constant(
            rule, "until", until, constants, unit="" if isinstance(until, datetime) else "seconds since 1970"
        ),
        "feature": pattern.features[0] if is_single else None,
        "features": None if is_single else _features(rule, pattern.features, constants),
        "severity_below": pattern.severity_below,
        "holdout": _constant(
            rule, "holdout", holdout, constants, unit="of these results are alerted to get labels"
        ),
        "ratio_at_most": None,
    }
    if pattern.ratio_at_most is not None:
        ratio = finite(rule, "ratio_at_most", pattern.ratio_at_most)
        printed["ratio_at_most"] = _constant(
            rule, "ratio_at_most", ratio, constants, unit="times beyond the threshold"
        )
    return printed


def _end(seconds: float) -> datetime | float:
    """Return a time as a date if the date determines the seconds exactly."""
    try:
        date = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return seconds
    return date if date.year >= _FIRST_YEAR and date.timestamp() == seconds else seconds


def _cool_down(rule: Rule, constants: list[Constant]) -> dict[str, object]:
    calm, floor = read(rule, rule.parameters, Calm), read(rule, rule.condition, Floor)
    seconds, factor = finite(rule, "seconds", calm.seconds), finite(rule, "factor", calm.factor)
    return {
        "rule": rule.id,
        "seconds": _constant(
            rule, "seconds", seconds, constants, unit="after an alert about the same feature"
        ),
        "factor": _constant(rule, "factor", factor, constants, unit="times the threshold"),
        "severity_below": floor.severity_below,
    }


def _group(rule: Rule, constants: list[Constant]) -> dict[str, object]:
    group, members = read(rule, rule.condition, Group), read(rule, rule.parameters, Members)
    return {
        "rule": rule.id,
        "features": _features(rule, group.features, constants),
        "at_least": _constant(
            rule, "at_least", members.at_least, constants, unit="results of these features"
        ),
    }


def _batch(rule: Rule, constants: list[Constant]) -> dict[str, object]:
    many = read(rule, rule.condition, Many)
    read(rule, rule.parameters, Anything)
    return {
        "rule": rule.id,
        "at_least": _constant(rule, "at_least", many.at_least, constants, unit="remaining results"),
    }


def _features(rule: Rule, features: tuple[str, ...], constants: list[Constant]) -> str:
    if not features:
        raise RenderError(
            f"rule {rule.id!r} has no features, expected at least one; keep the rule as a candidate"
        )
    return _constant(rule, "features", frozenset(features), constants)


def _constant(rule: Rule, part: str, value: object, constants: list[Constant], *, unit: str = "") -> str:
    name = constant_name(rule, part)
    constants.append(Constant(rule.id, name, value, why(rule), unit))
    return name


SPEC: Final = PolicySpec(
    name="generate_alerts",
    template="generate_alerts.py.jinja",
    starts=("baseline",),
    baseline=baseline,
    outline=outline,
    learner="poet.policies.generate_alerts.learner.learn:learn",
    contract="poet.policies.generate_alerts.contract",
    behaviour="poet.policies.generate_alerts.behaviour",
    words=frozenset({
        *Pattern.__struct_fields__, *Share.__struct_fields__, *Calm.__struct_fields__,
        *Members.__struct_fields__, "medium", "high", "critical",
    }),
)  # fmt: skip
