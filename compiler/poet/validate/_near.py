"""Texts and numbers that are nearly what a rule speaks of, and are not."""

import math
from collections.abc import Iterable

__all__ = ["beside", "near_misses"]


def near_misses(texts: Iterable[str]) -> tuple[str, ...]:
    """Give texts that differ from the given ones in case, by a space, by their beginning or their end."""
    given = set(texts)
    near = {
        miss
        for each in given
        for miss in (each.upper(), each.title(), f" {each}", f"{each} ", f"{each}_2", f"un{each}", each[:-1])
    }
    return tuple(sorted(near - given))


def beside(value: float) -> tuple[float, float, float]:
    """Give a number and its neighbours, in their order."""
    return (math.nextafter(value, -math.inf), value, math.nextafter(value, math.inf))
