"""A grid of cells in increasing order: where a value lies, without a sort and without a search.

All that rests on a grid is exact for any map from values to cells that never decreases: whatever lies in an
earlier cell is smaller, equal values share a cell. Rounding in the map moves edges, nothing else, so the
edges need not be known. Two maps are tried on a reference, and the one that spreads it more evenly is kept:
cells of equal width, and cells of equal width in the bits of the floating point number, which is nearly its
logarithm and suits heavy tails.

A current sample on the grid of a reference: what every statistic of whole distributions starts from.

A compiled way to put values into cells, for those who ask for it: the same cells, three times as fast.

`pip install 'poet-policy-compiler[compiled]'` and ``POET_COMPILED=1`` in the environment. The first long
sample then takes a second or two longer: numba is imported, and compiles once for each type of number on a
machine.
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
    """Give the compiled loop, None where nobody asked for it or numba is not there."""
    if os.environ.get("POET_COMPILED", "") not in ("1", "true", "yes"):
        return None
    try:
        njit: Any = import_module("numba").njit  # by name: an export that stands alone does without
    except ImportError:
        return None
    compiled: Place = njit(cache=True, nogil=True)(_place)
    return compiled


def _place(values: Any, scale: float, offset: float, last: float, placed: Any, counts: Any) -> None:
    """Round to whole cells by adding 2**52, as numpy does above, but value by value."""
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

BLOCK: Final = 1 << 15  # values at once: their buffers stay in the processor's cache
MOST_CELLS: Final = 1 << 17
EVEN: Final = (
    1 / 8
)  # of all cells as many as if the reference filled these evenly: no better map is looked for
WHOLE: Final = 2.0**52  # from here to 2**53 doubles are the whole numbers, their low bits the number itself
LOW_BITS: Final = 0xFFFF_FFFF
ALL_BUT_SIGN: Final = 0x7FFF_FFFF_FFFF_FFFF


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


NARROW: Final = 4  # cells from the first to the last of some hold less than this part of a sample


class Inside(NamedTuple):
    """The values of both samples in some cells, sorted; by cell how many they are, and how many are left out.

    A gap counts the values in earlier cells that are not among these, so that a place here plus the gap of
    its cell is the place in the whole sample.
    """

    current: FloatArray
    current_sizes: IntArray
    current_gap: IntArray
    reference: FloatArray
    reference_sizes: IntArray
    reference_gap: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Gridded:
    """A sample, the cell of each of its values, and the counts.

    `before` is how many values lie in earlier cells, for each cell, and at last all of them; `share_before`
    the same as a share of all values.
    """

    values: npt.NDArray[Any]
    grid: Grid
    placed: Cells
    counts: IntArray
    before: IntArray
    share_before: FloatArray

    @classmethod
    def of(cls, values: npt.NDArray[Any], grid: Grid) -> Self:
        """Place a sample of finite numbers of any type on the grid of the reference."""
        placed, counts = placed_by(grid.map, values, grid.cells)
        before = ends_of(counts)
        return cls(values, grid, placed, counts, before, before / len(values))

    @property
    def length(self) -> int:
        """How many values there are."""
        return len(self.values)

    def signed_sum(self, sign: FloatArray) -> tuple[float, IntArray]:
        """Add up the values, less the reference's middle value each, with the sign of their cells.

        Gives also the places of the values in cells without a sign.
        """
        room = np.empty((2, min(self.length, BLOCK)))
        total, found = 0.0, []
        for block in blocks(self.length):
            signs, values = room[:, : block.stop - block.start]
            np.take(sign, self.placed[block], out=signs, mode="clip")
            found.append(np.flatnonzero(signs == 0.0) + block.start)
            np.subtract(self.values[block], self.grid.middle, out=values, dtype=np.float64)
            total += float(np.einsum("i,i->", signs, values))  # in one pass, and never in threads
        return total, _joined(found)

    def places_in(self, wanted: IntArray) -> IntArray:
        """Give the places of the values in the wanted cells."""
        first, last = int(wanted[0]), int(wanted[-1])
        flags = np.zeros(self.grid.cells, np.bool_)
        flags[wanted] = True
        is_narrow = self.before[last + 1] - self.before[first] < self.length // NARROW
        found = []
        for block in blocks(self.length):
            cells = self.placed[block]
            if is_narrow:  # comparing is cheaper than looking up
                near = np.flatnonzero((cells >= first) & (cells <= last))
                found.append(near[flags[cells[near]]] + block.start)
            else:
                found.append(np.flatnonzero(flags.take(cells, mode="clip")) + block.start)
        return _joined(found)

    def at(self, places: IntArray) -> tuple[FloatArray, Cells]:
        """Give the values at some places, and their cells."""
        return self.values[places].astype(np.float64, copy=False), self.placed[places]

    def inside(self, wanted: IntArray, current: FloatArray) -> Inside:
        """Gather both samples in the wanted cells, of which `current` are the current's values."""
        own, sizes = self.counts[wanted], self.grid.count_in(wanted)
        own_gap = self.before[wanted] - ends_of(own)[:-1]
        gap = self.grid.before[wanted] - ends_of(sizes)[:-1]
        places = np.arange(int(sizes.sum())) + np.repeat(gap, sizes)
        return Inside(np.sort(current), own, own_gap, self.grid.sorted[places], sizes, gap)


def _joined(parts: list[IntArray]) -> IntArray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
