"""The contract of `calculate_adaptive_window`: an int within bounds, never smaller for more stability."""

import itertools
import math
from collections.abc import Callable
from types import ModuleType
from typing import Final

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from poet.build.contract import (
    Contract,
    Policy,
    WorkloadCase,
    adjacent_floats,
    near_miss_strings,
    numbers,
    require,
    texts,
)
from poet.policies.calculate_adaptive_window.policy import Band, Bounds, Stability, Velocity
from poet.spec.decisions import Decisions

REQUIREMENTS: Final = ("low", "normal", "high", "critical")
UNKNOWN_REQUIREMENTS: Final = ("", "High", "higher", "unheard of")
NO_VELOCITIES: Final = (0.0, -1.0, -math.inf, math.inf, math.nan)  # above no edge, or above all edges
SLOWEST, FASTEST = 5e-324, 1.7976931348623157e308
TIMES: Final = 10  # repetitions: a policy that uses random numbers can answer the same twice by chance
MOST: Final = 10_000_000


def _names(policy: Policy) -> st.SearchStrategy[str]:
    return texts(policy, "revenue", "conversions", "latency")


def _velocities(policy: Policy) -> st.SearchStrategy[float]:
    return numbers(policy, SLOWEST, FASTEST)


def returns_a_positive_integer(policy: Policy) -> Callable[[], None]:
    """Check that the window is a positive int for any finite velocity."""

    @given(_names(policy), _velocities(policy), st.sampled_from(REQUIREMENTS))
    def test(name: str, velocity: float, requirement: str) -> None:
        window = policy(name, velocity, requirement)
        require(type(window) is int, f"{window!r} is not an int")
        require(0 < window <= MOST, f"{window} is not between 1 and {MOST}")

    return test


def never_shrinks_for_a_stricter_requirement(policy: Policy) -> Callable[[], None]:
    """Check that a stricter requirement never leads to a smaller window."""

    @given(_names(policy), _velocities(policy))
    def test(name: str, velocity: float) -> None:
        windows = [policy(name, velocity, requirement) for requirement in REQUIREMENTS]
        require(windows == sorted(windows), f"{dict(zip(REQUIREMENTS, windows, strict=True))} shrinks")

    return test


def is_deterministic(policy: Policy) -> Callable[[], None]:
    """Check that repeated calls get the same answer, with other calls in between."""

    @given(
        _names(policy),
        _velocities(policy),
        st.sampled_from(REQUIREMENTS),
        _names(policy),
        _velocities(policy),
    )
    def test(name: str, velocity: float, requirement: str, other: str, another: float) -> None:
        first = policy(name, velocity, requirement)
        policy(other, another, "critical")
        again = [policy(name, velocity, requirement) for _ in range(TIMES)]
        require(again == [first] * TIMES, f"{first}, then {again}")

    return test


def stays_within_minimum_and_cap(policy: Policy, decisions: Decisions | None) -> Callable[[], None]:
    """Check that windows stay within the minimum and the cap of the decisions."""
    bounds = Bounds(minimum=1, cap=MOST) if decisions is None else _bounds(decisions)

    @given(_names(policy), _velocities(policy), st.sampled_from(REQUIREMENTS))
    def test(name: str, velocity: float, requirement: str) -> None:
        window = policy(name, velocity, requirement)
        require(
            bounds.minimum <= window <= bounds.cap, f"{window} is outside {bounds.minimum} … {bounds.cap}"
        )

    return test


def follows_its_decisions(policy: Policy, decisions: Decisions | None) -> Callable[[], None]:
    """Check answers against the decisions for all constants of the module, not only for those declared."""

    @given(_names(policy), _velocities(policy), st.sampled_from(REQUIREMENTS))
    def test(name: str, velocity: float, requirement: str) -> None:
        if decisions is None:
            return
        window, expected = (
            policy(name, velocity, requirement),
            _predicted(decisions, name, velocity, requirement),
        )
        require(window == expected, f"{window}, its decisions say {expected}")

    return test


def boundary_table(module: ModuleType, decisions: Decisions) -> int:
    """Check each velocity of the decisions and one ulp on either side, for every kind of feature.

    The table includes invalid velocities, near misses of the names in rules, and unknown requirements.
    Return the number of rows.
    """
    borders = [velocity for velocity, _ in _bands(decisions) if velocity is not None]
    velocities = {each for border in borders for each in adjacent_floats(border)} | {SLOWEST, 1.0, FASTEST}
    named = {name for each in _stability(decisions) for name in each.features}
    names = ["no such feature", "", *sorted(named), *near_miss_strings(named)]
    inputs = itertools.product(
        names, [*sorted(velocities), *NO_VELOCITIES], (*REQUIREMENTS, *UNKNOWN_REQUIREMENTS)
    )
    count = 0
    for count, (name, velocity, requirement) in enumerate(inputs, start=1):  # noqa: B007 -- the last one is given
        expected = _predicted(decisions, name, velocity, requirement)
        window = module.calculate_adaptive_window(name, velocity, requirement)
        message = f"({name!r}, {velocity!r}, {requirement!r}) returns {window!r}, expected {expected}"
        require(type(window) is int and window == expected, message)
    return count


def _predicted(decisions: Decisions, name: str, velocity: float, requirement: str) -> int:
    above = [
        (border, window) for border, window in _bands(decisions) if border is not None and velocity > border
    ]
    everywhere = next(window for border, window in _bands(decisions) if border is None)
    window: float = max(above)[1] if above else everywhere
    stability = _stability(decisions)
    if stability and requirement in ("high", "critical"):
        window *= max(each.multiplier for each in stability)
    else:
        window *= next((each.multiplier for each in stability if name in each.features), 1)
    bounds = _bounds(decisions)
    return max(bounds.minimum, min(round(window), bounds.cap))


def _bands(decisions: Decisions) -> list[tuple[float | None, int]]:
    return [
        (
            msgspec.convert(rule.condition, Velocity).velocity_above,
            msgspec.convert(rule.parameters, Band).window,
        )
        for rule in decisions.active
        if rule.kind == "band"
    ]


def _stability(decisions: Decisions) -> list[Stability]:
    return [
        msgspec.convert(rule.parameters, Stability) for rule in decisions.active if rule.kind == "stability"
    ]


def _bounds(decisions: Decisions) -> Bounds:
    return next(
        msgspec.convert(rule.parameters, Bounds) for rule in decisions.active if rule.kind == "bounds"
    )


def _fast() -> tuple[tuple[str, float, str], dict[str, float]]:
    return ("revenue", FASTEST, "critical"), {}


CONTRACT: Final = Contract(
    properties=(
        returns_a_positive_integer,
        never_shrinks_for_a_stricter_requirement,
        is_deterministic,
        stays_within_minimum_and_cap,
        follows_its_decisions,
    ),
    boundary_table=boundary_table,
    former_names={
        "does_what_its_decisions_say": "follows_its_decisions",
        "answers_the_same_again": "is_deterministic",
        "gives_a_positive_whole_number": "returns_a_positive_integer",
        "grows_with_the_stability_requirement": "never_shrinks_for_a_stricter_requirement",
        "stays_within_its_bounds": "stays_within_minimum_and_cap",
    },
    signature="(feature_name, data_velocity, stability_requirement)",
    workloads=(WorkloadCase("a fast feature", _fast),),
)
