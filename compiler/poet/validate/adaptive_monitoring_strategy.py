"""The contract of `adaptive_monitoring_strategy`: critical never less, incidents never less, doubt safe."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from poet.runtime.results import MonitoringStrategy
from poet.validate._contract import Broken, Contract, Policy, demand, no_boundary_table

__all__ = ["CONTRACT"]

FREQUENCIES = ("weekly", "daily", "hourly", "real_time")
FIELDS = {
    "business_impact": st.sampled_from(["none", "low", "medium", "high", "critical"]),
    "historical_drift_rate": st.floats(0.0, 1.0),
    "recent_incidents": st.integers(0, 20),
    "monthly_cost": st.floats(0.0, 1e6),
    "features": st.lists(st.sampled_from([f"f{row}" for row in range(30)]), unique=True, max_size=20),
}
CONTEXTS = st.fixed_dictionaries({}, optional=FIELDS)


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

    @given(CONTEXTS)
    def test(context: dict[str, Any]) -> None:
        found = _thoroughness(policy, context | {"business_impact": "critical"})
        demand(_at_least(found, (FREQUENCIES.index("hourly"), float("inf"), 0)), f"critical, yet {found}")

    return test


def never_watches_less_after_more_incidents(policy: Policy) -> Callable[[], None]:
    """Give no less monitoring after more recent incidents."""

    @given(CONTEXTS, st.integers(0, 5), st.integers(1, 5))
    def test(context: dict[str, Any], few: int, more: int) -> None:
        calm = _thoroughness(policy, context | {"recent_incidents": few})
        shaken = _thoroughness(policy, context | {"recent_incidents": few + more})
        demand(_at_least(shaken, calm), f"{few + more} incidents give {shaken}, {few} give {calm}")

    return test


def takes_the_safer_side_of_what_it_does_not_know(policy: Policy) -> Callable[[], None]:
    """Give no less monitoring for a missing field than for any value it could have had."""

    @given(st.fixed_dictionaries(FIELDS), st.sampled_from(("business_impact", "historical_drift_rate")))
    def test(context: dict[str, Any], missing: str) -> None:
        known = _thoroughness(policy, context)
        unknown = _thoroughness(policy, {name: value for name, value in context.items() if name != missing})
        is_critical = missing == "business_impact" and context["business_impact"] == "critical"
        demand(is_critical or _at_least(unknown, known), f"without {missing}: {unknown}, with it: {known}")

    return test


CONTRACT = Contract(
    properties=(
        watches_critical_models_at_least_as_before,
        never_watches_less_after_more_incidents,
        takes_the_safer_side_of_what_it_does_not_know,
    ),
    boundary_table=no_boundary_table,
)
