"""Novelty of a window: how far it is from its nearest neighbors among the windows of the reference.

A window is described by eleven numbers (`describe`): level, spread, steps, extremes, quantiles, slope and
halves. They are scaled by their spread over the windows of the reference, so nothing is fitted per series.
The novelty is the mean distance to the three nearest windows. It is compared with the same distance for the
windows of the reference, each against the windows that do not overlap it.

Nearest-neighbor distances as a measure of novelty: Breunig et al. 2000 (LOF), Yankov, Keogh and Rebbapragada
2008 (time series discords). Calibration by the reference's own windows: conformal prediction (Vovk et al.
2005).
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from poet_runtime.drift.statistics.baseline import Baseline, FloatArray, IntArray

NEIGHBORS: Final = 3
MOST_WINDOWS: Final = 400
STEPS_IN_A_WINDOW: Final = 4  # windows that share more than 3/4 of their values add little
SMALL: Final = 1e-3  # of the reference's spread; smaller spreads and steps count as this
MOST_OWN: Final = 5.0  # bound of the scaled descriptions of the reference's windows
MOST_GIVEN: Final = 50.0  # bound of the scaled description of the current sample
FLOOR: Final = 0.05  # added to the usual distance, so that windows that repeat exactly do not divide by zero
_BLOCK: Final = 1 << 18  # values described at once


def describe(windows: FloatArray) -> FloatArray:
    """Return eleven numbers for each row of `windows`, shape (windows, 11); rows have at least two values.

    They are the mean, the logarithms of the standard deviation, of the mean and of the largest absolute step,
    minimum, maximum, median, 10 % and 90 % quantile, slope, and the difference of the means of both halves.
    """
    length = windows.shape[1]
    steps = np.abs(np.diff(windows, axis=1))
    low, q10, q50, q90, high = np.quantile(windows, [0.0, 0.1, 0.5, 0.9, 1.0], axis=1)
    time = np.linspace(-1.0, 1.0, length)
    half = length // 2
    columns = (
        windows.mean(axis=1),
        np.log(windows.std(axis=1) + SMALL),
        np.log(steps.mean(axis=1) + SMALL),
        low,
        high,
        q50,
        q10,
        q90,
        np.log(steps.max(axis=1) + SMALL),
        (windows * time).mean(axis=1) / np.square(time).mean(),
        windows[:, :half].mean(axis=1) - windows[:, half:].mean(axis=1),
    )
    return np.column_stack(columns)


@dataclass(frozen=True, eq=False)
class Neighborhood:
    """The described windows of a reference, for current samples of one length.

    `usual` are the distances of the reference's windows to their three nearest windows that do not overlap
    them, without the windows that have fewer than three such neighbors.
    """

    center: float
    spread: float
    middle: FloatArray
    scale: FloatArray
    described: FloatArray
    usual: FloatArray

    @classmethod
    def of(cls, baseline: Baseline, length: int) -> Self:
        """Describe the windows of a reference; `length` is that of the windows."""
        center, spread = center_of(baseline)
        starts = starts_of(baseline.n, length)
        described = _described((baseline.values - center) / spread, starts, length)
        middle = np.median(described, axis=0)
        scale = np.subtract(*np.quantile(described, [0.9, 0.1], axis=0)) + SMALL
        scaled = np.clip((described - middle) / scale, -MOST_OWN, MOST_OWN)
        return cls(center, spread, middle, scale, scaled, _usual(scaled, starts, length))

    def novelty(self, values: FloatArray, length: int) -> float:
        """Return the mean distance of the newest `length` values to the three nearest windows."""
        newest = (values[-length:].astype(np.float64) - self.center) / self.spread
        described = (describe(newest[None])[0] - self.middle) / self.scale
        given = np.clip(described, -MOST_GIVEN, MOST_GIVEN)
        distances = np.abs(self.described - given).max(axis=1)
        return float(np.sort(distances)[:NEIGHBORS].mean())


def center_of(baseline: Baseline) -> tuple[float, float]:
    """Return the median of a reference and the distance of its 10 % and 90 % quantiles, never 0."""
    q10, q90 = np.quantile(baseline.sorted, [0.1, 0.9])
    spread = float(q90 - q10) or float(baseline.sorted[-1] - baseline.sorted[0]) or 1.0
    return baseline.median, spread


def starts_of(n: int, length: int) -> IntArray:
    """Return the starts of up to about 400 windows."""
    step = max(1, length // STEPS_IN_A_WINDOW, n // MOST_WINDOWS)
    return np.arange(0, max(n - length, 0) + 1, step)


def _described(values: FloatArray, starts: IntArray, length: int) -> FloatArray:
    block = max(1, _BLOCK // length)
    rows = np.arange(min(length, len(values)))
    parts = [starts[first : first + block, None] + rows for first in range(0, len(starts), block)]
    return np.concatenate([describe(values[part]) for part in parts])


def _usual(scaled: FloatArray, starts: IntArray, length: int) -> FloatArray:
    between = np.abs(scaled[:, None] - scaled[None]).max(axis=2)
    between[np.abs(starts[:, None] - starts[None]) < length] = np.inf
    nearest = np.sort(between, axis=1)[:, :NEIGHBORS]
    is_known = np.isfinite(nearest).all(axis=1) & (nearest.shape[1] == NEIGHBORS)
    usual: FloatArray = nearest[is_known].mean(axis=1) if is_known.any() else np.empty(0)
    return usual
