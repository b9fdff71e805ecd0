"""Distances between two whole distributions, exact: from ranks, or for long samples on a grid."""

import numpy as np

from poet.runtime._baseline import LONG, FloatArray, Rows
from poet.runtime.statistics._on_grid import area_on_grid, ks_on_grid
from poet.runtime.statistics._units import in_units

__all__ = ["ks", "wasserstein"]


def ks(rows: Rows) -> FloatArray:
    """Give the largest distance between the two distribution functions, 0 … 1 (Smirnov 1939)."""
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
    """Give the area between the two distribution functions, in standard deviations of the reference."""
    if rows.length >= LONG:
        return in_units(np.array([area_on_grid(row) for row in rows.gridded]), rows.baseline.sd)
    return in_units(_area_of_ranks(rows), rows.baseline.sd)


def _area_of_ranks(rows: Rows) -> FloatArray:
    """Give the area in the values' unit.

    Between two neighbours of the current sample its distribution function is the constant i/m, and the
    reference's crosses that level at its i/m quantile; the area on either side of the crossing comes from
    sums over the sorted reference, so the cost is m log n and not n + m.
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
    after = area[:, -1] - (x[:, -1] - sums[n] / n)  # beyond the last value the current's function is 1
    total: FloatArray = area[:, 0] + between.sum(axis=1) + after
    return total
