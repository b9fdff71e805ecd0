"""Values to ask a policy with, as Hypothesis strategies: texts, and what the candidate itself speaks of."""

import math
from collections.abc import Iterator

from hypothesis import strategies as st

from poet.compare import spoken
from poet.validate._contract import Policy

__all__ = ["literals", "numbers", "texts"]

# All of Unicode takes seconds to tabulate in a new process; these are the letters that break programs.
LETTERS = "abz AZ_09-.'\"\\{}%#\n\r\t\x00\x85\u2028\u202eéß雪😀\ud800"


def texts(policy: Policy, *known: str) -> st.SearchStrategy[str]:
    """Draw a known text, one from the candidate's source, or any other."""
    spoken = sorted({each for each in _spoken(policy) if isinstance(each, str)})
    return st.sampled_from([*known, *spoken, ""]) | st.text(st.sampled_from(LETTERS), max_size=20)


def numbers(policy: Policy, low: float, high: float) -> st.SearchStrategy[float]:
    """Draw a finite number within both bounds: any, or one from the candidate's source, or next to it."""
    spoken = (float(each) for each in _spoken(policy) if isinstance(each, int | float))
    near = {low, high, *(neighbour for each in spoken for neighbour in _beside(each))}
    inside = sorted(each for each in near if low <= each <= high and math.isfinite(each))
    return st.sampled_from(inside) | st.floats(low, high, allow_nan=False, allow_infinity=False)


def literals(source: str) -> frozenset[str | float]:
    """Give every number and every text in a module.

    Hypothesis knows them too, but among those of every other module: a draw meets a given one once in a
    thousand times.
    """
    found = spoken(source)
    return frozenset((*found.numbers, *found.texts))


def _spoken(policy: Policy) -> frozenset[str | float]:
    return getattr(policy, "literals", frozenset())


def _beside(value: float) -> Iterator[float]:
    for each in (value, -value):
        yield from (math.nextafter(each, -math.inf), each, math.nextafter(each, math.inf))
        if each.is_integer():
            yield from (each - 1.0, each + 1.0)
