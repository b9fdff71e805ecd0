"""`generate_alerts`: the alerts to raise for drifted results."""

from typing import Annotated, Final, Literal

import msgspec

from poet.spec.decisions import Decisions, Rule
from poet.spec.outline import Constant, constant_name, finite, in_rule_order, only_kinds, read, single, why
from poet.spec.policy_spec import PolicySpec
from poet_runtime.errors import RenderError

Severity = Literal["medium", "high", "critical"]  # critical results are below none of them
Count = Annotated[int, msgspec.Meta(ge=1)]


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
    used = {
        "partition": suppressions or groups,
        "drifted": True,
        "suppress": suppressions or cool_down,
        "holdout": suppressions,
        "individual_alerts": True,
        "is_open": groups and cool_down,
        "raised_thresholds": cool_down,
        "recent_alerts": cool_down,
        "recent_features": cool_down,
        "to_timestamp": True,
        "summary": groups or batch,
        "below_threshold": cool_down,
    }
    return {
        "rule": single(decisions, "individual").id,
        "suppressions": tuple(suppressions),
        "cool_down": cool_down,
        "groups": tuple(groups),
        "batch": batch,
        "names": tuple(sorted(name for name, is_used in used.items() if is_used)),
        "constants": in_rule_order(constants),
    }


def _of(decisions: Decisions, kind: str) -> list[Rule]:
    return sorted((rule for rule in decisions.active if rule.kind == kind), key=lambda rule: rule.id)


def _suppression(rule: Rule, constants: list[Constant]) -> dict[str, object]:
    pattern = read(rule, rule.condition, Pattern)
    share = read(rule, rule.parameters, Share)
    printed: dict[str, object] = {
        "rule": rule.id,
        "features": _features(rule, pattern.features, constants),
        "until": _constant(rule, "until", finite(rule, "until", pattern.until), constants),
        "severity_below": _constant(rule, "severity_below", pattern.severity_below, constants),
        "holdout": _constant(rule, "holdout", finite(rule, "holdout", share.holdout), constants),
        "ratio_at_most": None,
    }
    if pattern.ratio_at_most is not None:
        ratio = finite(rule, "ratio_at_most", pattern.ratio_at_most)
        printed["ratio_at_most"] = _constant(rule, "ratio_at_most", ratio, constants)
    return printed


def _cool_down(rule: Rule, constants: list[Constant]) -> dict[str, object]:
    calm, floor = read(rule, rule.parameters, Calm), read(rule, rule.condition, Floor)
    seconds = constant_name(rule, "seconds")
    constants.append(Constant(rule.id, seconds, finite(rule, "seconds", calm.seconds), why(rule)))
    return {
        "rule": rule.id,
        "seconds": seconds,
        "factor": _constant(rule, "factor", finite(rule, "factor", calm.factor), constants),
        "severity_below": _constant(rule, "severity_below", floor.severity_below, constants),
    }


def _group(rule: Rule, constants: list[Constant]) -> dict[str, object]:
    group, members = read(rule, rule.condition, Group), read(rule, rule.parameters, Members)
    return {
        "rule": rule.id,
        "features": _features(rule, group.features, constants),
        "at_least": _constant(rule, "at_least", members.at_least, constants),
    }


def _batch(rule: Rule, constants: list[Constant]) -> dict[str, object]:
    many = read(rule, rule.condition, Many)
    read(rule, rule.parameters, Anything)
    name = constant_name(rule, "at_least")
    constants.append(Constant(rule.id, name, many.at_least, why(rule)))
    return {"rule": rule.id, "at_least": name}


def _features(rule: Rule, features: tuple[str, ...], constants: list[Constant]) -> str:
    if not features:
        raise RenderError(
            f"rule {rule.id!r} has no features, expected at least one; keep the rule as a candidate"
        )
    name = constant_name(rule, "features")
    constants.append(Constant(rule.id, name, frozenset(features), why(rule)))
    return name


def _constant(rule: Rule, part: str, value: object, constants: list[Constant]) -> str:
    name = constant_name(rule, part)
    constants.append(Constant(rule.id, name, value, "as above"))
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
