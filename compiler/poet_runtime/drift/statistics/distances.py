"""Exact distances between two distributions: from ranks, or for long samples on a grid.

On a grid, the distances of long samples are computed exactly without sorting them, because most cells do not
have to be examined.

At the edges between cells both distribution functions are known. Within a cell they only increase, so their
difference is bounded by the value of one function at the cell's end and of the other at its start. Only cells
for which these bounds are not sufficient are examined. Their values, a few percent of all, are sorted.
"""

import numpy as np

from poet_runtime.drift.statistics.baseline import LONG, FloatArray, Rows, in_units
from poet_runtime.drift.statistics.grid import Cells, Gridded, IntArray, ends_of


def ks_on_grid(sample: Gridded) -> float:
    """Return the largest distance between the distribution functions, equal to the result from ranks."""
    grid = sample.grid
    current, reference = sample.share_before, grid.share_before
    largest = float(np.abs(current - reference).max())
    possible = np.maximum(current[1:] - reference[:-1], reference[1:] - current[:-1])
    wanted = np.flatnonzero(possible > largest)
    wanted = wanted[(sample.counts[wanted] > 0) & (grid.count_in(wanted) > 0)]
    if not len(wanted):
        return largest
    values, cells = sample.at(sample.places_in(wanted))
    single = grid.has_one_value[wanted]
    if single.any():
        largest = max(largest, _ks_at_single_values(sample, wanted[single], values, cells))
        wanted = wanted[~single & (possible[wanted] > largest)]
        values = values[np.isin(cells, wanted)] if len(wanted) else values
    return max(largest, _ks_inside(sample, wanted, values)) if len(wanted) else largest


def _ks_at_single_values(sample: Gridded, wanted: IntArray, values: FloatArray, cells: Cells) -> float:
    """Return the largest distance below and at the value of cells in which the reference has one value."""
    grid = sample.grid
    there = _first_by_cell(sample, wanted).take(cells)
    smaller = np.bincount(cells[values < there], minlength=grid.cells)[wanted]
    larger = np.bincount(cells[values > there], minlength=grid.cells)[wanted]
    below = (sample.before[wanted] + smaller) / sample.length - grid.share_before[wanted]
    at = (sample.before[wanted + 1] - larger) / sample.length - grid.share_before[wanted + 1]
    return float(max(below.max(), np.abs(at).max()))


def _first_by_cell(sample: Gridded, wanted: IntArray) -> FloatArray:
    """Return the reference's minimum in each of the wanted cells, and NaN for the others."""
    first = np.full(sample.grid.cells, np.nan)
    first[wanted] = sample.grid.first_in(wanted)
    return first


def _ks_inside(sample: Gridded, wanted: IntArray, values: FloatArray) -> float:
    """Return the largest distance at any value in the wanted cells, as for whole samples."""
    own, ordered = sample.counts[wanted], sample.grid.sorted
    m, n = sample.length, len(ordered)
    values = np.sort(values)
    place = np.arange(len(values)) + np.repeat(sample.before[wanted] - ends_of(own)[:-1], own)
    at_most = np.searchsorted(ordered, values, side="right")
    is_tied = ordered[at_most - 1] == values  # index -1 is the maximum, which is not tied
    below = np.searchsorted(ordered, values, side="left") if is_tied.any() else at_most
    return float(max(((place + 1) / m - at_most / n).max(), (below / n - place / m).max()))


def area_on_grid(sample: Gridded) -> float:
    """Return the area between the distribution functions, in the unit of the values.

    With D the difference just before and D' just after a value z of either sample, the area is the sum of
    z (|D| - |D'|), by summation by parts. Where D keeps its sign, a term is z over the sample's size with
    either sign, so sums by cell are sufficient. Only cells in which the sign may change are examined.
    """
    grid = sample.grid
    current, reference = sample.share_before, grid.share_before
    ahead = current[:-1] >= reference[1:]  # the current's function is above in the whole cell
    sign = np.subtract(ahead, current[1:] <= reference[:-1], dtype=np.float64)
    signed, places = sample.signed_sum(sign)
    area = float((sign * grid.sums).sum()) / len(grid.sorted) - signed / sample.length
    wanted = np.flatnonzero((sign == 0.0) & ((sample.counts > 0) | (np.diff(grid.before) > 0)))
    if len(wanted):
        area += _area_within(sample, wanted, places)
    return max(area, 0.0)


def _area_within(sample: Gridded, wanted: IntArray, places: IntArray) -> float:
    """Return the contribution of the wanted cells to the area, in one step for cells with a single value."""
    grid = sample.grid
    values, cells = sample.at(places)
    single = grid.has_one_value[wanted]
    if not single.any():
        return _area_inside(sample, wanted, values)
    mixed = np.zeros(grid.cells, np.bool_)
    mixed[wanted[~single]] = True
    mixed[cells[values != _first_by_cell(sample, wanted).take(cells)]] = True
    single = ~mixed[wanted]
    at = wanted[single]
    before, after = (np.abs(sample.share_before[k] - grid.share_before[k]) for k in (at, at + 1))
    area = float(((before - after) * (grid.first_in(at) - grid.middle)).sum())
    return area + _area_inside(sample, wanted[~single], values[mixed[cells]])


def _area_inside(sample: Gridded, wanted: IntArray, values: FloatArray) -> float:
    """Sum z (|D| - |D'|) over all values in the wanted cells; of equal values the current's come first."""
    inside = sample.inside(wanted, values)
    m, n = sample.length, len(sample.grid.sorted)
    smaller = np.searchsorted(inside.reference, inside.current)
    place = np.arange(1, len(values) + 1) + np.repeat(inside.current_gap, inside.current_sizes)
    apart = place / m - (smaller + np.repeat(inside.reference_gap, inside.current_sizes)) / n
    area = ((np.abs(apart - 1 / m) - np.abs(apart)) * (inside.current - sample.grid.middle)).sum()
    at_most = np.cumsum(np.bincount(smaller, minlength=len(inside.reference) + 1))[:-1]
    place = np.arange(1, len(at_most) + 1) + np.repeat(inside.reference_gap, inside.reference_sizes)
    apart = (at_most + np.repeat(inside.current_gap, inside.reference_sizes)) / m - place / n
    area += ((np.abs(apart + 1 / n) - np.abs(apart)) * (inside.reference - sample.grid.middle)).sum()
    return float(area)


def ks(rows: Rows) -> FloatArray:
    """Compute the largest distance between the two distribution functions, 0 … 1 (Smirnov 1939).

    >>> import numpy as np
    >>> from poet_runtime.drift.statistics import ks
    >>> from poet_runtime.drift.statistics.baseline import Baseline, Rows
    >>> ks(Rows(np.array([[3.0, 4.0]]), Baseline(np.array([1.0, 2.0, 3.0, 4.0])))).tolist()
    [0.5]
    """
    if rows.length >= LONG:
        return np.array([ks_on_grid(row) for row in rows.gridded])
    return _ks_of_ranks(rows)


def _ks_of_ranks(rows: Rows) -> FloatArray:
    m, n = rows.length, rows.baseline.n
    place = np.arange(m)
    over: FloatArray = ((place + 1) / m - rows.at_most / n).max(axis=1)
    under: FloatArray = (rows.below / n - place / m).max(axis=1)
    return np.maximum(over, under)


def wasserstein(rows: Rows) -> FloatArray:
    """Compute the area between the two distribution functions, in standard deviations of the reference.

    >>> import numpy as np
    >>> from poet_runtime.drift.statistics import wasserstein
    >>> from poet_runtime.drift.statistics.baseline import Baseline, Rows
    >>> wasserstein(Rows(np.array([[2.0, 4.0]]), Baseline(np.array([1.0, 3.0])))).tolist()
    [1.0]
    """
    if rows.length >= LONG:
        return in_units(np.array([area_on_grid(row) for row in rows.gridded]), rows.baseline.sd)
    return in_units(_area_of_ranks(rows), rows.baseline.sd)


def _area_of_ranks(rows: Rows) -> FloatArray:
    """Compute the area in the unit of the values.

    Between two neighboring values of the current sample its distribution function is the constant i/m, and
    the reference's crosses that level at its i/m quantile. The area on either side of the crossing follows
    from sums over the sorted reference, so the cost is m log n and not n + m.
    """
    base, m = rows.baseline, rows.length
    n, sums = base.n, base.sums_from_median
    x = rows.sorted - base.median
    area = (x * rows.at_most - sums[rows.at_most]) / n  # under the reference's function, up to x
    level = np.arange(1, m) / m
    crossing = np.arange(1, m) * n // m
    at = base.sorted[crossing] - base.median
    left, right = x[:, :-1], x[:, 1:]
    at_area = (at * crossing - sums[crossing]) / n
    under = np.where(at <= left, area[:, :-1], np.where(at >= right, area[:, 1:], at_area))
    at = np.clip(at, left, right)
    between = level * (2 * at - left - right) - 2 * under + area[:, :-1] + area[:, 1:]
    after = area[:, -1] - (x[:, -1] - sums[n] / n)  # the current's function is 1 beyond its last value
    total: FloatArray = area[:, 0] + between.sum(axis=1) + after
    return total
