"""Grids of cells in increasing order, which locate values without sorting and without searching.

Computations on a grid are exact for any non-decreasing map from values to cells: values in an earlier cell
are smaller, and equal values share a cell. Rounding in the map only moves the edges, so the edges do not have
to be known. Two maps are tried on a reference, and the one that spreads it more evenly is kept: cells of
equal width, and cells of equal width in the bits of the floating-point number, which is nearly its logarithm
and suits heavy tails.

`Gridded` is a current sample on the grid of a reference. The distances between whole distributions start from
it.

An optional compiled loop assigns the same cells three times as fast. To enable it, run
`pip install 'poet-policy-compiler[compiled]'` and set ``POET_COMPILED=1`` in the environment. The first long
sample then takes one or two seconds longer, because numba is imported and compiles once per machine for each
numeric type.
"""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from typing import Any, Final, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

Place = Callable[[Any, float, float, float, Any, Any], None]


@cache
def placing() -> Place | None:
    """Return the compiled loop; None if it is not enabled or numba is not installed."""
    if os.environ.get("POET_COMPILED", "") not in ("1", "true", "yes"):
        return None
    try:
        njit: Any = import_module("numba").njit  # by name, because a standalone export works without it
    except ImportError:
        return None
    compiled: Place = njit(cache=True, nogil=True)(_place)
    return compiled


def _place(values: Any, scale: float, offset: float, last: float, placed: Any, counts: Any) -> None:
    """Assign values to cells by adding 2**52, as `_Even` does with numpy, but value by value."""
    whole = 4503599627370496.0
    for row in range(len(values)):
        at = values[row] * scale + offset
        at = min(max(at, whole), last)
        cell = int(at - whole)
        placed[row] = cell
        counts[cell] += 1


FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Cells = npt.NDArray[np.uint32] | IntArray

BLOCK: Final = 1 << 15  # values at a time, so that their buffers stay in the CPU cache
MOST_CELLS: Final = 1 << 17
EVEN: Final = 1 / 8  # share of all cells; if the reference fills this many evenly, no other map is tried
WHOLE: Final = 2.0**52  # up to 2**53 the doubles are the integers, and their low bits are the integer itself
LOW_BITS: Final = 0xFFFF_FFFF
ALL_BUT_SIGN: Final = 0x7FFF_FFFF_FFFF_FFFF


def cells_for(length: int) -> int:
    """Return the number of cells for a sample of this length: about one per four values, a power of two.

    With few cells, each examined cell has many values. With many, the cells cost more than the sample. This
    number is close to the measured optimum from 10 000 to a million values.
    """
    return min(MOST_CELLS, 1 << max(4, round(math.log2(length / 4))))


def blocks(length: int) -> Iterator[slice]:
    """Yield slices of at most `BLOCK` values that cover a sample."""
    return (slice(first, min(first + BLOCK, length)) for first in range(0, length, BLOCK))


class _Map(Protocol):
    """A map from values to cells."""

    def __call__(self, values: npt.NDArray[Any], real: FloatArray, cells: IntArray) -> None:
        """Write the cells of the values to `cells`. `real` is a buffer. All three have the same length."""


@dataclass(frozen=True, slots=True)
class _Even:
    """Cells of equal width."""

    scale: float
    offset: float
    last: float

    @classmethod
    def between(cls, low: float, high: float, cells: int) -> Self:
        """Return a map that spreads the cells from `low` to `high`, with a spare cell on either side."""
        scale = (cells - 3) / (high - low)
        return cls(scale, WHOLE + 1.0 - low * scale, WHOLE + (cells - 1))

    def __call__(self, values: npt.NDArray[Any], real: FloatArray, cells: IntArray) -> None:
        """Round to integers by an addition, because converting each double would cost twice as much."""
        np.multiply(values, self.scale, out=real, dtype=np.float64)
        np.add(real, self.offset, out=real)
        np.maximum(real, WHOLE, out=real)
        np.minimum(real, self.last, out=real)
        np.bitwise_and(real.view(np.int64), LOW_BITS, out=cells)


@dataclass(frozen=True, slots=True)
class _Bits:
    """Cells of equal width in the bits of a double, which increase with its value."""

    shift: int
    first: int
    last: int

    @classmethod
    def between(cls, low: float, high: float, cells: int) -> Self:
        """Return a map that drops enough low bits for the range to fit, with a spare cell on either side."""
        ends = np.array([low, high])
        _as_ordered_bits(ends, ends, bits := np.empty(2, np.int64))
        least, most = (int(each) for each in bits)
        shift = next(each for each in range(64) if (most >> each) - (least >> each) < cells - 2)
        return cls(shift, (least >> shift) - 1, cells - 1)

    def __call__(self, values: npt.NDArray[Any], real: FloatArray, cells: IntArray) -> None:
        """Shift before the subtraction, whose result would otherwise overflow."""
        _as_ordered_bits(values, real, cells)
        np.right_shift(cells, self.shift, out=cells)
        np.clip(cells, self.first, self.first + self.last, out=cells)
        np.subtract(cells, self.first, out=cells)


def _as_ordered_bits(values: npt.NDArray[Any], real: FloatArray, bits: IntArray) -> None:
    """Write the doubles as integers in the same order. Adding 0 turns -0.0 into 0.0."""
    np.add(values, 0.0, out=real, dtype=np.float64)
    np.right_shift(real.view(np.int64), 63, out=bits)
    np.bitwise_and(bits, ALL_BUT_SIGN, out=bits)
    np.bitwise_xor(bits, real.view(np.int64), out=bits)


@dataclass(frozen=True, eq=False)
class Grid:
    """A sorted sample on a grid of cells.

    `before` is the number of values in earlier cells, for each cell, followed by the number of all values.
    """

    sorted: FloatArray
    map: _Map
    before: IntArray

    @classmethod
    def over(cls, ordered: FloatArray, cells: int) -> Self:
        """Return the grid of a sorted sample of finite values."""
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
        """The number of cells."""
        return len(self.before) - 1

    @property
    def evenness(self) -> float:
        """The effective number of cells: evenly filled, they would have the same sum of squared shares."""
        return len(self.sorted) ** 2 / float(np.square(np.diff(self.before), dtype=np.float64).sum())

    @cached_property
    def share_before(self) -> FloatArray:
        """The numbers in `before` as shares of all values."""
        return self.before / len(self.sorted)

    @cached_property
    def has_one_value(self) -> npt.NDArray[np.bool_]:
        """Whether each cell has one value, which occurs more than once, and no other."""
        first, last = self.first_in(slice(None, -1)), self.sorted[np.maximum(self.before[1:] - 1, 0)]
        is_one: npt.NDArray[np.bool_] = (np.diff(self.before) > 1) & (first == last)
        return is_one

    @cached_property
    def sums(self) -> FloatArray:
        """The sum of the distances of the values in each cell from `middle`."""
        total = np.concatenate(([0.0], np.cumsum(self.sorted - self.middle)))
        return np.diff(total[self.before])

    @property
    def middle(self) -> float:
        """A value in the middle of the sample; sums of distances from it lose the fewest digits."""
        return float(self.sorted[len(self.sorted) // 2])

    def first_in(self, cells: Any) -> FloatArray:
        """Return the minimum of each of these cells; for an empty cell, that of the next non-empty one."""
        places: IntArray = np.minimum(self.before[cells], len(self.sorted) - 1)
        return self.sorted[places]

    def count_in(self, cells: IntArray) -> IntArray:
        """Return the number of values in each of these cells."""
        return self.before[cells + 1] - self.before[cells]


def placed_by(map_: _Map, values: npt.NDArray[Any], cells: int) -> tuple[Cells, IntArray]:
    """Return the cell of each value, and the number of values in each cell."""
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
    """Return whether the inverse of the cell width, and its products with the values, are finite."""
    width = high - low
    return width > 0.0 and MOST_CELLS * max(abs(low), abs(high), 1e140) / width < 1e300


def ends_of(counts: IntArray) -> IntArray:
    """Return the running total before each count, followed by the total."""
    ends = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=ends[1:])
    return ends


NARROW: Final = 4  # a range of cells is narrow if it has less than 1/NARROW of the sample


class Inside(NamedTuple):
    """The sorted values of both samples in some cells, with their sizes and gaps by cell.

    A gap is the number of values in earlier cells that are not included, so a place here plus the gap of its
    cell is the place in the whole sample.
    """

    current: FloatArray
    current_sizes: IntArray
    current_gap: IntArray
    reference: FloatArray
    reference_sizes: IntArray
    reference_gap: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Gridded:
    """A sample, the cell of each of its values, and the counts by cell.

    `before` is the number of values in earlier cells, for each cell, followed by the number of all values.
    `share_before` is the same as a share of all values.
    """

    values: npt.NDArray[Any]
    grid: Grid
    placed: Cells
    counts: IntArray
    before: IntArray
    share_before: FloatArray

    @classmethod
    def of(cls, values: npt.NDArray[Any], grid: Grid) -> Self:
        """Return a sample of finite numbers of any type on the grid of the reference."""
        placed, counts = placed_by(grid.map, values, grid.cells)
        before = ends_of(counts)
        return cls(values, grid, placed, counts, before, before / len(values))

    @property
    def length(self) -> int:
        """The number of values."""
        return len(self.values)

    def signed_sum(self, sign: FloatArray) -> tuple[float, IntArray]:
        """Return the sum of the distances from the reference's middle value, with the sign of their cells.

        Also returns the places of the values in cells without a sign.
        """
        room = np.empty((2, min(self.length, BLOCK)))
        total, found = 0.0, []
        for block in blocks(self.length):
            signs, values = room[:, : block.stop - block.start]
            np.take(sign, self.placed[block], out=signs, mode="clip")
            found.append(np.flatnonzero(signs == 0.0) + block.start)
            np.subtract(self.values[block], self.grid.middle, out=values, dtype=np.float64)
            total += float(np.einsum("i,i->", signs, values))  # in one pass and without threads
        return total, _joined(found)

    def places_in(self, wanted: IntArray) -> IntArray:
        """Return the places of the values in the wanted cells."""
        first, last = int(wanted[0]), int(wanted[-1])
        flags = np.zeros(self.grid.cells, np.bool_)
        flags[wanted] = True
        is_narrow = self.before[last + 1] - self.before[first] < self.length // NARROW
        found = []
        for block in blocks(self.length):
            cells = self.placed[block]
            if is_narrow:  # comparing is cheaper than a lookup
                near = np.flatnonzero((cells >= first) & (cells <= last))
                found.append(near[flags[cells[near]]] + block.start)
            else:
                found.append(np.flatnonzero(flags.take(cells, mode="clip")) + block.start)
        return _joined(found)

    def at(self, places: IntArray) -> tuple[FloatArray, Cells]:
        """Return the values at these places, and their cells."""
        return self.values[places].astype(np.float64, copy=False), self.placed[places]

    def inside(self, wanted: IntArray, current: FloatArray) -> Inside:
        """Return both samples in the wanted cells; `current` are the values of the current sample."""
        own, sizes = self.counts[wanted], self.grid.count_in(wanted)
        own_gap = self.before[wanted] - ends_of(own)[:-1]
        gap = self.grid.before[wanted] - ends_of(sizes)[:-1]
        places = np.arange(int(sizes.sum())) + np.repeat(gap, sizes)
        return Inside(np.sort(current), own, own_gap, self.grid.sorted[places], sizes, gap)


def _joined(parts: list[IntArray]) -> IntArray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
