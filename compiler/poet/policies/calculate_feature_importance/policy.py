"""`calculate_feature_importance`: how much a feature's drift matters, by setting."""

from typing import Final

import msgspec

from poet.spec.decisions import Decisions, Rule
from poet.spec.outline import Constant, constant_name, finite, in_rule_order, only_kinds, read, single, why
from poet.spec.policy_spec import PolicySpec
from poet_runtime.errors import RenderError

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
    constants: list[Constant] = []
    printed = [
        {"base": _base, "feature": _feature, "context": _context, "interaction": _interaction}[rule.kind](
            rule, constants
        )
        for rule in decisions.active
    ]
    return {
        "base": single(decisions, "base").id,
        "factors": tuple(each for each in printed if each["kind"] != "base"),
        "has_contexts": any(each["kind"] == "context" for each in printed),
        "has_interactions": any(each["kind"] == "interaction" for each in printed),
        "constants": in_rule_order(constants),
    }


def _base(rule: Rule, constants: list[Constant]) -> dict[str, object]:
    importance = finite(rule, "importance", read(rule, rule.parameters, Base).importance)
    if importance <= 0.0:
        raise RenderError(f"rule {rule.id!r}: importance is {importance!r}, expected more than 0")
    constants.append(Constant(rule.id, "BASE_IMPORTANCE", importance, why(rule)))
    return {"kind": "base"}


def _feature(rule: Rule, constants: list[Constant]) -> dict[str, object]:
    condition = read(rule, rule.condition, Features)
    features = _features(rule, condition.features, constants)
    return {"kind": "feature", "rule": rule.id, "features": features, "times": _times(rule, constants)}


def _context(rule: Rule, constants: list[Constant]) -> dict[str, object]:
    condition = read(rule, rule.condition, Setting)
    features = _features(rule, condition.features, constants)
    value = constant_name(rule, "value")
    constants.append(Constant(rule.id, value, condition.value, "as above"))
    return {
        "kind": "context",
        "rule": rule.id,
        "key": condition.key,
        "value": value,
        "features": features,
        "times": _times(rule, constants),
    }


def _interaction(rule: Rule, constants: list[Constant]) -> dict[str, object]:
    condition = read(rule, rule.condition, Together)
    feature, other = constant_name(rule, "feature"), constant_name(rule, "other")
    constants.append(Constant(rule.id, feature, condition.feature, why(rule)))
    constants.append(Constant(rule.id, other, condition.other, "as above"))
    return {
        "kind": "interaction",
        "rule": rule.id,
        "feature": feature,
        "other": other,
        "times": _times(rule, constants),
    }


def _features(rule: Rule, features: tuple[str, ...], constants: list[Constant]) -> str:
    if not features:
        raise RenderError(
            f"rule {rule.id!r} has no features, expected at least one; keep the rule as a candidate"
        )
    name = constant_name(rule, "features")
    constants.append(Constant(rule.id, name, frozenset(features), why(rule)))
    return name


def _times(rule: Rule, constants: list[Constant]) -> str:
    multiplier = finite(rule, "multiplier", read(rule, rule.parameters, Times).multiplier)
    if not _SMALLEST <= multiplier <= _LARGEST:
        raise RenderError(
            f"rule {rule.id!r}: multiplier is {multiplier!r}, expected {_SMALLEST:g} to {_LARGEST:g}"
        )
    name = constant_name(rule, "multiplier")
    constants.append(Constant(rule.id, name, multiplier, "as above"))
    return name


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
