"""Statistics of the ranks in the pooled sample, from one merge per row; equal values share their rank.

`merge` returns the groups of equal values in two sorted samples, with the counts of each sample.
"""

from typing import NamedTuple

import numpy as np

from poet_runtime.drift.statistics.baseline import FloatArray, IntArray, Rows


class Ties(NamedTuple):
    """Groups of equal values in increasing order, with the counts of smaller values and the group sizes."""

    x_below: IntArray
    x_size: IntArray
    y_below: IntArray
    y_size: IntArray


def merge(x: FloatArray, y: FloatArray) -> Ties:
    """Return the groups of equal values in two sorted samples. A stable sort merges them in linear time."""
    pooled = np.concatenate((x, y))
    order = np.argsort(pooled, kind="stable")
    pooled = pooled[order]
    first = np.flatnonzero(np.concatenate(([True], pooled[1:] != pooled[:-1])))
    below = np.append(first, len(pooled))
    x_below = np.concatenate(([0], np.cumsum(order < len(x))))[below]
    y_below = below - x_below
    return Ties(x_below[:-1], np.diff(x_below), y_below[:-1], np.diff(y_below))


def cramer_von_mises(rows: Rows) -> FloatArray:
    """Compute the two-sample T of Anderson (1962), from the squared distance of the distribution functions.

    Equal values are one step of both functions, so that the statistic of identical samples is 0. Formulas
    that give each of them its own rank return a positive distance.
    """
    return np.array([_cramer_von_mises(merge(row, rows.baseline.sorted)) for row in rows.sorted])


def _cramer_von_mises(ties: Ties) -> float:
    m, n = int(ties.x_size.sum()), int(ties.y_size.sum())
    apart = (ties.x_below + ties.x_size) / m - (ties.y_below + ties.y_size) / n
    return m * n / (m + n) ** 2 * float(((ties.x_size + ties.y_size) * np.square(apart)).sum())


def anderson_darling(rows: Rows) -> FloatArray:
    """Compute the standardized two-sample statistic with midranks (Scholz & Stephens 1987, equation 7).

    NaN if all values are equal, or if there are fewer than four values in total.
    """
    return np.array([_anderson_darling(merge(row, rows.baseline.sorted)) for row in rows.sorted])


def _anderson_darling(ties: Ties) -> float:
    size = ties.x_size + ties.y_size
    total = int(size.sum())
    if len(size) < 2 or total < 4:
        return np.nan
    below = ties.x_below + ties.y_below + size / 2
    weight = size / (below * (total - below) - total * size / 4)
    a2 = 0.0
    for own_below, own_size in ((ties.x_below, ties.x_size), (ties.y_below, ties.y_size)):
        n = int(own_size.sum())
        a2 += float((weight * np.square(total * (own_below + own_size / 2) - below * n)).sum()) / n
    a2 *= (total - 1) / total**2
    return (a2 - 1) / _standard_deviation(int(ties.x_size.sum()), int(ties.y_size.sum()))


def _standard_deviation(m: int, n: int) -> float:
    """Return the standard deviation of the unstandardized statistic for k = 2 samples (their equation 4)."""
    total, k = float(m + n), 2
    sizes = 1 / m + 1 / n
    harmonic = (1 / np.arange(total - 1, 1, -1)).cumsum()
    h = float(harmonic[-1]) + 1
    g = float((harmonic / np.arange(2, total)).sum())
    a = (4 * g - 6) * (k - 1) + (10 - 6 * g) * sizes
    b = (2 * g - 4) * k**2 + 8 * h * k + (2 * g - 14 * h - 4) * sizes - 8 * h + 4 * g - 6
    c = (6 * h + 2 * g - 2) * k**2 + (4 * h - 4 * g + 6) * k + (2 * h - 6) * sizes + 4 * h
    d = (2 * h + 6) * k**2 - 4 * h * k
    variance = (a * total**3 + b * total**2 + c * total + d) / ((total - 1) * (total - 2) * (total - 3))
    return float(np.sqrt(variance))
