"""A reference, prepared once and reused for every call: its order, its season, its own windows.

References of callers who pass plain arrays each time, kept by content: prepared once, like any other.

What is known is found by a digest of the numbers, so an array that was filled again is another reference.

How far a reference is from itself: a statistic of its own windows, summarised.

Measures the shape of a reference: cardinality, moments, autocorrelation.
"""

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple, Self, TypedDict, get_args

import numpy as np
import numpy.typing as npt

from poet_runtime.background import call_after_fork_in_child
from poet_runtime.drift.columns import FloatArray, IntArray, Sample, Taming, as_single, read
from poet_runtime.drift.season import Season, find_season
from poet_runtime.drift.statistics import COUNTS, NUMERIC
from poet_runtime.drift.statistics.baseline import Baseline, Counts, Rows, Windows
from poet_runtime.errors import SampleError

MOST_WINDOWS: Final = 100
STEPS_IN_A_WINDOW: Final = 16  # windows that share more than 15/16 of their values say nothing new
NOTHING: Final = 1e-3  # in the statistic's unit: windows that differ by less than this do not differ


class Null(NamedTuple):
    """How far the reference's own windows are from it; NaN where it has none.

    The 90 % quantile, the maximum and the standard deviation are at least 0.001, so that a reference that
    repeats itself exactly does not make news of a rounding.
    """

    q90: float
    max: float
    mean: float
    sd: float

    @classmethod
    def of(cls, own: FloatArray) -> Self:
        """Summarise the statistic of each window."""
        if not len(own) or np.isnan(own).any():
            return cls(math.nan, math.nan, math.nan, math.nan)
        q90, largest, sd = (
            max(float(each), NOTHING) for each in (np.quantile(own, 0.9), own.max(), own.std())
        )
        return cls(q90, largest, float(own.mean()), sd)


def window_length(length: int, n: int) -> int:
    """Give the length of windows for a current sample: at least 3, at most a third of n.

    Above 31 it is rounded down by up to 6 %, so that samples of similar length share the work.
    """
    length = max(3, min(length, n // 3))
    drop = max(0, length.bit_length() - 5)
    return length >> drop << drop


def starts_of_windows(n: int, length: int) -> IntArray:
    """Place up to 100 windows evenly over n rows; none when the rows do not fill one."""
    last = n - length
    if last < 0:
        return np.empty(0, np.int64)
    windows = min(MOST_WINDOWS, last + 1, STEPS_IN_A_WINDOW * last // length + 1)
    return np.unique(np.linspace(0, last, windows).round().astype(np.int64))


class Shape(TypedDict):
    """The part of a profile that only numeric samples have; moments are 0 for a normal distribution."""

    n_unique: int
    skewness: float
    tail_weight: float
    autocorrelation: float


def shape_of(baseline: Baseline) -> Shape:
    """Measure standardised third moment, excess kurtosis and the autocorrelation from row to row."""
    n_unique = 1 + int(np.count_nonzero(np.diff(baseline.sorted)))
    if not baseline.sd:
        return Shape(n_unique=n_unique, skewness=0.0, tail_weight=0.0, autocorrelation=0.0)
    z = (baseline.values - baseline.mean) / baseline.sd
    squares = z * z
    return Shape(
        n_unique=n_unique,
        skewness=float((squares * z).mean()),
        tail_weight=float((squares * squares).mean()) - 3.0,
        autocorrelation=float((z[1:] * z[:-1]).sum() / baseline.n),
    )


Preparation = Literal["raw", "phase_matched", "deseasonalised", "detrended", "differenced"]
PREPARATIONS: Final[tuple[Preparation, ...]] = get_args(Preparation)

SPARSE: Final = 4  # windows with less than this part of the reference's values in all
VALUES_AT_ONCE: Final = 1 << 18  # windows are computed in blocks of about 2 MB
ROUNDING: Final = (
    1e-6  # a preparation that leaves less than this share of the standard deviation left nothing
)


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
            As `poet_runtime.drift.columns.read` takes them; the values are copied.
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


MOST_VALUES: Final = 1 << 21  # in all that is kept; with what is computed from them, about 100 MB at most

Key = tuple[bytes, int, bool, float | None]


class KnownReferences:
    """Prepared numeric references, least recently used first. Threads may share it."""

    def __init__(self, most_values: int = MOST_VALUES) -> None:
        self.most_values = most_values
        self._kept: OrderedDict[Key, Reference] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, values: Any, *, times: Any, period: float | None) -> Reference:
        """Give the reference that `Reference.prepare` would, from among those it gave before if it can.

        Categories are prepared anew: to read them is what takes the time.

        Raises
        ------
        SampleError
            The argument is not a column, or the period is not a positive number.
        """
        sample = read(values, times=times, name="reference")
        if sample.kind != "numeric":
            return Reference.of(sample, period)
        key = _digest(sample), sample.n, sample.is_single, period
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        reference = Reference.of(sample, period)
        self._keep(key, reference)
        return reference

    def forget(self) -> None:
        """Keep nothing; a process that was forked has no use for the lock of its parent's threads."""
        self._lock = threading.Lock()
        self._kept = OrderedDict()

    def _keep(self, key: Key, reference: Reference) -> None:
        with self._lock:
            self._kept[key] = reference
            while sum(each.n for each in self._kept.values()) > self.most_values:
                self._kept.popitem(last=False)


def _digest(sample: Sample) -> bytes:
    digest = hashlib.sha256(sample.values.dtype.str.encode(), usedforsecurity=False)
    digest.update(np.ascontiguousarray(sample.values).data)
    if sample.times is not None:
        digest.update(b"times")
        digest.update(np.ascontiguousarray(sample.times).data)
    return digest.digest()


known = KnownReferences()
call_after_fork_in_child(known.forget)
