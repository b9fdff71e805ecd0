"""`calculate_feature_importance`: how much a feature's drift matters, by setting."""

import re
from collections import Counter
from typing import Final

import msgspec

from poet.spec.decisions import Decisions, Rule
from poet.spec.outline import Constant, constant_name, finite, only_kinds, read, single, unique, why
from poet.spec.policy_spec import PolicySpec
from poet_runtime.errors import RenderError

_MULTIPLIER: Final = re.compile(r"-x\d+(_\d+)?$")
_SMALLEST, _LARGEST = 0.1, 10.0  # times the base: the limits of the contract


class Base(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The importance of a feature that no rule covers."""

    importance: float


class Features(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condition: the feature is one of these."""

    features: tuple[str, ...]


class Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condition: the feature is one of these, and the context's `key` has this `value`."""

    key: str
    value: str
    features: tuple[str, ...]


class Together(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condition: the feature is this one, and the other one is monitored too."""

    feature: str
    other: str


class Times(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The multiplier of the importance."""

    multiplier: float


def baseline(_start: str) -> tuple[Rule, ...]:
    """Return the rules of version 1, which are the same for every preset."""
    return (
        Rule(
            id="base",
            kind="base",
            parameters={"importance": 1.0},
            reason="all features are equally important",
        ),
    )


def outline(decisions: Decisions) -> dict[str, object]:
    """Return the template's variables: the base and its multipliers, by rule.

    Raises
    ------
    RenderError
        If a rule is malformed, or the base is missing.
    """
    only_kinds(decisions, ("base", "feature", "context", "interaction"))
    base = single(decisions, "base")
    constants = [Constant(base.id, "BASE_IMPORTANCE", _base(base), why(base))]
    names = _names(decisions)
    factors = []
    for rule in decisions.active:
        if rule.kind != "base":
            printed, features = _condition(rule)
            multiplier = _multiplier(rule)
            if multiplier != 1.0:
                named = msgspec.structs.replace(rule, id=names[rule.id])
                factors.append(printed | _factor(rule, named, features, multiplier, constants))
    return {
        "factors": tuple(factors),
        "has_interactions": any(each["kind"] == "interaction" for each in factors),
        "constants": unique(constants),
    }


def _names(decisions: Decisions) -> dict[str, str]:
    """Return the ids from which constants are named: without the multiplier at the end where that is clear.

    A learner ends an id with the first multiplier, such as ``-x3``; the name remains if the value changes.
    """
    short = {rule.id: _MULTIPLIER.sub("", rule.id) for rule in decisions.active}
    counts = Counter(short.values())
    return {rule: name if counts[name] == 1 else rule for rule, name in short.items()}


def _base(rule: Rule) -> float:
    importance = finite(rule, "importance", read(rule, rule.parameters, Base).importance)
    if importance <= 0.0:
        raise RenderError(f"rule {rule.id!r}: importance is {importance!r}, expected more than 0")
    return importance


def _condition(rule: Rule) -> tuple[dict[str, object], frozenset[str]]:
    """Return what the template prints of a condition, and its features."""
    printed: dict[str, object] = {"kind": rule.kind}
    if rule.kind == "interaction":
        pair = read(rule, rule.condition, Together)
        return printed | {"other": pair.other}, frozenset({pair.feature})
    if rule.kind == "context":
        setting = read(rule, rule.condition, Setting)
        printed |= {"key": setting.key, "value": setting.value}
        features = setting.features
    else:
        features = read(rule, rule.condition, Features).features
    if not features:
        raise RenderError(
            f"rule {rule.id!r} has no features, expected at least one; keep the rule as a candidate"
        )
    return printed, frozenset(features)


def _factor(
    rule: Rule, named: Rule, features: frozenset[str], multiplier: float, constants: list[Constant]
) -> dict[str, object]:
    """Return what the template prints of a factor: a single feature as a text, several as a constant."""
    printed: dict[str, object] = {"feature": None, "multiplier": constant_name(named, "multiplier")}
    if len(features) == 1:
        (printed["feature"],) = features
    else:
        printed["features"] = constant_name(named, "features")
        constants.append(Constant(rule.id, constant_name(named, "features"), features, why(rule)))
    constants.append(Constant(rule.id, constant_name(named, "multiplier"), multiplier, why(rule)))
    return printed


def _multiplier(rule: Rule) -> float:
    """Return the multiplier of a rule; 1 changes nothing, and the template leaves it out."""
    multiplier = finite(rule, "multiplier", read(rule, rule.parameters, Times).multiplier)
    if not _SMALLEST <= multiplier <= _LARGEST:
        raise RenderError(
            f"rule {rule.id!r}: multiplier is {multiplier!r}, expected {_SMALLEST:g} to {_LARGEST:g}"
        )
    return multiplier


SPEC: Final = PolicySpec(
    name="calculate_feature_importance",
    template="calculate_feature_importance.py.jinja",
    starts=("baseline",),
    baseline=baseline,
    outline=outline,
    learner="poet.policies.calculate_feature_importance.learner.learn:learn",
    contract="poet.policies.calculate_feature_importance.contract",
    behaviour="poet.policies.calculate_feature_importance.behaviour",
    words=frozenset({"importance", "features", "feature", "key", "value", "other", "multiplier"}),
)
