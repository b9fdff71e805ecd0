"""The season of a reference: its period, its strength, and the mean at each phase."""

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from poet_runtime.drift.columns import FloatArray, IntArray
from poet_runtime.drift.statistics.grid import blocks

MOST_BINS: Final = 96
DAY: Final = 86_400.0
CALENDAR: Final = (DAY, 7 * DAY, 365.25 * DAY)
GIVEN, GUESSED = 0.1, 0.2  # the minimum strength of a season, higher for a guessed period than a given one


@dataclass(frozen=True, slots=True, eq=False)
class Season:
    """The mean of the reference at each phase of a period.

    `strength` is the share of the variance in each cycle that the phase means of the other cycles explain,
    which is the out-of-sample value of the phase profile. It is about 0 for noise, a trend or a random walk.
    """

    period: float  # seconds
    means: FloatArray
    strength: float

    @classmethod
    def fit(cls, values: FloatArray, times: FloatArray, period: float) -> Self:
        """Compute the mean at each of at most 96 phases of the period."""
        bins = _bin_count(times, period)
        phase = phases(times, period, bins)
        count = np.bincount(phase, minlength=bins)
        total = np.bincount(phase, weights=values, minlength=bins)
        means = np.where(count > 0, total / np.maximum(count, 1), values.mean())
        return cls(period, means, _strength(values, phase, _cycles(times, period), bins))

    def phases(self, times: FloatArray) -> IntArray:
        """Return the phase of each time, as the number of its bin."""
        return phases(times, self.period, len(self.means))

    def without(self, values: npt.NDArray[Any], times: FloatArray) -> FloatArray:
        """Return the values minus the mean of the reference at the phase of each value's time."""
        left = np.empty(len(values))
        for block in blocks(len(values)):
            np.subtract(values[block], self.means[self.phases(times[block])], out=left[block])
        return left


def phases(times: FloatArray, period: float, bins: int) -> IntArray:
    """Return the bin of each time's phase, 0 … bins - 1."""
    turns = times / period
    turns -= np.floor(turns)  # exactly the remainder modulo 1, at a tenth of the cost
    return np.minimum((turns * bins).astype(np.int64), bins - 1)


def find_season(values: FloatArray, times: FloatArray, period: float | None) -> Season | None:
    """Return the season of the given period, or the strongest of several candidates.

    The candidates are day, week, year and the lag of the highest autocorrelation. Returns None if the times
    do not cover about two cycles, or if no candidate is strong enough.
    """
    candidates, enough = ([period], GIVEN) if period else (_candidates(values, times), GUESSED)
    fits = [Season.fit(values, times, each) for each in candidates if _is_covered(times, each)]
    strong = [fit for fit in fits if fit.strength >= enough]
    return max(strong, key=lambda fit: fit.strength, default=None)


def _is_covered(times: FloatArray, period: float) -> bool:
    """Return whether the times span about two cycles with at least four points in each."""
    span = times[-1] - times[0]
    return len(times) >= 8 and span > 1.5 * period and len(times) * period / span >= 4


def _bin_count(times: FloatArray, period: float) -> int:
    step = float(np.median(np.diff(times)))
    per_cycle = round(period / step) if step > 0 else MOST_BINS
    return int(np.clip(per_cycle, 1, MOST_BINS))


def _cycles(times: FloatArray, period: float) -> IntArray:
    cycles: IntArray = np.floor((times - times[0]) / period).astype(np.int64)
    return cycles


def _strength(values: FloatArray, phase: IntArray, cycle: IntArray, bins: int) -> float:
    """Return the explained share of the variance, from count, sum and squares of each cycle's phases."""
    cell = cycle * bins + phase
    shape = (int(cycle[-1]) + 1, bins)
    centred = values - values.mean()
    count = np.bincount(cell, minlength=shape[0] * bins).reshape(shape)
    total = np.bincount(cell, weights=centred, minlength=shape[0] * bins).reshape(shape)
    squares = np.bincount(cell, weights=np.square(centred), minlength=shape[0] * bins).reshape(shape)
    others = count.sum(axis=0) - count
    predicted = (total.sum(axis=0) - total) / np.maximum(others, 1)
    is_known = (count > 0) & (others > 0)
    left = (squares - 2 * predicted * total + np.square(predicted) * count)[is_known].sum()
    variance = float(squares[is_known].sum())
    return max(0.0, 1.0 - float(left) / variance) if variance > 0 else 0.0


def _candidates(values: FloatArray, times: FloatArray) -> list[float]:
    calendar = [each for each in CALENDAR if _is_covered(times, each)]
    steps = np.diff(times)
    step = float(np.median(steps)) if len(steps) else 0.0
    is_regular = step > 0 and float(np.mean(np.abs(steps - step) < 0.01 * step)) > 0.9
    lag = _autocorrelation_peak(values) if is_regular else 0
    return [*calendar, lag * step] if lag else calendar


def _autocorrelation_peak(values: FloatArray) -> int:
    """Return the lag of the highest autocorrelation after its first negative value; 0 if there is none."""
    n = len(values)
    if n < 16:
        return 0
    spectrum = np.fft.rfft(values - values.mean(), 1 << (2 * n - 1).bit_length())
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: n // 2]
    below = np.flatnonzero(correlation < 0)
    if not len(below):
        return 0
    return int(below[0] + np.argmax(correlation[below[0] :]))
