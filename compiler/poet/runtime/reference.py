"""A reference, prepared once and reused for every call: its order, its season, its own windows."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np

from poet.errors import SampleError
from poet.runtime._baseline import Baseline, Counts, Rows, Windows
from poet.runtime._measures import Shape, shape_of
from poet.runtime.sample import FloatArray, IntArray, Sample, read
from poet.runtime.season import Season, find_season
from poet.runtime.statistics import COUNTS, NUMERIC

__all__ = ["PREPARATIONS", "Null", "Preparation", "Reference"]

Preparation = Literal["raw", "phase_matched", "deseasonalised", "detrended", "differenced"]
PREPARATIONS: tuple[Preparation, ...] = get_args(Preparation)

MOST_WINDOWS = 100
STEPS_IN_A_WINDOW = 16  # windows that share more than 15/16 of their values say nothing new
VALUES_AT_ONCE = 1 << 18  # rows of windows are computed in blocks of about 2 MB
ROUNDING = 1e-6  # a preparation that leaves less than this share of the standard deviation left nothing
HUGE, TINY, LIMIT = 1e100, 1e-100, 1e140  # squares and their sums stay finite in between


class Null(NamedTuple):
    """How far the reference's own windows are from it; NaN where it is too short to have windows."""

    q90: float
    max: float
    mean: float
    sd: float


UNKNOWN = Null(math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True, eq=False)
class Reference:
    """What a current sample is compared with. Immutable; threads may share it.

    An infinity counts as a value that lies one range of the finite values beyond them.
    """

    sample: Sample
    season: Season | None = None
    exponent: int = 0  # values are kept divided by this power of two; 0 unless they are extreme
    extremes: tuple[float, float] = (-1.0, 1.0)  # where infinities go
    _baselines: dict[str, Baseline] = field(default_factory=dict, repr=False)
    _nulls: dict[tuple[str, str, int], Null] = field(default_factory=dict, repr=False)

    @classmethod
    def prepare(cls, values: Any, *, times: Any = None, period: float | None = None) -> Self:
        """Prepare a reference column.

        Parameters
        ----------
        values, times
            As `poet.runtime.sample.read` takes them; the values are copied.
        period
            Length of the season in seconds, if known. Without times there is no season.

        Raises
        ------
        SampleError
            The argument is not a column, or the period is not a positive number.
        """
        if period is not None and not (math.isfinite(period) and period > 0):
            raise SampleError(f"period must be a positive number of seconds, got {period!r}")
        sample = read(values, times=times, name="reference")
        if sample.kind != "numeric":
            return cls(sample)
        exponent = _exponent(sample.values)
        extremes = _extremes(sample.values, exponent)
        tamed = _tame(sample.values, exponent, extremes)
        sample = Sample("numeric", sample.n, tamed.copy(), times=sample.times)
        season = None if sample.times is None else find_season(tamed, sample.times, period)
        return cls(sample, season, exponent, extremes)

    @property
    def n(self) -> int:
        """How many values are present."""
        return self.sample.n_present

    @cached_property
    def counts(self) -> FloatArray:
        """How often each category occurs."""
        return np.bincount(self.sample.values, minlength=len(self.sample.categories)).astype(np.float64)

    @cached_property
    def trend(self) -> tuple[float, float]:
        """Slope of the least-squares line over times, or over rows without them, and its middle."""
        at = np.arange(self.n, dtype=np.float64) if self.sample.times is None else self.sample.times
        middle = float(at.mean())
        spread = float(np.square(at - middle).sum())
        values = self.sample.values
        slope = float(((at - middle) * (values - values.mean())).sum()) / spread if spread > 0 else 0.0
        return slope, middle

    @cached_property
    def shape(self) -> Shape:
        """Cardinality, and the moments of a numeric reference."""
        if self.sample.kind == "numeric":
            return shape_of(self.baseline("raw"))
        n_unique = int(np.count_nonzero(self.counts))
        return Shape(n_unique=n_unique, skewness=0.0, tail_weight=0.0, autocorrelation=0.0)

    def baseline(self, preparation: str) -> Baseline:
        """Give the reference after a preparation. `phase_matched` needs a current sample: see `rows`."""
        if preparation not in self._baselines:
            values = self._prepared(self.sample, preparation)
            floor = 0.0 if preparation == "raw" else ROUNDING * self.baseline("raw").sd
            self._baselines[preparation] = Baseline(values, floor)
        return self._baselines[preparation]

    def rows(self, current: Sample, preparation: str) -> Rows:
        """Hold a prepared numeric current sample against the reference prepared alike."""
        if preparation == "phase_matched":
            return Rows(self._tamed(current)[None], self._phase_matched(current.times))
        tamed = Sample("numeric", current.n, self._tamed(current), times=current.times)
        return Rows(self._prepared(tamed, preparation)[None], self.baseline(preparation))

    def null(self, statistic: str, preparation: str, length: int) -> Null:
        """Summarise a statistic of the reference's own windows of about this length.

        Up to 100 windows, evenly spaced. They are at least 3 and at most a third of the reference long;
        lengths above 31 are rounded down by up to 6 %, so that calls of similar length share the work.
        """
        length = _window_length(length, self.n if preparation != "differenced" else self.n - 1)
        key = (statistic, preparation, length)
        if key not in self._nulls:
            self._nulls[key] = self._summarise(statistic, preparation, length)
        return self._nulls[key]

    def _summarise(self, statistic: str, preparation: str, length: int) -> Null:
        n = self.n - (preparation == "differenced")
        if n < 3:
            return UNKNOWN
        starts = _starts(n, length)
        block = max(1, VALUES_AT_ONCE // length)
        blocks = [starts[i : i + block] for i in range(0, len(starts), block)]
        own = np.concatenate([self._own(statistic, preparation, length, each) for each in blocks])
        if np.isnan(own).any():
            return UNKNOWN
        return Null(*(float(each) for each in (np.quantile(own, 0.9), own.max(), own.mean(), own.std())))

    def _own(self, statistic: str, preparation: str, length: int, starts: IntArray) -> FloatArray:
        windows = starts[:, None] + np.arange(length)
        if self.sample.kind != "numeric":
            k = len(self.sample.categories)
            cells = self.sample.values[windows] + k * np.arange(len(starts))[:, None]
            counts = np.bincount(cells.ravel(), minlength=k * len(starts)).reshape(-1, k)
            return COUNTS[statistic](Counts(counts.astype(np.float64), self.counts))
        if preparation == "phase_matched" and self.season is not None:
            return np.concatenate([self._own_phase_matched(statistic, window) for window in windows])
        baseline = self.baseline(preparation)
        return NUMERIC[statistic](Windows(baseline.values[windows], baseline, starts))

    def _own_phase_matched(self, statistic: str, window: IntArray) -> FloatArray:
        times = None if self.sample.times is None else self.sample.times[window]
        return NUMERIC[statistic](Rows(self.sample.values[window][None], self._phase_matched(times)))

    def _phase_matched(self, times: FloatArray | None) -> Baseline:
        """Restrict the reference to the phases at which there are current values."""
        raw = self.baseline("raw")
        if self.season is None or times is None or self.sample.times is None:
            return raw
        wanted = np.zeros(len(self.season.means), np.bool_)
        wanted[self.season.phases(times)] = True
        kept = wanted[self.season.phases(self.sample.times)]
        return Baseline(raw.values[kept]) if kept.any() else raw

    def _tamed(self, current: Sample) -> FloatArray:
        return _tame(current.values, self.exponent, self.extremes)

    def _prepared(self, sample: Sample, preparation: str) -> FloatArray:
        """Apply a preparation; one that has nothing to remove leaves the values as they are."""
        values: FloatArray = sample.values
        if preparation == "deseasonalised" and self.season is not None and sample.times is not None:
            return values - self.season.expected(sample.times)
        if preparation == "detrended":
            slope, middle = self.trend
            if sample.times is not None and self.sample.times is not None:
                return values - slope * (sample.times - middle)
            return values - slope * (np.arange(len(values)) - (len(values) - 1) / 2)
        return np.diff(values) if preparation == "differenced" else values


def _window_length(length: int, n: int) -> int:
    length = max(3, min(length, n // 3))
    drop = max(0, length.bit_length() - 5)
    return length >> drop << drop


def _starts(n: int, length: int) -> IntArray:
    last = n - length
    windows = min(MOST_WINDOWS, last + 1, STEPS_IN_A_WINDOW * last // length + 1)
    return np.unique(np.linspace(0, last, windows).round().astype(np.int64))


def _exponent(values: FloatArray) -> int:
    """Give the power of two that brings extreme values near 1; 0 leaves ordinary ones untouched."""
    sizes = np.abs(values[np.isfinite(values)])
    largest = float(sizes.max(initial=0.0))
    return 0 if largest == 0.0 or TINY < largest < HUGE else math.frexp(largest)[1]


def _extremes(values: FloatArray, exponent: int) -> tuple[float, float]:
    """Place the infinities: one range of the finite values below and above them."""
    finite = np.ldexp(values[np.isfinite(values)], -exponent)
    if not len(finite):
        return -1.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    beyond = high - low or abs(high) or 1.0
    return low - beyond, high + beyond


def _tame(values: FloatArray, exponent: int, extremes: tuple[float, float]) -> FloatArray:
    """Scale by the reference's power of two and give infinities a finite place."""
    if exponent:
        values = np.ldexp(values, -exponent)
    largest = np.abs(values).max(initial=0.0)
    if largest <= LIMIT:
        return values
    finite = np.clip(values[np.isfinite(values)], -LIMIT, LIMIT)
    low, high = min(extremes[0], finite.min(initial=np.inf)), max(extremes[1], finite.max(initial=-np.inf))
    return np.where(
        np.isneginf(values), low, np.where(np.isposinf(values), high, np.clip(values, -LIMIT, LIMIT))
    )
