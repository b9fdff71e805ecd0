"""Changes of one property: location, scale, or mean absolute difference of successive values."""

from typing import Final

import numpy as np

from poet_runtime.drift.statistics.baseline import BEYOND, FloatArray, Rows, in_units, mean_step, row_sums

VANISHED: Final = 1e-6  # lower bound on the ratio of standard deviations


def mean_shift(rows: Rows) -> FloatArray:
    """Compute the distance of the means, in standard deviations of the reference.

    >>> import numpy as np
    >>> from poet_runtime.drift.statistics import mean_shift
    >>> from poet_runtime.drift.statistics.baseline import Baseline, Rows
    >>> mean_shift(Rows(np.array([[2.0, 6.0]]), Baseline(np.array([1.0, 3.0])))).tolist()
    [2.0]
    """
    return in_units(np.abs(rows.mean - rows.baseline.mean), rows.baseline.sd)


def median_shift(rows: Rows) -> FloatArray:
    """Compute the distance of the medians, in standard deviations of the reference."""
    return in_units(np.abs(rows.median - rows.baseline.median), rows.baseline.sd)


def scale_shift(rows: Rows) -> FloatArray:
    """Compute the absolute logarithm of the ratio of standard deviations; NaN for a single value."""
    sd = rows.baseline.sd
    if rows.length < 2:
        return np.full(len(rows.values), np.nan)
    if not sd:
        return in_units(rows.sd, sd)
    return np.abs(np.log(np.maximum(rows.sd / sd, VANISHED)))


def mean_absolute_difference(rows: Rows) -> FloatArray:
    """Compute the increase of the mean absolute difference, in standard deviations of the reference.

    The statistic is 0 if there is no increase, because other distances detect a decrease. Differences follow
    the order of the rows, so this is the only statistic that depends on the order. NaN for a single value.
    """
    if rows.length < 2:
        return np.full(len(rows.values), np.nan)
    steps = np.array([mean_step(row) for row in rows.given])
    return in_units(steps - rows.baseline.mean_absolute_difference, rows.baseline.sd)


def mann_whitney(rows: Rows) -> FloatArray:
    """Compute the absolute rank-biserial correlation |2 U / (n m) - 1|, from 0 (equal) to 1 (no overlap)."""
    u = row_sums((rows.at_most + rows.below) / 2)
    return np.abs(2 * u / (rows.length * rows.baseline.n) - 1)


def levene(rows: Rows) -> FloatArray:
    """Compute the F statistic of the distances from the medians (Brown & Forsythe 1974)."""
    z, z0 = np.abs(rows.values - rows.median[:, None]), rows.baseline.absolute_deviations
    m, n = rows.length, rows.baseline.n
    centre = (z.sum(axis=1) + z0.sum()) / (m + n)
    between = m * np.square(z.mean(axis=1) - centre) + n * np.square(z0.mean() - centre)
    within = np.square(z - z.mean(axis=1)[:, None]).sum(axis=1) + np.square(z0 - z0.mean()).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        f = (m + n - 2) * between / within
    return np.where(between > 0, np.minimum(f, BEYOND), 0.0)
