"""Hypothesis strategies for samples of every kind that drift policies support."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

SHAPES: Final = ("normal", "heavy", "integers", "rounded", "constant", "tiny", "huge", "two values")
DAY_S: Final = 86_400.0
STEP_S: Final = 3600.0


@dataclass(frozen=True)
class Pair:
    """A current and a reference sample, with their times and context."""

    current: Any
    reference: Any
    keywords: dict[str, Any]

    def __repr__(self) -> str:
        """Return the beginning of both samples, which is enough to recognize them."""
        sizes = len(self.current), len(self.reference)
        return f"Pair({self.current[:5]!r}…, {self.reference[:5]!r}…, n = {sizes})"


def numeric(shape: str, n: int, seed: int) -> NDArray[np.float64]:
    """Return a numeric sample of one shape."""
    normal = np.random.default_rng(seed).standard_normal(n)
    if shape == "heavy":
        return np.sign(normal) * np.expm1(2.0 * np.abs(normal))
    if shape == "integers":
        return np.floor(10.0 * normal)
    if shape == "constant":
        return np.full(n, 7.0)
    if shape == "two values":
        return (normal > 0.5).astype(np.float64)
    scale = {"tiny": 1e-12, "huge": 1e12}.get(shape, 1.0)
    return np.round(normal, 1) if shape == "rounded" else scale * normal


def letters(n: int, seed: int) -> list[str]:
    """Return a categorical sample of five levels, one of them rare."""
    rng = np.random.default_rng(seed)
    return [*map(str, rng.choice(["a", "b", "c", "d", "rare"], n, p=[0.4, 0.3, 0.15, 0.12, 0.03]))]


SEEDS: Final = st.integers(0, 10_000)
LENGTHS: Final = st.integers(20, 90)


@st.composite
def numeric_pairs(draw: st.DrawFn) -> Pair:
    """Draw two samples of one numeric shape, without times."""
    shape, seed = draw(st.sampled_from(SHAPES)), draw(SEEDS)
    return Pair(numeric(shape, draw(LENGTHS), seed), numeric(shape, draw(LENGTHS), seed + 1), {})


@st.composite
def _seasonal(draw: st.DrawFn) -> Pair:
    seed, days = draw(SEEDS), draw(st.integers(4, 7))
    return with_times(
        seed, days, hours=draw(st.integers(12, 36)), shift=draw(st.sampled_from([0.0, 0.5, 5.0]))
    )


def with_times(seed: int, days: int, *, hours: int, shift: float = 0.0) -> Pair:
    """Return an hourly reference series with a daily season, and the current window right after it."""
    rng = np.random.default_rng(seed)
    times = STEP_S * np.arange(24 * days + hours)
    values = 3.0 * np.sin(2.0 * np.pi * times / DAY_S) + rng.standard_normal(len(times))
    cut = 24 * days
    keywords = {"current_times": times[cut:], "reference_times": times[:cut], "context": {"period": DAY_S}}
    return Pair(values[cut:] + shift, values[:cut], keywords)


@st.composite
def _categorical(draw: st.DrawFn) -> Pair:
    choices: list[list[Any]] = [["a", "b"], ["a", "b", "c", "rare"], [True, False]]
    levels = draw(st.sampled_from(choices))
    rng = np.random.default_rng(draw(SEEDS))
    weights = rng.dirichlet(np.ones(len(levels)))
    other = rng.dirichlet(np.ones(len(levels))) if draw(st.booleans()) else weights
    return Pair(
        [levels[i] for i in rng.choice(len(levels), draw(LENGTHS), p=other)],
        [levels[i] for i in rng.choice(len(levels), draw(LENGTHS), p=weights)],
        {},
    )


@st.composite
def _odd(draw: st.DrawFn) -> Pair:
    """Draw degenerate samples: empty, all missing, constant, with infinities, or of mixed types."""
    odd: st.SearchStrategy[Any] = st.sampled_from([
        np.array([], float), np.full(30, np.nan), [None] * 20, np.array([1.0]), np.zeros(25),
        np.array([np.inf, -np.inf, 1.0, 2.0] * 8), np.array([1e300, -1e300] * 15),
        np.array([1e-300, 0.0] * 15), np.array([1.0, np.nan] * 20), ["a", None] * 20, ["a"] * 30,
        np.array([True, False] * 15),
    ])  # fmt: skip
    return Pair(draw(odd), draw(odd), {})


def pairs() -> st.SearchStrategy[Pair]:
    """Return a strategy for pairs of every kind, degenerate ones included."""
    return numeric_pairs() | _seasonal() | _categorical() | _odd()
