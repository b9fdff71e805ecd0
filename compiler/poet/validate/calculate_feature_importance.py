"""The contract of `calculate_feature_importance`: finite, near its base, blind to the order of features."""

import math
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from poet.validate._contract import Contract, Policy, demand, no_boundary_table
from poet.validate._values import texts

__all__ = ["CONTRACT"]

BASES = st.floats(min_value=1e-6, max_value=1e6)


def _names(policy: Policy) -> st.SearchStrategy[str]:
    return texts(policy, "price", "discount", "user_location")


def _contexts(policy: Policy) -> st.SearchStrategy[dict[str, Any]]:
    others = texts(policy, "day_of_week", "price", "x")
    return st.fixed_dictionaries(
        {},
        optional={
            "time_of_year": texts(policy, "black_friday", "summer"),
            "other_features": st.lists(others, max_size=4),
            "segment": texts(policy) | st.integers() | st.none(),
        },
    )


def stays_near_its_base(policy: Policy) -> Callable[[], None]:
    """Give a finite number between a tenth of the base and ten times it."""

    @given(_names(policy), BASES, _contexts(policy))
    def test(name: str, base: float, context: dict[str, Any]) -> None:
        importance = policy(name, context | {"base_importance": base})
        demand(
            type(importance) is float and math.isfinite(importance), f"{importance!r} is not a finite float"
        )
        demand(0.1 * base <= importance <= 10.0 * base, f"{importance} is too far from its base {base}")

    return test


def gives_the_base_of_what_it_does_not_know(policy: Policy) -> Callable[[], None]:
    """Give an unknown feature in an unknown context its base importance, 1 where none is given."""

    @given(texts(policy).map(lambda text: f"never heard of {text}"), BASES)
    def test(name: str, base: float) -> None:
        demand(policy(name, {"base_importance": base}) == base, "an unknown feature has another importance")
        demand(policy(name, {}) == 1.0, "without a base the importance is not 1")

    return test


def forgets_the_order_of_other_features(policy: Policy) -> Callable[[], None]:
    """Forget the order of `other_features`, and give the same question the same answer."""

    @given(
        _names(policy), _contexts(policy), st.lists(texts(policy, "day_of_week", "price", "x"), max_size=5)
    )
    def test(name: str, context: dict[str, Any], others: list[str]) -> None:
        here = policy(name, context | {"other_features": others})
        there = policy(name, context | {"other_features": others[::-1]})
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
