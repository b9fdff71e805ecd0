"""The contract of `adaptive_monitoring_strategy`.

Critical models and models with incidents are never monitored less, and missing information is resolved to
the safe side.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from poet.build.contract import (
    Contract,
    ContractViolation,
    Policy,
    WorkloadCase,
    adjacent_floats,
    near_miss_strings,
    numbers,
    require,
    texts,
)
from poet.policies.adaptive_monitoring_strategy.policy import Impacts, Less, More, Quiet, Recent, Strategy
from poet.spec.decisions import Decisions, Rule
from poet_runtime.results import MonitoringStrategy

FREQUENCIES: Final = ("weekly", "daily", "hourly", "real_time")
AS_OBJECT: Final = 5  # every fifth row of the table is also passed as an object
TIMES: Final = 10  # repetitions: a policy that uses random numbers can answer the same twice by chance
MANY: Final = 100_000  # features of one model
FIELDS: Final[tuple[str, ...]] = (
    "business_impact",
    "historical_drift_rate",
    "recent_incidents",
    "days_since_incident",
    "features",
)
UNKNOWN_IMPACTS: Final = ("", "Critical", "criticall", "HIGH", "Low", "unheard of")
IMPACTS: Final = ("none", "low", "medium", "high", "critical")


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
        raise ContractViolation(f"it returns {type(strategy).__name__}, not MonitoringStrategy")
    require(strategy.frequency in FREQUENCIES, f"an unknown frequency {strategy.frequency!r}")
    require(strategy.tests in ("single", "multiple"), f"unknown tests {strategy.tests!r}")
    count = float("inf") if strategy.features == "all" else len(strategy.features)
    return FREQUENCIES.index(strategy.frequency), count, int(strategy.tests == "multiple")


def _at_least(one: tuple[int, float, int], other: tuple[int, float, int]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True))


def monitors_critical_models_at_least_hourly(policy: Policy) -> Callable[[], None]:
    """Check that critical models are monitored at least hourly, on all features, with at least one test."""

    @given(_contexts(policy))
    def test(context: dict[str, Any]) -> None:
        found = _thoroughness(policy, context | {"business_impact": "critical"})
        require(_at_least(found, (FREQUENCIES.index("hourly"), float("inf"), 0)), f"critical, yet {found}")

    return test


def never_monitors_less_after_more_incidents(policy: Policy) -> Callable[[], None]:
    """Check that more recent incidents never lead to less monitoring."""

    @given(_contexts(policy), st.integers(0, 5), st.integers(1, 5))
    def test(context: dict[str, Any], few: int, more: int) -> None:
        before = _thoroughness(policy, context | {"recent_incidents": few})
        after = _thoroughness(policy, context | {"recent_incidents": few + more})
        require(_at_least(after, before), f"{few + more} incidents return {after}, {few} return {before}")

    return test


def never_monitors_less_when_a_field_is_missing(policy: Policy) -> Callable[[], None]:
    """Check that a missing field never leads to less monitoring than any value of it."""

    @given(_full(policy), st.sampled_from(("business_impact", "historical_drift_rate")))
    def test(context: dict[str, Any], missing: str) -> None:
        known = _thoroughness(policy, context)
        unknown = _thoroughness(policy, {name: value for name, value in context.items() if name != missing})
        require(_at_least(unknown, known), f"without {missing}: {unknown}, with it: {known}")

    return test


def never_monitors_less_at_higher_impact(policy: Policy) -> Callable[[], None]:
    """Check that a higher impact never leads to less monitoring."""

    @given(_contexts(policy), st.sampled_from(IMPACTS), st.sampled_from(IMPACTS))
    def test(context: dict[str, Any], one: str, other: str) -> None:
        lower, higher = sorted((one, other), key=IMPACTS.index)
        less = _thoroughness(policy, context | {"business_impact": lower})
        more = _thoroughness(policy, context | {"business_impact": higher})
        require(_at_least(more, less), f"{higher} returns {more}, {lower} returns {less}")

    return test


def treats_objects_like_mappings(policy: Policy) -> Callable[[], None]:
    """Check that an object with attributes gets the same answer as a mapping."""

    @given(_contexts(policy))
    def test(context: dict[str, Any]) -> None:
        here, there = policy(context), policy(SimpleNamespace(**context))
        require(here == there, f"a mapping returns {here}, an object {there}")

    return test


def is_deterministic(policy: Policy) -> Callable[[], None]:
    """Check that repeated calls get the same answer, with other calls in between."""

    @given(_contexts(policy), _contexts(policy))
    def test(context: dict[str, Any], other: dict[str, Any]) -> None:
        first = policy(context)
        policy(other)
        again = [policy(context) for _ in range(TIMES)]
        require(again == [first] * TIMES, f"{first}, then {again}")

    return test


def handles_many_features_within_the_time_limit(policy: Policy) -> Callable[[], None]:
    """Check that a model with very many features is answered within the time limit of one call."""

    @given(st.just([f"f{row}" for row in range(MANY)]))
    def test(features: list[str]) -> None:
        for impact in IMPACTS:
            _thoroughness(
                policy, {"business_impact": impact, "historical_drift_rate": 0.0, "features": features}
            )

    return test


def boundary_table(module: ModuleType, decisions: Decisions) -> int:
    """Check both sides of every learned constant, for every impact, with and without incidents.

    The table includes invalid values, and passes mappings, objects and None. Return the number of rows.
    """
    rules = sorted(
        (rule for rule in decisions.active if rule.kind != "strategy"),
        key=lambda rule: ("top" in rule.parameters, rule.kind != "tier", rule.id),
    )
    count = 0
    for place, context in enumerate(_boundary_contexts(rules)):
        forms: list[Any] = [context, *([SimpleNamespace(**context)] if place % AS_OBJECT == 0 else [])]
        for given_as in [*forms, *([] if any(value is not None for value in context.values()) else [None])]:
            count += 1
            found = module.adaptive_monitoring_strategy(given_as)
            expected = _predicted(decisions, rules, context)
            require(found == expected, f"{given_as} returns {found}, expected {expected}")
    return count


def _boundary_contexts(rules: Sequence[Rule]) -> Iterator[dict[str, Any]]:
    rates: set[Any] = {None, 0.0, 1.0, math.nan}
    days: set[Any] = {None, 0.0, 1e6}
    for rule in rules:
        if rule.kind == "quiet":
            rates.update(adjacent_floats(msgspec.convert(rule.condition, Quiet).drift_rate_below))
        elif rule.kind == "incident":
            days.update(adjacent_floats(msgspec.convert(rule.condition, Recent).within_days))
    known = sorted({name for rule in rules for name in _names(rule)})
    features = [None, (), ("a", "b"), tuple(known), tuple(f"f{k:02}" for k in range(30)), ("z", *known)]
    yield from _combined((None, *IMPACTS), rates, (None, 0, 2), days, features)
    yield from _combined(UNKNOWN_IMPACTS, rates, (None, 0, 2), days, [None])
    yield from _combined((None, *IMPACTS), (-1.0, "often"), (0, 2), (None, 1e6), [None])
    yield from _combined((None, *IMPACTS), (0.0, 1.0), (-1, 0.5, "some", True), days, [None])
    yield from _combined((None, *IMPACTS), (0.0, 1.0), (1,), (-1.0, math.nan, "lately"), [None])
    again = (*known, "b", "a", *known)
    others = ["one", list(again), frozenset(again), near_miss_strings(known)]
    yield from _combined((None, *IMPACTS), (0.0, 1.0), (0,), (None,), others)


def _combined(*values: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for row in itertools.product(*values):
        yield dict(zip(FIELDS, row, strict=True))


def _names(rule: Rule) -> tuple[str, ...]:
    return msgspec.convert(rule.parameters, Less).features if "top" in rule.parameters else ()


def _predicted(decisions: Decisions, rules: Sequence[Rule], context: dict[str, Any]) -> MonitoringStrategy:
    rule = next((rule for rule in rules if _holds(rule, context)), None)
    if rule is None:
        every = next(rule for rule in decisions.active if rule.kind == "strategy")
        return MonitoringStrategy(
            **msgspec.to_builtins(msgspec.convert(every.parameters, Strategy)), reason=every.id
        )
    if "top" not in rule.parameters:
        more = msgspec.convert(rule.parameters, More)
        return MonitoringStrategy(frequency=more.frequency, features="all", tests=more.tests, reason=rule.id)
    less = msgspec.convert(rule.parameters, Less)
    features = context["features"] or less.features
    own = {features} if isinstance(features, str) else set(features)
    first, rest = sorted(own & set(less.features)), sorted(own - set(less.features))
    kept = tuple([*first, *rest][: less.top])
    return MonitoringStrategy(frequency=less.frequency, features=kept, tests=less.tests, reason=rule.id)


def _holds(rule: Rule, context: dict[str, Any]) -> bool:
    impact = "critical" if context["business_impact"] is None else context["business_impact"]
    if rule.kind == "tier":
        return impact in msgspec.convert(rule.condition, Impacts).impacts
    if rule.kind == "quiet":
        rate = _number(context["historical_drift_rate"])
        below = msgspec.convert(rule.condition, Quiet).drift_rate_below
        return rate is not None and 0.0 <= rate < below and impact in ("none", "low", "medium")
    incidents, since = _number(context["recent_incidents"]), _number(context["days_since_incident"])
    within = msgspec.convert(rule.condition, Recent).within_days
    return incidents is not None and incidents > 0.0 and (since is None or not since > within)


def _number(value: Any) -> float | None:
    """Return a number, or None for None, strings and booleans."""
    return None if value is None or isinstance(value, bool | str) else float(value)


def _many_features() -> tuple[tuple[Any, ...], dict[str, Any]]:
    features = [f"f{k}" for k in range(20_000)]
    return ({"business_impact": "low", "historical_drift_rate": 0.0, "features": features},), {}


CONTRACT: Final = Contract(
    properties=(
        is_deterministic,
        monitors_critical_models_at_least_hourly,
        never_monitors_less_after_more_incidents,
        never_monitors_less_when_a_field_is_missing,
        never_monitors_less_at_higher_impact,
        treats_objects_like_mappings,
        handles_many_features_within_the_time_limit,
    ),
    boundary_table=boundary_table,
    former_names={
        "watches_critical_models_at_least_as_before": "monitors_critical_models_at_least_hourly",
        "never_watches_less_after_more_incidents": "never_monitors_less_after_more_incidents",
        "takes_the_safer_side_of_what_it_does_not_know": "never_monitors_less_when_a_field_is_missing",
        "watches_graver_models_no_less": "never_monitors_less_at_higher_impact",
        "reads_objects_like_mappings": "treats_objects_like_mappings",
        "answers_the_same_again": "is_deterministic",
        "answers_in_time_for_many_features": "handles_many_features_within_the_time_limit",
    },
    signature="(model_context)",
    workloads=(WorkloadCase("many features", _many_features),),
)
