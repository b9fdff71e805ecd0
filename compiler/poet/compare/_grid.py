"""Values on both sides of constants, and their combinations."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["around", "product", "whole_around"]

_STRIDE = 0.6180339887498949  # of the number of combinations: the least regular step (golden ratio)


def around(constants: Iterable[float], low: float, high: float) -> tuple[float, ...]:
    """Give each constant, one ulp either side, what lies between two of them, and both ends.

    A function that compares one number with these constants and nothing else answers all numbers from
    `low` to `high` as it answers one of these.
    """
    inside = sorted({float(each) for each in constants if low <= each <= high} | {low, high})
    between = [(one + other) / 2.0 for one, other in itertools.pairwise(inside)]
    beside = [math.nextafter(each, end) for each in inside for end in (-math.inf, math.inf)]
    return tuple(sorted(each for each in {*inside, *between, *beside} if low <= each <= high))


def whole_around(constants: Iterable[float], low: int, high: int) -> tuple[int, ...]:
    """Give the same of whole numbers: each constant, its neighbours, what lies between, both ends."""
    inside = sorted({math.floor(each) for each in constants if low <= each <= high} | {low, high})
    between = [(one + other) // 2 for one, other in itertools.pairwise(inside)]
    beside = [each + step for each in inside for step in (-1, 1)]
    return tuple(sorted(each for each in {*inside, *between, *beside} if low <= each <= high))


def product(choices: Mapping[str, Sequence[Any]], *, most: int) -> tuple[Sequence[Mapping[str, Any]], bool]:
    """Combine all choices, and tell whether these are all; of too many, give an even sample."""
    names, values = list(choices), list(choices.values())
    total = math.prod(map(len, values))
    if total <= most:
        return [dict(zip(names, each, strict=True)) for each in itertools.product(*values)], True
    return [dict(zip(names, _nth(values, place), strict=True)) for place in _places(total, most)], False


def _places(total: int, most: int) -> Iterator[int]:
    step = max(int(total * _STRIDE), 1)
    while math.gcd(step, total) != 1:
        step += 1
    return (k * step % total for k in range(most))


def _nth(values: Sequence[Sequence[Any]], place: int) -> list[Any]:
    chosen = []
    for each in reversed(values):
        place, k = divmod(place, len(each))
        chosen.append(each[k])
    return chosen[::-1]
