"""Distances between two whole distributions, exact, from the ranks of one sample in the other."""

import numpy as np

from poet.runtime._baseline import FloatArray, Rows
from poet.runtime.statistics._units import in_units

__all__ = ["anderson_darling", "cramer_von_mises", "ks", "wasserstein"]


def ks(rows: Rows) -> FloatArray:
    """Give the largest distance between the two distribution functions, 0 … 1 (Smirnov 1939)."""
    m, n = rows.length, rows.baseline.n
    place = np.arange(m)
    over = ((place + 1) / m - rows.at_most / n).max(axis=1)
    under = (rows.below / n - place / m).max(axis=1)
    return np.maximum(over, under)


def wasserstein(rows: Rows) -> FloatArray:
    """Give the area between the two distribution functions, in standard deviations of the reference.

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
    return in_units(area[:, 0] + between.sum(axis=1) + after, base.sd)


def cramer_von_mises(rows: Rows) -> FloatArray:
    """Give the two-sample T of Anderson (1962), ties at their average rank."""
    return np.array([_cramer_von_mises(row, rows.baseline.sorted) for row in rows.sorted])


def _cramer_von_mises(x: FloatArray, y: FloatArray) -> float:
    m, n = len(x), len(y)
    u = m * _rank_excess(x, y) + n * _rank_excess(y, x)
    return u / (m * n * (m + n)) - (4 * m * n - 1) / (6 * (m + n))


def _rank_excess(x: FloatArray, y: FloatArray) -> float:
    """Sum the squares of (pooled average rank - own place) over sorted `x`."""
    bounds = [np.searchsorted(z, x, side=side) for z in (x, y) for side in ("left", "right")]
    rank = (sum(bounds) + 1) / 2
    return float(np.square(rank - np.arange(1, len(x) + 1)).sum())


def anderson_darling(rows: Rows) -> FloatArray:
    """Give the standardised two-sample statistic with midranks (Scholz & Stephens 1987, equation 7)."""
    return np.array([_anderson_darling(row, rows.baseline.sorted) for row in rows.sorted])


def _anderson_darling(x: FloatArray, y: FloatArray) -> float:
    pooled = np.sort(np.concatenate((x, y)), kind="stable")
    total = len(pooled)
    first = np.flatnonzero(np.concatenate(([True], pooled[1:] != pooled[:-1])))
    if len(first) < 2 or total < 4:
        return np.nan  # nothing varies, or too little for the variance
    ties = np.diff(np.append(first, total))
    below = first + ties / 2
    scale = below * (total - below) - total * ties / 4
    a2 = 0.0
    for z in (x, y):
        left = np.searchsorted(z, pooled[first], side="left")
        right = np.searchsorted(z, pooled[first], side="right")
        a2 += float((ties * np.square(total * (left + right) / 2 - below * len(z)) / scale).sum()) / len(z)
    a2 *= (total - 1) / total**2
    return (a2 - 1) / _anderson_darling_sd(len(x), len(y))


def _anderson_darling_sd(m: int, n: int) -> float:
    total, k = m + n, 2
    sizes = 1 / m + 1 / n
    inverse = 1 / np.arange(total - 1, 1, -1)
    harmonic = inverse.cumsum()
    h = harmonic[-1] + 1
    g = float((harmonic / np.arange(2, total)).sum())
    a = (4 * g - 6) * (k - 1) + (10 - 6 * g) * sizes
    b = (2 * g - 4) * k**2 + 8 * h * k + (2 * g - 14 * h - 4) * sizes - 8 * h + 4 * g - 6
    c = (6 * h + 2 * g - 2) * k**2 + (4 * h - 4 * g + 6) * k + (2 * h - 6) * sizes + 4 * h
    d = (2 * h + 6) * k**2 - 4 * h * k
    variance = (a * total**3 + b * total**2 + c * total + d) / ((total - 1.0) * (total - 2.0) * (total - 3.0))
    return float(np.sqrt(variance))
