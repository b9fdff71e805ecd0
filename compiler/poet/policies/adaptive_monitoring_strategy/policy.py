"""`adaptive_monitoring_strategy`: how often, on how many features and how thoroughly to monitor a model."""

from collections.abc import Callable
from typing import Annotated, Final, Literal, get_args

import msgspec

from poet.spec.decisions import Decisions, Rule
from poet.spec.outline import Constant, constant_name, finite, only_kinds, read, single, unique, why
from poet.spec.policy_spec import PolicySpec
from poet_runtime.errors import RenderError

Frequency = Literal["real_time", "hourly", "daily", "weekly"]
Tests = Literal["multiple", "single"]
Impact = Literal["none", "low", "medium", "high", "critical"]
_NEVER_LESS: Final = frozenset({"high", "critical"})


class Strategy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The strategy of models that no other rule covers."""

    frequency: Frequency
    features: Literal["all"]
    tests: Tests


class Impacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condition: the model has one of these business impacts."""

    impacts: tuple[Impact, ...]


class Quiet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condition: the drift rate of the model is below a bound."""

    drift_rate_below: float


class Recent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condition: the last incident was within this number of days."""

    within_days: float


class More(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Monitoring of all features, with this frequency and these tests."""

    frequency: Frequency
    tests: Tests


class Less(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Monitoring of the `top` features, those in `features` first, with this frequency and these tests."""

    frequency: Frequency
    tests: Tests
    top: Annotated[int, msgspec.Meta(ge=1)]
    features: tuple[str, ...]


def baseline(_start: str) -> tuple[Rule, ...]:
    """Return the rules of version 1, which are the same for every preset."""
    parameters: dict[str, object] = {"frequency": "hourly", "features": "all", "tests": "single"}
    return (
        Rule(id="every-model", kind="strategy", parameters=parameters, reason="the same for every model"),
    )


def outline(decisions: Decisions) -> dict[str, object]:
    """Return the template's variables: rules for more monitoring, rules for less, then all other models.

    Raises
    ------
    RenderError
        If a rule is malformed or would reduce the monitoring of a model of high or critical impact, or if
        the strategy for all other models is missing.
    """
    only_kinds(decisions, ("strategy", "tier", "quiet", "incident"))
    rule = single(decisions, "strategy")
    strategy = read(rule, rule.parameters, Strategy)
    constants: list[Constant] = []
    branches = [_branch(each, constants) for each in decisions.active if each.kind != "strategy"]
    branches.sort(key=lambda branch: (bool(branch["top"]), branch["kind"] != "tier", branch["rule"]))
    kinds = {branch["kind"] for branch in branches}
    return {
        "branches": tuple(branches),
        "default": msgspec.structs.asdict(strategy) | {"rule": rule.id, "comment": why(rule)},
        "names": tuple(
            name
            for name, is_used in (
                ("drift_rate", "quiet" in kinds),
                ("has_recent_incident", "incident" in kinds),
                ("top_features", any(branch["top"] for branch in branches)),
            )
            if is_used
        ),
        "reads_impact": bool(kinds & {"tier", "quiet"}),
        "constants": unique(constants),
    }


def _branch(rule: Rule, constants: list[Constant]) -> dict[str, object]:
    """Return what the template prints of a rule, with the reason of a rule that has no constants."""
    own: list[Constant] = []

    def constant(part: str, value: object, unit: str = "") -> str:
        own.append(Constant(rule.id, constant_name(rule, part), value, why(rule), unit))
        return own[-1].name

    is_less = "top" in rule.parameters
    answer: Less | More = read(rule, rule.parameters, Less) if is_less else read(rule, rule.parameters, More)
    printed: dict[str, object] = {
        "rule": rule.id,
        "kind": rule.kind,
        "top": "",
        "frequency": answer.frequency,
        "tests": answer.tests,
        **_condition(rule, constant),
    }
    if isinstance(answer, Less):
        printed["top"] = constant("top", answer.top, "features")
        printed["features"] = constant("features", frozenset(answer.features))
    constants += own
    return printed | {"comment": "" if own else why(rule)}


def _condition(rule: Rule, constant: Callable[..., str]) -> dict[str, object]:
    is_less = "top" in rule.parameters
    if rule.kind == "tier":
        impacts = read(rule, rule.condition, Impacts).impacts
        is_allowed = not _NEVER_LESS & set(impacts) if is_less else "critical" in impacts
        if not impacts or not is_allowed:
            raise RenderError(
                f"rule {rule.id!r} has the impacts {', '.join(impacts) or 'none at all'}; expected critical "
                "among them for more monitoring, or only none, low and medium for less"
            )
        return {"impacts": tuple(sorted(set(impacts), key=get_args(Impact).index))}
    if rule.kind == "quiet":
        below = finite(rule, "drift_rate_below", read(rule, rule.condition, Quiet).drift_rate_below)
        if not is_less or not 0.0 < below <= 1.0:
            raise RenderError(
                f"rule {rule.id!r}: drift_rate_below is {below!r}, expected more than 0 and at most 1, "
                "and parameters for less monitoring"
            )
        return {"drift_rate_below": constant("drift_rate_below", below)}
    days = finite(rule, "within_days", read(rule, rule.condition, Recent).within_days)
    if is_less or days <= 0.0:
        raise RenderError(
            f"rule {rule.id!r}: within_days is {days!r}, expected more than 0, "
            "and parameters for more monitoring"
        )
    return {"within_days": constant("within_days", days)}


SPEC: Final = PolicySpec(
    name="adaptive_monitoring_strategy",
    template="adaptive_monitoring_strategy.py.jinja",
    starts=("baseline",),
    baseline=baseline,
    outline=outline,
    learner="poet.policies.adaptive_monitoring_strategy.learner.learn:learn",
    contract="poet.policies.adaptive_monitoring_strategy.contract",
    behaviour="poet.policies.adaptive_monitoring_strategy.behaviour",
    words=frozenset({
        *Strategy.__struct_fields__, *Less.__struct_fields__, *Impacts.__struct_fields__,
        *Quiet.__struct_fields__, *Recent.__struct_fields__, *get_args(Frequency), *get_args(Tests),
        *get_args(Impact), "all",
    }),
)  # fmt: skip
