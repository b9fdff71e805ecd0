"""A current sample on the grid of a reference: what every statistic of whole distributions starts from."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from poet.runtime._grid import BLOCK, Cells, FloatArray, Grid, IntArray, blocks, ends_of, placed_by

__all__ = ["Gridded", "Inside"]

NARROW = 4  # cells from the first to the last of some hold less than this part of a sample


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
