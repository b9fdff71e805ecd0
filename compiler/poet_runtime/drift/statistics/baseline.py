"""Prepared references (`Baseline`) and the samples that statistics compare with them (`Rows`).

Everything that a statistic needs from the reference is computed once and cached. Threads may race to fill a
cached value, but all of them compute the same value.

`in_units` divides distances by a unit that may be zero.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from poet_runtime.drift.statistics.grid import BLOCK, Grid, Gridded, blocks, cells_for

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LONG: Final = 3000  # values; above this, sorting costs more than the methods that avoid it
BINS: Final = 10


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts of each category or bin, one row per current sample; `reference` has the same columns."""

    current: FloatArray
    reference: FloatArray


@dataclass(frozen=True, eq=False)
class Baseline:
    """Numeric values in their original order, at least one, all finite.

    `floor` is the largest standard deviation that counts as rounding error of a preparation.
    """

    values: FloatArray
    floor: float = 0.0
    _grids: dict[int, Grid] = field(default_factory=dict, init=False, repr=False)

    @property
    def n(self) -> int:
        """The number of values."""
        return len(self.values)

    @cached_property
    def order(self) -> IntArray:
        """The positions of the values in increasing order."""
        return np.argsort(self.values, kind="stable")

    @cached_property
    def sorted(self) -> FloatArray:
        """The values in increasing order."""
        return np.sort(self.values)

    def grid(self, length: int) -> Grid:
        """Return a grid of the values with a suitable number of cells for a current sample of this length."""
        cells = cells_for(length)
        if cells not in self._grids:
            self._grids[cells] = Grid.over(self.sorted, cells)
        return self._grids[cells]

    @cached_property
    def rank(self) -> IntArray:
        """The place of each value in `sorted`."""
        rank = np.empty(self.n, np.int64)
        rank[self.order] = np.arange(self.n)
        return rank

    @cached_property
    def tie_end(self) -> IntArray:
        """The number of values that are at most `sorted[i]`."""
        return np.searchsorted(self.sorted, self.sorted, side="right")

    @cached_property
    def tie_start(self) -> IntArray:
        """The number of values below `sorted[i]`."""
        return np.searchsorted(self.sorted, self.sorted, side="left")

    @cached_property
    def is_constant(self) -> bool:
        """Whether all values are the same."""
        return bool(self.sorted[0] == self.sorted[-1])

    @cached_property
    def mean(self) -> float:
        """The arithmetic mean, clipped to the extremes so that rounding does not shift a constant."""
        return float(np.clip(self.values.mean(), self.sorted[0], self.sorted[-1]))

    @cached_property
    def sd(self) -> float:
        """The population standard deviation; 0 for a constant or if it is only rounding error."""
        sd = 0.0 if self.is_constant else float(self.values.std())
        return sd if sd > self.floor else 0.0

    @cached_property
    def median(self) -> float:
        """The median."""
        return float((self.sorted[(self.n - 1) // 2] + self.sorted[self.n // 2]) / 2)

    @cached_property
    def absolute_deviations(self) -> FloatArray:
        """The distance of each value from the median."""
        return np.abs(self.values - self.median)

    @cached_property
    def mean_absolute_difference(self) -> float:
        """The mean absolute difference of successive values, in their unit; 0 for a single value."""
        return mean_step(self.values) if self.n > 1 else 0.0

    @cached_property
    def sums_from_median(self) -> FloatArray:
        """The sums of the signed distances of the k smallest values from the median, for k = 0 … n."""
        return np.concatenate(([0.0], np.cumsum(self.sorted - self.median)))

    @cached_property
    def edges(self) -> FloatArray:
        """The upper edges of about ten bins of equal share. A value that fills a bin gets its own bin."""
        at = (np.arange(1, BINS) * self.n - 1) // BINS
        quantiles = self.sorted[np.clip(at, 0, self.n - 1)]
        heavy = quantiles[1:][quantiles[1:] == quantiles[:-1]] if not self.is_constant else quantiles[:1]
        return np.unique(np.concatenate((quantiles, np.nextafter(heavy, -np.inf))))

    @cached_property
    def bin_counts(self) -> FloatArray:
        """The number of values in each bin."""
        return counts_between(self.sorted, self.edges)


def mean_step(values: npt.NDArray[Any]) -> float:
    """Return the mean absolute difference of successive values, computed in blocks that fit the CPU cache."""
    total = 0.0
    for block in blocks(len(values) - 1):
        steps = np.subtract(values[block.start + 1 : block.stop + 1], values[block], dtype=np.float64)
        total += float(np.abs(steps, out=steps).sum())
    return total / (len(values) - 1)


def counts_between(ordered: FloatArray, edges: FloatArray) -> FloatArray:
    """Count sorted values in the bins (-inf, e0], (e0, e1], …, (ek, inf)."""
    below = np.searchsorted(ordered, edges, side="right")
    return np.diff(np.concatenate(([0], below, [len(ordered)]))).astype(np.float64)


def counts_compared(values: npt.NDArray[Any], edges: FloatArray) -> FloatArray:
    """Count values in any order in the same bins, in blocks that fit the CPU cache."""
    at_most = np.zeros(len(edges), np.int64)
    flags = np.empty(min(len(values), BLOCK), np.bool_)
    for block in blocks(len(values)):
        here, small = values[block].astype(np.float64, copy=False), flags[: block.stop - block.start]
        for place, edge in enumerate(edges):
            at_most[place] += np.count_nonzero(np.less_equal(here, edge, out=small))
    return np.diff(np.concatenate(([0], at_most, [len(values)]))).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Rows:
    """Samples of equal length, one per row, and their baseline. A current sample is a single row."""

    given: npt.NDArray[Any]  # one row per sample, in their order; numbers of any type
    baseline: Baseline

    @property
    def length(self) -> int:
        """The number of values in a row."""
        return int(self.given.shape[1])

    @cached_property
    def values(self) -> FloatArray:
        """The rows in double precision, which all computations use."""
        return self.given.astype(np.float64, copy=False)

    @cached_property
    def sorted(self) -> FloatArray:
        """Each row in increasing order."""
        return np.sort(self.given, axis=1).astype(np.float64, copy=False)

    @cached_property
    def gridded(self) -> tuple[Gridded, ...]:
        """Each row on the grid of the baseline."""
        grid = self.baseline.grid(self.length)
        return tuple(Gridded.of(row, grid) for row in self.given)

    @cached_property
    def low(self) -> FloatArray:
        """The minimum of each row."""
        return np.asarray(self.given.min(axis=1), np.float64)

    @cached_property
    def high(self) -> FloatArray:
        """The maximum of each row."""
        return np.asarray(self.given.max(axis=1), np.float64)

    @cached_property
    def at_most(self) -> IntArray:
        """The number of values of the baseline that are at most each value of `sorted`."""
        return np.searchsorted(self.baseline.sorted, self.sorted, side="right")

    @cached_property
    def below(self) -> IntArray:
        """The number of values of the baseline that are below each value of `sorted`."""
        base, last = self.baseline, self.at_most - 1
        is_tied = (
            base.sorted[last] == self.sorted
        )  # index -1, if nothing is at most the value, is the maximum, which is not tied
        return np.where(is_tied, base.tie_start[last], self.at_most) if is_tied.any() else self.at_most

    @cached_property
    def mean(self) -> FloatArray:
        """The arithmetic mean of each row, clipped to its extremes."""
        mean: FloatArray = np.clip(self.values.mean(axis=1), self.low, self.high)
        return mean

    @cached_property
    def median(self) -> FloatArray:
        """The median of each row."""
        middle = [(self.length - 1) // 2, self.length // 2]
        return np.asarray(self._ordered_at(middle)[:, middle].astype(np.float64).mean(axis=1), np.float64)

    def _ordered_at(self, places: list[int]) -> npt.NDArray[Any]:
        """Return the rows partitioned so that these places have the values that sorting would put there."""
        return self.sorted if "sorted" in self.__dict__ else np.partition(self.given, places, axis=1)

    @cached_property
    def sd(self) -> FloatArray:
        """The population standard deviation of each row; 0 for a constant row."""
        return np.where(self.low == self.high, 0.0, self.values.std(axis=1))

    @cached_property
    def counts(self) -> Counts:
        """The counts of each row in the bins of the baseline."""
        rows = self._counts_sorted() if self.length < LONG else self._counts_compared()
        return Counts(rows, self.baseline.bin_counts)

    def _counts_sorted(self) -> FloatArray:
        return np.array([counts_between(row, self.baseline.edges) for row in self.sorted])

    def _counts_compared(self) -> FloatArray:
        return np.array([counts_compared(row, self.baseline.edges) for row in self.given])


@dataclass(frozen=True, eq=False)
class Windows(Rows):
    """Windows of the baseline itself, whose ranks are known without a search."""

    positions: IntArray  # of each value in the baseline's order

    @cached_property
    def places(self) -> IntArray:
        """The places of each row's values in the sorted baseline, in increasing order."""
        return np.sort(self.baseline.rank[self.positions], axis=1)

    @cached_property
    def sorted(self) -> FloatArray:
        """Each row in increasing order."""
        return self.baseline.sorted[self.places]

    def _ordered_at(self, places: list[int]) -> npt.NDArray[Any]:  # noqa: ARG002 -- sorting is free here
        return self.sorted

    def _counts_compared(self) -> FloatArray:
        return self._counts_sorted()

    @cached_property
    def at_most(self) -> IntArray:
        """The number of values of the baseline that are at most each value of `sorted`."""
        return self.baseline.tie_end[self.places]

    @cached_property
    def below(self) -> IntArray:
        """The number of values of the baseline that are below each value of `sorted`."""
        return self.baseline.tie_start[self.places]


BEYOND: Final = 1e9  # stands for any distance from a constant reference; finite, so that it can be recorded


def in_units(distance: FloatArray, unit: float) -> FloatArray:
    """Return non-negative distances in units, at most `BEYOND`, which any distance is if the unit is 0."""
    distance = np.maximum(distance, 0.0)
    if unit > 0:
        return np.minimum(distance / unit, BEYOND)
    return np.where(distance > 0, BEYOND, 0.0)


def row_sums(values: FloatArray) -> FloatArray:
    """Return the sum of each row."""
    return np.asarray(values.sum(axis=1), np.float64)
