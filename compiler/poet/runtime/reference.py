"""A reference, prepared once and reused for every call: its order, its season, its own windows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from poet.errors import SampleError
from poet.runtime._baseline import Baseline, Counts, Rows, Windows
from poet.runtime._extremes import Taming, as_single
from poet.runtime._measures import Shape, shape_of
from poet.runtime._own_windows import Null, starts_of_windows, window_length
from poet.runtime.sample import FloatArray, IntArray, Sample, read
from poet.runtime.season import Season, find_season
from poet.runtime.statistics import COUNTS, NUMERIC

__all__ = ["PREPARATIONS", "Preparation", "Reference"]

Preparation = Literal["raw", "phase_matched", "deseasonalised", "detrended", "differenced"]
PREPARATIONS: tuple[Preparation, ...] = get_args(Preparation)

SPARSE = 4  # windows with less than this part of the reference's values in all
VALUES_AT_ONCE = 1 << 18  # windows are computed in blocks of about 2 MB
ROUNDING = 1e-6  # a preparation that leaves less than this share of the standard deviation left nothing


@dataclass(frozen=True, eq=False)
class Reference:
    """What a current sample is compared with. Immutable to its users; threads may share it.

    What is computed on demand is kept. Two threads that need the same at once both compute it, alike.
    """

    sample: Sample
    season: Season | None = None
    taming: Taming = field(default=Taming(0, -1.0, 1.0), repr=False)
    _baselines: dict[str, Baseline] = field(default_factory=dict, init=False, repr=False)
    _nulls: dict[tuple[str, str, int], Null] = field(default_factory=dict, init=False, repr=False)

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
        return cls.of(read(values, times=times, name="reference"), period)

    @classmethod
    def of(cls, sample: Sample, period: float | None) -> Self:
        """Prepare a sample that is read already; raises as `prepare` does."""
        if period is not None and not (math.isfinite(period) and period > 0):
            raise SampleError(f"period must be a positive number of seconds, got {period!r}")
        if sample.kind != "numeric":
            return cls(sample)
        doubles = sample.values.astype(np.float64)
        taming = Taming.of(doubles)
        sample = replace(sample, values=taming(doubles))
        season = None if sample.times is None else find_season(sample.values, sample.times, period)
        return cls(sample, season, taming)

    @property
    def n(self) -> int:
        """How many values are present."""
        return self.sample.n_present

    @cached_property
    def counts(self) -> FloatArray:
        """How often each category occurs."""
        if not self.sample.n_present:
            return np.zeros(len(self.sample.categories))
        return np.bincount(self.sample.values, minlength=len(self.sample.categories)).astype(np.float64)

    @cached_property
    def shape(self) -> Shape:
        """Cardinality, and the moments of a numeric reference."""
        if self.sample.kind == "numeric":
            return shape_of(self.baseline("raw"))
        n_unique = int(np.count_nonzero(self.counts))
        return Shape(n_unique=n_unique, skewness=0.0, tail_weight=0.0, autocorrelation=0.0)

    @cached_property
    def trend(self) -> tuple[float, float]:
        """Slope per second of the least-squares line, and the mean time; 0 without times."""
        times, values = self.sample.times, self.sample.values
        if times is None:
            return 0.0, 0.0
        middle = float(times.mean())
        spread = float(np.square(times - middle).sum())
        slope = float(((times - middle) * (values - values.mean())).sum()) / spread if spread > 0 else 0.0
        return slope, middle

    @cached_property
    def single(self) -> "Reference":
        """The same reference in single precision, for a current sample that has no more."""
        values = as_single(self.sample.values).astype(np.float64)
        return Reference(replace(self.sample, values=values, is_single=True), self.season, self.taming)

    def baseline(self, preparation: str) -> Baseline:
        """Give the reference after a preparation other than `phase_matched`, which depends on the current."""
        if preparation not in self._baselines:
            values = self._prepared(self.sample.values, self.sample.times, preparation)
            floor = 0.0 if preparation == "raw" else ROUNDING * self.baseline("raw").sd
            self._baselines[preparation] = Baseline(values, floor)
        return self._baselines[preparation]

    def rows(self, current: Sample, preparation: str) -> Rows:
        """Hold a prepared numeric current sample against the reference prepared alike.

        A preparation that needs times leaves both as they are where either has none.
        """
        values, times = self.taming(current.values), current.times
        if preparation == "phase_matched":
            return Rows(values[None], self._phase_matched(times))
        if times is None and preparation != "differenced":
            preparation = "raw"
        return Rows(self._prepared(values, times, preparation)[None], self.baseline(preparation))

    def null(self, statistic: str, preparation: str, length: int) -> Null:
        """Summarise a statistic of the reference's own windows of about this length against the reference."""
        self.calibrate((statistic,), preparation, length)
        return self._nulls[statistic, preparation, self._window_length(preparation, length)]

    def calibrate(self, statistics: Sequence[str], preparation: str, length: int) -> None:
        """Compute the nulls of several statistics on the same windows, where they are not known yet."""
        length = self._window_length(preparation, length)
        unknown = [each for each in statistics if (each, preparation, length) not in self._nulls]
        if not unknown:
            return
        starts = starts_of_windows(self._rows_after(preparation), length)
        block = max(1, VALUES_AT_ONCE // length)
        own: dict[str, list[FloatArray]] = {each: [] for each in unknown}
        for first in range(0, len(starts), block):
            windows = starts[first : first + block, None] + np.arange(length)
            for statistic, values in self._own(unknown, preparation, windows).items():
                own[statistic].append(values)
        for statistic, blocks in own.items():
            null = Null.of(np.concatenate(blocks) if blocks else np.empty(0))
            self._nulls[statistic, preparation, length] = null

    def _rows_after(self, preparation: str) -> int:
        return (
            max(0, self.n - 1) if preparation == "differenced" and self.sample.kind == "numeric" else self.n
        )

    def _window_length(self, preparation: str, length: int) -> int:
        return window_length(length, self._rows_after(preparation))

    def _own(self, statistics: Sequence[str], preparation: str, windows: IntArray) -> dict[str, FloatArray]:
        if self.sample.kind != "numeric":
            counts = self._counts_of(windows)
            return {each: COUNTS[each](counts) for each in statistics}
        if preparation == "phase_matched" and self.season is not None:
            rows = [self._own_phase_matched(window) for window in windows]
            return {each: np.concatenate([NUMERIC[each](row) for row in rows]) for each in statistics}
        baseline = self.baseline(preparation)
        values = baseline.values[windows]
        is_sparse = SPARSE * windows.size < baseline.n  # cheaper to search than to rank the whole reference
        own = Rows(values, baseline) if is_sparse else Windows(values, baseline, windows)
        return {each: NUMERIC[each](own) for each in statistics}

    def _counts_of(self, windows: IntArray) -> Counts:
        categories = len(self.sample.categories)
        cells = self.sample.values[windows] + categories * np.arange(len(windows))[:, None]
        counts = np.bincount(cells.ravel(), minlength=categories * len(windows)).reshape(-1, categories)
        return Counts(counts.astype(np.float64), self.counts)

    def _own_phase_matched(self, window: IntArray) -> Rows:
        times = None if self.sample.times is None else self.sample.times[window]
        return Rows(self.sample.values[window][None], self._phase_matched(times))

    def _phase_matched(self, times: FloatArray | None) -> Baseline:
        """Restrict the reference to the phases at which there are current values."""
        raw = self.baseline("raw")
        if self.season is None or times is None or self.sample.times is None:
            return raw
        wanted = np.zeros(len(self.season.means), np.bool_)
        wanted[self.season.phases(times)] = True
        kept = wanted[self.season.phases(self.sample.times)]
        return Baseline(raw.values[kept]) if kept.any() else raw

    def _prepared(
        self, values: npt.NDArray[Any], times: FloatArray | None, preparation: str
    ) -> npt.NDArray[Any]:
        if preparation == "deseasonalised" and self.season is not None and times is not None:
            return self.season.without(values, times)
        if preparation == "detrended" and times is not None:
            slope, middle = self.trend
            return values - slope * (times - middle)
        if preparation == "differenced":
            return np.diff(values.astype(np.float64, copy=False))
        return values
