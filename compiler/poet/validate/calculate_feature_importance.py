"""The contract of `calculate_feature_importance`: finite, near its base, blind to the order of features."""

import math
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from poet.validate._contract import Contract, Policy, demand, no_boundary_table

__all__ = ["CONTRACT"]

NAMES = st.sampled_from(["price", "discount", "user_location"]) | st.text(max_size=20)
BASES = st.floats(min_value=1e-6, max_value=1e6)
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "time_of_year": st.sampled_from(["black_friday", "summer"]) | st.text(max_size=10),
        "other_features": st.lists(st.sampled_from(["day_of_week", "price", "x"]), max_size=4),
        "segment": st.text(max_size=5) | st.integers() | st.none(),
    },
)


def stays_near_its_base(policy: Policy) -> Callable[[], None]:
    """Give a finite number between a tenth of the base and ten times it."""

    @given(NAMES, BASES, CONTEXTS)
    def test(name: str, base: float, context: dict[str, Any]) -> None:
        importance = policy(name, context | {"base_importance": base})
        demand(
            type(importance) is float and math.isfinite(importance), f"{importance!r} is not a finite float"
        )
        demand(0.1 * base <= importance <= 10.0 * base, f"{importance} is too far from its base {base}")

    return test


def gives_the_base_of_what_it_does_not_know(policy: Policy) -> Callable[[], None]:
    """Give an unknown feature in an unknown context its base importance, 1 where none is given."""

    @given(st.text(min_size=5, max_size=20).map(lambda text: f"never heard of {text}"), BASES)
    def test(name: str, base: float) -> None:
        demand(policy(name, {"base_importance": base}) == base, "an unknown feature has another importance")
        demand(policy(name, {}) == 1.0, "without a base the importance is not 1")

    return test


def forgets_the_order_of_other_features(policy: Policy) -> Callable[[], None]:
    """Forget the order of `other_features`, and give the same question the same answer."""

    @given(NAMES, CONTEXTS, st.permutations(["day_of_week", "price", "x"]))
    def test(name: str, context: dict[str, Any], others: list[str]) -> None:
        here = policy(name, context | {"other_features": others})
        there = policy(name, context | {"other_features": sorted(others)})
        demand(here == there, f"the order of other features decides: {here} or {there}")

    return test


CONTRACT = Contract(
    properties=(
        stays_near_its_base,
        gives_the_base_of_what_it_does_not_know,
        forgets_the_order_of_other_features,
    ),
    boundary_table=no_boundary_table,
)
