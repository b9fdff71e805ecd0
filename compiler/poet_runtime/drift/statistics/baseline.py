"""A prepared reference as the statistics see it, and rows of values to hold against it.

Everything a statistic needs of the reference is computed once and kept; threads may race to fill a cached
value, but only with the same value.

Division by a unit that may be nothing.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from poet_runtime.drift.statistics.grid import BLOCK, Grid, Gridded, blocks, cells_for

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LONG: Final = 3000  # values: from here on a sort costs more than what does without one
BINS: Final = 10


@dataclass(frozen=True, eq=False)
class Counts:
    """How often each category or bin occurs: `current` by row, `reference` once; same columns."""

    current: FloatArray
    reference: FloatArray


@dataclass(frozen=True, eq=False)
class Baseline:
    """Numeric values in their order, at least one, all finite.

    `floor` is the smallest standard deviation that is more than the rounding of a preparation.
    """

    values: FloatArray
    floor: float = 0.0
    _grids: dict[int, Grid] = field(default_factory=dict, init=False, repr=False)

    @property
    def n(self) -> int:
        """How many values there are."""
        return len(self.values)

    @cached_property
    def order(self) -> IntArray:
        """Positions of the values in increasing order."""
        return np.argsort(self.values, kind="stable")

    @cached_property
    def sorted(self) -> FloatArray:
        """The values in increasing order."""
        return np.sort(self.values)

    def grid(self, length: int) -> Grid:
        """Give cells that suit a current sample of some length, with the values in them."""
        cells = cells_for(length)
        if cells not in self._grids:
            self._grids[cells] = Grid.over(self.sorted, cells)
        return self._grids[cells]

    @cached_property
    def rank(self) -> IntArray:
        """Place of each value in `sorted`."""
        rank = np.empty(self.n, np.int64)
        rank[self.order] = np.arange(self.n)
        return rank

    @cached_property
    def tie_end(self) -> IntArray:
        """How many values are at most `sorted[i]`."""
        return np.searchsorted(self.sorted, self.sorted, side="right")

    @cached_property
    def tie_start(self) -> IntArray:
        """How many values are below `sorted[i]`."""
        return np.searchsorted(self.sorted, self.sorted, side="left")

    @cached_property
    def is_constant(self) -> bool:
        """Whether all values are the same."""
        return bool(self.sorted[0] == self.sorted[-1])

    @cached_property
    def mean(self) -> float:
        """Arithmetic mean, kept between the extremes: rounding must not move a constant."""
        return float(np.clip(self.values.mean(), self.sorted[0], self.sorted[-1]))

    @cached_property
    def sd(self) -> float:
        """Population standard deviation; 0 for a constant or for mere rounding."""
        sd = 0.0 if self.is_constant else float(self.values.std())
        return sd if sd > self.floor else 0.0

    @cached_property
    def median(self) -> float:
        """Middle value, or the mean of the middle two."""
        return float((self.sorted[(self.n - 1) // 2] + self.sorted[self.n // 2]) / 2)

    @cached_property
    def absolute_deviations(self) -> FloatArray:
        """Distance of each value from the median."""
        return np.abs(self.values - self.median)

    @cached_property
    def mad(self) -> float:
        """Median distance from the median."""
        return float(np.median(self.absolute_deviations))

    @cached_property
    def roughness(self) -> float:
        """Mean absolute step from value to value, in the values' own unit; 0 for a single value."""
        return mean_step(self.values) if self.n > 1 else 0.0

    @cached_property
    def sums_from_median(self) -> FloatArray:
        """Sum of the k smallest distances from the median, signed, for k = 0 … n."""
        return np.concatenate(([0.0], np.cumsum(self.sorted - self.median)))

    @cached_property
    def edges(self) -> FloatArray:
        """Upper edges of about ten bins of equal share; a value that fills a bin gets one of its own."""
        at = (np.arange(1, BINS) * self.n - 1) // BINS
        quantiles = self.sorted[np.clip(at, 0, self.n - 1)]
        heavy = quantiles[1:][quantiles[1:] == quantiles[:-1]] if not self.is_constant else quantiles[:1]
        return np.unique(np.concatenate((quantiles, np.nextafter(heavy, -np.inf))))

    @cached_property
    def bin_counts(self) -> FloatArray:
        """How many values fall in each bin."""
        return counts_between(self.sorted, self.edges)


def mean_step(values: npt.NDArray[Any]) -> float:
    """Give the mean absolute step from value to value, a block that fits the cache at a time."""
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
    """Count values in the same bins in any order, a block that fits the cache at a time."""
    at_most = np.zeros(len(edges), np.int64)
    flags = np.empty(min(len(values), BLOCK), np.bool_)
    for block in blocks(len(values)):
        here, small = values[block].astype(np.float64, copy=False), flags[: block.stop - block.start]
        for place, edge in enumerate(edges):
            at_most[place] += np.count_nonzero(np.less_equal(here, edge, out=small))
    return np.diff(np.concatenate(([0], at_most, [len(values)]))).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Rows:
    """Samples of one length, one a row, against a baseline. A current sample is a single row."""

    given: npt.NDArray[Any]  # one row a sample, in their order; numbers of any type
    baseline: Baseline

    @property
    def length(self) -> int:
        """Values in a row."""
        return int(self.given.shape[1])

    @cached_property
    def values(self) -> FloatArray:
        """The rows in double precision, in which all is computed."""
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
        """The least value of each row."""
        return np.asarray(self.given.min(axis=1), np.float64)

    @cached_property
    def high(self) -> FloatArray:
        """The largest value of each row."""
        return np.asarray(self.given.max(axis=1), np.float64)

    @cached_property
    def at_most(self) -> IntArray:
        """How many values of the baseline are at most each value of `sorted`."""
        return np.searchsorted(self.baseline.sorted, self.sorted, side="right")

    @cached_property
    def below(self) -> IntArray:
        """How many values of the baseline are below each value of `sorted`."""
        base, last = self.baseline, self.at_most - 1
        is_tied = (
            base.sorted[last] == self.sorted
        )  # where nothing is at most the value, the largest is not it
        return np.where(is_tied, base.tie_start[last], self.at_most) if is_tied.any() else self.at_most

    @cached_property
    def mean(self) -> FloatArray:
        """Arithmetic mean of each row, kept between its extremes."""
        mean: FloatArray = np.clip(self.values.mean(axis=1), self.low, self.high)
        return mean

    @cached_property
    def median(self) -> FloatArray:
        """Median of each row."""
        middle = [(self.length - 1) // 2, self.length // 2]
        return np.asarray(self._ordered_at(middle)[:, middle].astype(np.float64).mean(axis=1), np.float64)

    def _ordered_at(self, places: list[int]) -> npt.NDArray[Any]:
        """Give the rows with the values at these places where a sort would put them."""
        return self.sorted if "sorted" in self.__dict__ else np.partition(self.given, places, axis=1)

    @cached_property
    def sd(self) -> FloatArray:
        """Population standard deviation of each row; 0 for a constant one."""
        return np.where(self.low == self.high, 0.0, self.values.std(axis=1))

    @cached_property
    def counts(self) -> Counts:
        """Each row over the bins of the baseline."""
        rows = self._counts_sorted() if self.length < LONG else self._counts_compared()
        return Counts(rows, self.baseline.bin_counts)

    def _counts_sorted(self) -> FloatArray:
        return np.array([counts_between(row, self.baseline.edges) for row in self.sorted])

    def _counts_compared(self) -> FloatArray:
        return np.array([counts_compared(row, self.baseline.edges) for row in self.given])


@dataclass(frozen=True, eq=False)
class Windows(Rows):
    """Windows of the baseline itself: their ranks are known, so nothing is searched."""

    positions: IntArray  # of each value in the baseline's order

    @cached_property
    def places(self) -> IntArray:
        """Places of each row's values in the sorted baseline, in increasing order."""
        return np.sort(self.baseline.rank[self.positions], axis=1)

    @cached_property
    def sorted(self) -> FloatArray:
        """Each row in increasing order."""
        return self.baseline.sorted[self.places]

    def _ordered_at(self, places: list[int]) -> npt.NDArray[Any]:  # noqa: ARG002 -- all are, at no cost
        return self.sorted

    def _counts_compared(self) -> FloatArray:
        return self._counts_sorted()

    @cached_property
    def at_most(self) -> IntArray:
        """How many values of the baseline are at most each value of `sorted`."""
        return self.baseline.tie_end[self.places]

    @cached_property
    def below(self) -> IntArray:
        """How many values of the baseline are below each value of `sorted`."""
        return self.baseline.tie_start[self.places]


BEYOND: Final = (
    1e9  # what any distance from a constant reference counts as; finite, so that records can hold it
)


def in_units(distance: FloatArray, unit: float) -> FloatArray:
    """Give non-negative distances in units, at most `BEYOND`; of a unit 0, any distance at all is beyond."""
    distance = np.maximum(distance, 0.0)
    if unit > 0:
        return np.minimum(distance / unit, BEYOND)
    return np.where(distance > 0, BEYOND, 0.0)


def row_sums(values: FloatArray) -> FloatArray:
    """Add up each row."""
    return np.asarray(values.sum(axis=1), np.float64)
