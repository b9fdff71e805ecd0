"""Costs of windows: hours of delay and false alarms per day, within the observed range."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from poet.learning.configuration import LearnConfiguration
from poet.policies.calculate_adaptive_window.learner.readings import Reading
from poet.stats import decay_weights, shrunk_means, weighted_median

_FEWEST: Final = 2  # readings of a window needed to choose it
_FAR: Final = 4.0  # times the median: about three standard deviations of the spread of reports
_CLEARLY: Final = 1.64  # standard errors of a difference: 5 % by chance, one-sided
_LEAST_SAVING: Final = 0.02  # of the cost: below it, two windows are equivalent and a change is not worth it


@dataclass(frozen=True, slots=True)
class BandCosts:
    """The expected costs of the windows that can be chosen in one band; arrays have shape (windows,)."""

    windows: NDArray[np.int64]  # ascending
    delay_hours: NDArray[np.float64]
    alarms_per_day: NDArray[np.float64]
    cost: NDArray[np.float64]  # in the workspace's unit
    errors: NDArray[np.float64]  # standard errors of the costs

    def at(self, window: int) -> float:
        """Return the cost of a window, interpolated, and constant outside the observed range."""
        return float(np.interp(np.log(window), np.log(self.windows), self.cost))

    def hours_at(self, window: int) -> float:
        """Return the delay of a window in hours, interpolated, and constant outside the observed range."""
        return float(np.interp(np.log(window), np.log(self.windows), self.delay_hours))

    def alarms_at(self, window: int) -> float:
        """Return the false alarms per day of a window, interpolated, constant outside the observed range."""
        return float(np.interp(np.log(window), np.log(self.windows), self.alarms_per_day))

    def nearest(self, window: int) -> int:
        """Return the observed window with the ratio closest to 1."""
        return int(self.windows[np.argmin(np.abs(np.log(self.windows / window)))])

    def best(self, current: int) -> int:
        """Return the cheapest window, or `current` if no window is clearly cheaper."""
        cheapest = int(self.windows[np.argmin(self.cost)])
        return cheapest if self.costs_clearly_more(current, cheapest) else current

    def costs_clearly_more(self, window: int, than: int) -> bool:
        """Return whether a window costs more than another one, at a one-sided level of 5 %."""
        saving = self.at(window) - self.at(than)
        errors = [self.errors[np.searchsorted(self.windows, self.nearest(each))] for each in (window, than)]
        return saving > max(_CLEARLY * float(np.hypot(*errors)), _LEAST_SAVING * self.at(window))


@dataclass(frozen=True, slots=True)
class _Curve:
    """A monotone mean over window sizes, with counts and standard errors."""

    sizes: NDArray[np.int64]
    means: NDArray[np.float64]
    counts: NDArray[np.int64]
    errors: NDArray[np.float64]  # standard errors of the means

    def at(self, windows: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(np.interp(np.log(windows), np.log(self.sizes), self.means), dtype=np.float64)

    def errors_at(self, windows: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(np.interp(np.log(windows), np.log(self.sizes), self.errors), dtype=np.float64)


def band_costs(
    band: int,
    delays: Sequence[Reading],
    noise: Sequence[Reading],
    *,
    stable: Collection[str],
    cap: int,
    newest: float,
    configuration: LearnConfiguration,
) -> BandCosts | None:
    """Return the estimated costs of the observed windows of a band; None if no delay was reported there.

    Delays are assumed to increase and false alarms to decrease with the window (isotonic regression). Outside
    its observed range, each is extrapolated as a constant only on the side where that is conservative: a
    window longer than any with a known delay, or shorter than any with known noise, is never chosen. Noise is
    shrunk toward the mean of all bands at the same window. It excludes the `stable` features, which use a
    larger window than the band's.
    """
    delay_curve = _curve(
        _in_band(delays, band), None, newest=newest, configuration=configuration, rising=True
    )
    if delay_curve is None:
        return None
    usual = [reading for reading in noise if reading.feature not in stable] or list(noise)
    noise_curve = _curve(
        _in_band(usual, band), usual, newest=newest, configuration=configuration, rising=False
    )
    noise_curve = noise_curve or _curve(usual, None, newest=newest, configuration=configuration, rising=False)
    here = _in_band((*delays, *noise), band)
    used = np.unique([reading.size for reading in here])
    sizes = np.intersect1d(
        _candidates(delay_curve, noise_curve, configuration.bounds.window_minimum, cap), used
    )
    if sizes.size == 0:
        return None
    hours = delay_curve.at(sizes)
    alarms = noise_curve.at(sizes) if noise_curve else np.zeros(sizes.size)
    costs = configuration.costs
    noise_errors = noise_curve.errors_at(sizes) if noise_curve else np.zeros(sizes.size)
    return BandCosts(
        windows=_nearest_used(sizes, here),
        delay_hours=hours,
        alarms_per_day=alarms,
        cost=costs.delay_hour * hours + costs.false_alarm * alarms,
        errors=np.hypot(costs.delay_hour * delay_curve.errors_at(sizes), costs.false_alarm * noise_errors),
    )


def _candidates(delay_curve: _Curve, noise_curve: _Curve | None, minimum: int, cap: int) -> NDArray[np.int64]:
    sizes = delay_curve.sizes[delay_curve.counts >= _FEWEST]
    if noise_curve is not None:
        sizes = np.union1d(sizes, noise_curve.sizes[noise_curve.counts >= _FEWEST])
        sizes = sizes[sizes >= noise_curve.sizes[0]]
    inside = (sizes >= minimum) & (sizes <= min(cap, int(delay_curve.sizes[-1])))
    return np.asarray(sizes[inside], dtype=np.int64)


def _nearest_used(sizes: NDArray[np.int64], readings: Sequence[Reading]) -> NDArray[np.int64]:
    """Return for each size the nearest window that was in use."""
    used = [[reading.window for reading in readings if reading.size == size] for size in sizes]
    return np.array(
        [min(ws, key=lambda w: abs(w - s)) for ws, s in zip(used, sizes, strict=True)], dtype=np.int64
    )


def _in_band(readings: Sequence[Reading], band: int) -> list[Reading]:
    return [reading for reading in readings if reading.band == band]


def _curve(
    readings: Sequence[Reading],
    pool: Sequence[Reading] | None,
    *,
    newest: float,
    configuration: LearnConfiguration,
    rising: bool,
) -> _Curve | None:
    """Return means fitted over sizes; with a `pool`, each is shrunk toward the pool's mean at its size."""
    if not readings:
        return None
    sizes = np.unique([reading.size for reading in readings])
    means, weights, counts, variation = _moments(readings, sizes, newest, configuration)
    if pool is not None:
        means = _shrunk(readings, pool, sizes, newest, configuration)
    from scipy import optimize  # noqa: PLC0415 -- the import takes 0.3 s, and only learning needs it

    fitted = optimize.isotonic_regression(means, weights=np.maximum(weights, 1e-12), increasing=rising)
    level = np.asarray(fitted.x)
    return _Curve(sizes, level, counts, variation * level / np.sqrt(np.maximum(weights, 1e-12)))


def _shrunk(
    readings: Sequence[Reading],
    pool: Sequence[Reading],
    sizes: NDArray[np.int64],
    newest: float,
    configuration: LearnConfiguration,
) -> NDArray[np.float64]:
    """Return each size's mean, shrunk toward the mean of all bands at that size."""
    band = readings[0].band
    bands = sorted({reading.band for reading in pool if reading.band is not None})
    tables = [_moments(_in_band(pool, b), sizes, newest, configuration) for b in bands]
    own = bands.index(band) if band is not None else 0
    columns = [
        shrunk_means(
            [table[0][k] for table in tables],
            [table[1][k] for table in tables],
            max((table[0][k] * table[3]) ** 2 for table in tables),
        )[own]
        for k in range(sizes.size)
    ]
    return np.array(columns)


def _clipped(
    values: NDArray[np.float64], fading: NDArray[np.float64], at: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the values clipped to `_FAR` times their size's median, to limit outlying reports."""
    clipped = values.copy()
    for column in at.T:
        middle = weighted_median(values[column], fading[column])
        if middle > 0.0:
            clipped[column] = np.clip(values[column], middle / _FAR, middle * _FAR)
    return clipped


def _moments(
    readings: Sequence[Reading], sizes: NDArray[np.int64], newest: float, configuration: LearnConfiguration
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], float]:
    """Return mean, weight and count at each size, and the coefficient of variation within sizes.

    The spread of hours and counts is proportional to their level, so one coefficient applies to all sizes.
    """
    at = np.array([reading.size for reading in readings])[:, None] == sizes
    values = np.array([reading.outcome for reading in readings])
    fading = decay_weights(
        [reading.time for reading in readings], half_life_days=configuration.half_life_days, newest=newest
    )
    values = _clipped(values, fading, at)
    weights = fading @ at
    means = (fading * values) @ at / np.maximum(weights, 1e-12)
    inside = at.any(axis=1)
    level = (at @ means)[inside]
    residuals = (values[inside] - level) / np.maximum(level, 1e-12)
    freedom = max(int(inside.sum()) - int(at.any(axis=0).sum()), 1)
    return means, weights, at.sum(axis=0), float(np.sqrt((residuals**2).sum() / freedom))
