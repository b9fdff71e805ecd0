"""The contract of `adaptive_monitoring_strategy`: critical never less, incidents never less, doubt safe."""

import itertools
import math
from collections.abc import Callable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from poet.decisions import Decisions, Rule
from poet.policies.adaptive_monitoring_strategy import Impacts, Less, More, Quiet, Recent, Strategy
from poet.runtime.results import MonitoringStrategy
from poet.validate._contract import Broken, Contract, Heavy, Policy, demand
from poet.validate._values import numbers, texts

__all__ = ["CONTRACT"]

FREQUENCIES = ("weekly", "daily", "hourly", "real_time")
IMPACTS = ("none", "low", "medium", "high", "critical")


def _fields(policy: Policy) -> dict[str, st.SearchStrategy[Any]]:
    names = texts(policy, *(f"f{row}" for row in range(30)))
    return {
        "business_impact": st.sampled_from(IMPACTS),
        "historical_drift_rate": numbers(policy, 0.0, 1.0),
        "recent_incidents": st.integers(0, 20),
        "days_since_incident": numbers(policy, 0.0, 1000.0),
        "monthly_cost": st.floats(0.0, 1e6),
        "features": st.lists(names, unique=True, max_size=20),
    }


def _contexts(policy: Policy) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=_fields(policy))


def _full(policy: Policy) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(_fields(policy))


def _thoroughness(policy: Policy, context: dict[str, Any]) -> tuple[int, float, int]:
    strategy = policy(context)
    if not isinstance(strategy, MonitoringStrategy):
        raise Broken(f"it answers {type(strategy).__name__}, not MonitoringStrategy")
    demand(strategy.frequency in FREQUENCIES, f"an unknown frequency {strategy.frequency!r}")
    demand(strategy.tests in ("single", "multiple"), f"unknown tests {strategy.tests!r}")
    count = float("inf") if strategy.features == "all" else len(strategy.features)
    return FREQUENCIES.index(strategy.frequency), count, int(strategy.tests == "multiple")


def _at_least(one: tuple[int, float, int], other: tuple[int, float, int]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True))


def watches_critical_models_at_least_as_before(policy: Policy) -> Callable[[], None]:
    """Never monitor a critical model less than hourly, on all features, by a single test."""

    @given(_contexts(policy))
    def test(context: dict[str, Any]) -> None:
        found = _thoroughness(policy, context | {"business_impact": "critical"})
        demand(_at_least(found, (FREQUENCIES.index("hourly"), float("inf"), 0)), f"critical, yet {found}")

    return test


def never_watches_less_after_more_incidents(policy: Policy) -> Callable[[], None]:
    """Give no less monitoring after more recent incidents."""

    @given(_contexts(policy), st.integers(0, 5), st.integers(1, 5))
    def test(context: dict[str, Any], few: int, more: int) -> None:
        calm = _thoroughness(policy, context | {"recent_incidents": few})
        shaken = _thoroughness(policy, context | {"recent_incidents": few + more})
        demand(_at_least(shaken, calm), f"{few + more} incidents give {shaken}, {few} give {calm}")

    return test


def takes_the_safer_side_of_what_it_does_not_know(policy: Policy) -> Callable[[], None]:
    """Give no less monitoring for a missing field than for any value it could have had."""

    @given(_full(policy), st.sampled_from(("business_impact", "historical_drift_rate")))
    def test(context: dict[str, Any], missing: str) -> None:
        known = _thoroughness(policy, context)
        unknown = _thoroughness(policy, {name: value for name, value in context.items() if name != missing})
        demand(_at_least(unknown, known), f"without {missing}: {unknown}, with it: {known}")

    return test


def watches_graver_models_no_less(policy: Policy) -> Callable[[], None]:
    """Give no less monitoring to a model of graver impact."""

    @given(_contexts(policy), st.sampled_from(IMPACTS), st.sampled_from(IMPACTS))
    def test(context: dict[str, Any], one: str, other: str) -> None:
        lesser, graver = sorted((one, other), key=IMPACTS.index)
        less = _thoroughness(policy, context | {"business_impact": lesser})
        more = _thoroughness(policy, context | {"business_impact": graver})
        demand(_at_least(more, less), f"{graver} gives {more}, {lesser} gives {less}")

    return test


def reads_objects_like_mappings(policy: Policy) -> Callable[[], None]:
    """Answer an object with attributes as it answers a mapping."""

    @given(_contexts(policy))
    def test(context: dict[str, Any]) -> None:
        here, there = policy(context), policy(SimpleNamespace(**context))
        demand(here == there, f"a mapping gives {here}, an object {there}")

    return test


def boundary_table(module: ModuleType, decisions: Decisions) -> int:
    """Ask on both sides of every learned constant, for every impact, with and without incidents."""
    rules = sorted(
        (rule for rule in decisions.active if rule.kind != "strategy"),
        key=lambda rule: ("top" in rule.parameters, rule.kind != "tier", rule.id),
    )
    rates: set[float | None] = {None, 0.0, 1.0, math.nan}
    days: set[float | None] = {None, 0.0, 1e6}
    for rule in rules:
        if rule.kind == "quiet":
            rates |= _beside(msgspec.convert(rule.condition, Quiet).drift_rate_below)
        elif rule.kind == "incident":
            days |= _beside(msgspec.convert(rule.condition, Recent).within_days)
    known = {name for rule in rules for name in _names(rule)}
    features = [
        None,
        (),
        ("a", "b"),
        tuple(sorted(known)),
        tuple(f"f{k:02}" for k in range(30)),
        ("z", *known),
    ]
    count = 0
    for impact, rate, incidents, since, own in itertools.product(
        (None, *IMPACTS), rates, (None, 0, 2), days, features
    ):
        asked = {
            "business_impact": impact,
            "historical_drift_rate": rate,
            "recent_incidents": incidents,
            "days_since_incident": since,
            "features": own,
        }
        count += 1
        found = module.adaptive_monitoring_strategy(asked)
        expected = _predicted(decisions, rules, asked)
        demand(found == expected, f"{asked} gives {found}, its decisions say {expected}")
    return count


def _beside(value: float) -> set[float | None]:
    return {math.nextafter(value, -math.inf), value, math.nextafter(value, math.inf)}


def _names(rule: Rule) -> tuple[str, ...]:
    return msgspec.convert(rule.parameters, Less).features if "top" in rule.parameters else ()


def _predicted(decisions: Decisions, rules: Sequence[Rule], asked: dict[str, Any]) -> MonitoringStrategy:
    rule = next((rule for rule in rules if _holds(rule, asked)), None)
    if rule is None:
        every = next(rule for rule in decisions.active if rule.kind == "strategy")
        return MonitoringStrategy(
            **msgspec.to_builtins(msgspec.convert(every.parameters, Strategy)), reason=every.id
        )
    if "top" not in rule.parameters:
        more = msgspec.convert(rule.parameters, More)
        return MonitoringStrategy(frequency=more.frequency, features="all", tests=more.tests, reason=rule.id)
    less = msgspec.convert(rule.parameters, Less)
    own = set(asked["features"] or less.features)
    first, rest = sorted(own & set(less.features)), sorted(own - set(less.features))
    kept = tuple([*first, *rest][: less.top])
    return MonitoringStrategy(frequency=less.frequency, features=kept, tests=less.tests, reason=rule.id)


def _holds(rule: Rule, asked: dict[str, Any]) -> bool:
    impact = asked["business_impact"] or "critical"
    if rule.kind == "tier":
        return impact in msgspec.convert(rule.condition, Impacts).impacts
    if rule.kind == "quiet":
        rate = asked["historical_drift_rate"]
        below = msgspec.convert(rule.condition, Quiet).drift_rate_below
        return rate is not None and rate < below and impact not in ("high", "critical")
    since = asked["days_since_incident"]
    within = msgspec.convert(rule.condition, Recent).within_days
    return bool(asked["recent_incidents"]) and (since is None or since <= within)


def _many_features() -> tuple[tuple[Any, ...], dict[str, Any]]:
    features = [f"f{k}" for k in range(20_000)]
    return ({"business_impact": "low", "historical_drift_rate": 0.0, "features": features},), {}


CONTRACT = Contract(
    properties=(
        watches_critical_models_at_least_as_before,
        never_watches_less_after_more_incidents,
        takes_the_safer_side_of_what_it_does_not_know,
        watches_graver_models_no_less,
        reads_objects_like_mappings,
    ),
    boundary_table=boundary_table,
    signature="(model_context)",
    heavy=(Heavy("many features", _many_features),),
)
