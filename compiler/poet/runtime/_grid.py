"""A grid of cells in increasing order: where a value lies, without a sort and without a search.

All that rests on a grid is exact for any map from values to cells that never decreases: whatever lies in an
earlier cell is smaller, equal values share a cell. Rounding in the map moves edges, nothing else, so the
edges need not be known. Two maps are tried on a reference, and the one that spreads it more evenly is kept:
cells of equal width, and cells of equal width in the bits of the floating point number, which is nearly its
logarithm and suits heavy tails.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from poet.runtime._compiled import placing

__all__ = ["BLOCK", "Cells", "Grid", "blocks", "cells_for", "ends_of", "placed_by"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Cells = npt.NDArray[np.uint32] | IntArray

BLOCK = 1 << 15  # values at once: their buffers stay in the processor's cache
MOST_CELLS = 1 << 17
EVEN = 1 / 8  # of all cells as many as if the reference filled these evenly: no better map is looked for
WHOLE = 2.0**52  # from here to 2**53 doubles are the whole numbers, their low bits the number itself
LOW_BITS = 0xFFFF_FFFF
ALL_BUT_SIGN = 0x7FFF_FFFF_FFFF_FFFF


def cells_for(length: int) -> int:
    """Give a number of cells for a sample of this length: about one for four values, a power of two.

    Few cells leave much in each of those that have to be looked into, many cost more than the sample does;
    this is near the measured best from 10 000 to a million values.
    """
    return min(MOST_CELLS, 1 << max(4, round(math.log2(length / 4))))


def blocks(length: int) -> Iterator[slice]:
    """Part a sample into stretches of at most `BLOCK` values."""
    return (slice(first, min(first + BLOCK, length)) for first in range(0, length, BLOCK))


class _Map(Protocol):
    """Values to cells."""

    def __call__(self, values: npt.NDArray[Any], real: FloatArray, cells: IntArray) -> None:
        """Write the cells of the values; `real` is room to work in. All three are of one length."""


@dataclass(frozen=True, slots=True)
class _Even:
    """Cells of equal width."""

    scale: float
    offset: float
    last: float

    @classmethod
    def between(cls, low: float, high: float, cells: int) -> Self:
        """Spread the cells from `low` to `high`, with one to spare on either side."""
        scale = (cells - 3) / (high - low)
        return cls(scale, WHOLE + 1.0 - low * scale, WHOLE + (cells - 1))

    def __call__(self, values: npt.NDArray[Any], real: FloatArray, cells: IntArray) -> None:
        """Let the addition round to whole numbers; a conversion of each double would cost twice as much."""
        np.multiply(values, self.scale, out=real, dtype=np.float64)
        np.add(real, self.offset, out=real)
        np.maximum(real, WHOLE, out=real)
        np.minimum(real, self.last, out=real)
        np.bitwise_and(real.view(np.int64), LOW_BITS, out=cells)


@dataclass(frozen=True, slots=True)
class _Bits:
    """Cells of equal width in the bits of a double, which grow as its value does."""

    shift: int
    first: int
    last: int

    @classmethod
    def between(cls, low: float, high: float, cells: int) -> Self:
        """Drop as many low bits as it takes for the range to fit, with a cell to spare on either side."""
        ends = np.array([low, high])
        _as_ordered_bits(ends, ends, bits := np.empty(2, np.int64))
        least, most = (int(each) for each in bits)
        shift = next(each for each in range(64) if (most >> each) - (least >> each) < cells - 2)
        return cls(shift, (least >> shift) - 1, cells - 1)

    def __call__(self, values: npt.NDArray[Any], real: FloatArray, cells: IntArray) -> None:
        """Shift before the subtraction, which could not hold the difference otherwise."""
        _as_ordered_bits(values, real, cells)
        np.right_shift(cells, self.shift, out=cells)
        np.clip(cells, self.first, self.first + self.last, out=cells)
        np.subtract(cells, self.first, out=cells)


def _as_ordered_bits(values: npt.NDArray[Any], real: FloatArray, bits: IntArray) -> None:
    """Write the doubles as integers in the same order; adding 0 makes one zero of two."""
    np.add(values, 0.0, out=real, dtype=np.float64)
    np.right_shift(real.view(np.int64), 63, out=bits)
    np.bitwise_and(bits, ALL_BUT_SIGN, out=bits)
    np.bitwise_xor(bits, real.view(np.int64), out=bits)


@dataclass(frozen=True, eq=False)
class Grid:
    """Cells, and how a sorted sample lies in them.

    `before` is how many values lie in earlier cells, for each cell, and at last all of them.
    """

    sorted: FloatArray
    map: _Map
    before: IntArray

    @classmethod
    def over(cls, ordered: FloatArray, cells: int) -> Self:
        """Lay a grid over a sorted sample of finite values."""
        low, high = float(ordered[0]), float(ordered[-1])
        even = cls._by(_Even.between(low, high, cells), ordered, cells) if _can_divide(low, high) else None
        if even is not None and even.evenness >= EVEN * cells:
            return even
        bits = cls._by(_Bits.between(low, high, cells), ordered, cells)
        return bits if even is None or bits.evenness > even.evenness else even

    @classmethod
    def _by(cls, map_: _Map, ordered: FloatArray, cells: int) -> Self:
        return cls(ordered, map_, ends_of(placed_by(map_, ordered, cells)[1]))

    @property
    def cells(self) -> int:
        """How many there are."""
        return len(self.before) - 1

    @property
    def evenness(self) -> float:
        """How many cells, filled evenly, would leave a value as many companions as these do."""
        return len(self.sorted) ** 2 / float(np.square(np.diff(self.before), dtype=np.float64).sum())

    @cached_property
    def share_before(self) -> FloatArray:
        """`before` as a share of all values."""
        return self.before / len(self.sorted)

    @cached_property
    def has_one_value(self) -> npt.NDArray[np.bool_]:
        """Whether a cell holds one value many times and no other."""
        first, last = self.first_in(slice(None, -1)), self.sorted[np.maximum(self.before[1:] - 1, 0)]
        is_one: npt.NDArray[np.bool_] = (np.diff(self.before) > 1) & (first == last)
        return is_one

    @cached_property
    def sums(self) -> FloatArray:
        """Sum of the values in each cell, less the middle value of the sample each."""
        total = np.concatenate(([0.0], np.cumsum(self.sorted - self.middle)))
        return np.diff(total[self.before])

    @property
    def middle(self) -> float:
        """A value in the middle of the sample: sums of distances from it lose the fewest digits."""
        return float(self.sorted[len(self.sorted) // 2])

    def first_in(self, cells: Any) -> FloatArray:
        """Give the least value in each of some cells; of an empty one, that of the next cell that is not."""
        places: IntArray = np.minimum(self.before[cells], len(self.sorted) - 1)
        return self.sorted[places]

    def count_in(self, cells: IntArray) -> IntArray:
        """Give how many values lie in each of some cells."""
        return self.before[cells + 1] - self.before[cells]


def placed_by(map_: _Map, values: npt.NDArray[Any], cells: int) -> tuple[Cells, IntArray]:
    """Give the cell of each value, and how many values lie in each cell."""
    length = len(values)
    real, here = np.empty(min(length, BLOCK)), np.empty(min(length, BLOCK), np.int64)
    if length <= BLOCK:
        map_(values, real, here)
        return here, np.bincount(here, minlength=cells)
    placed = np.empty(length, np.uint32)
    counts = np.zeros(cells, np.int64)
    if isinstance(map_, _Even) and (compiled := placing()):
        compiled(values, map_.scale, map_.offset, map_.last, placed, counts)
        return placed, counts
    for block in blocks(length):
        here = here[: block.stop - block.start]
        map_(values[block], real[: len(here)], here)
        placed[block] = here
        np.add.at(counts, here, 1)
    return placed, counts


def _can_divide(low: float, high: float) -> bool:
    """Whether a width of cells is a number that values can be multiplied by the inverse of."""
    width = high - low
    return width > 0.0 and MOST_CELLS * max(abs(low), abs(high), 1e140) / width < 1e300


def ends_of(counts: IntArray) -> IntArray:
    """Give the running total before each count, and at last the total."""
    ends = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=ends[1:])
    return ends
