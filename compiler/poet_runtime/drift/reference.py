"""References, which are prepared once and reused for every call.

`Reference` keeps the sorted values, the season and the self-distances. `Null` summarizes the self-distances:
a statistic of the reference's own windows against the reference. `shape_of` measures cardinality, moments and
autocorrelation.

`KnownReferences` caches the references of callers who pass plain arrays in every call, so that these are also
prepared only once. The key is a digest of the numbers, so an array with new content is a new reference.
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
STEPS_IN_A_WINDOW: Final = 16  # windows that share more than 15/16 of their values are redundant
NOTHING: Final = 1e-3  # in the statistic's unit; smaller self-distances count as this


class Null(NamedTuple):
    """Summary of the distances of the reference's own windows from the reference; NaN if it has no windows.

    The 90 % quantile, the maximum and the standard deviation are at least 0.001, so that rounding errors do
    not count as drift if a reference repeats itself exactly.
    """

    q90: float
    max: float
    mean: float
    sd: float

    @classmethod
    def of(cls, own: FloatArray) -> Self:
        """Return the summary of the statistics of all windows."""
        if not len(own) or np.isnan(own).any():
            return cls(math.nan, math.nan, math.nan, math.nan)
        q90, largest, sd = (
            max(float(each), NOTHING) for each in (np.quantile(own, 0.9), own.max(), own.std())
        )
        return cls(q90, largest, float(own.mean()), sd)


def window_length(length: int, n: int) -> int:
    """Return the length of windows for a current sample: at most a third of n, but at least 3.

    Lengths above 31 are rounded down by up to 6 %, so that samples of similar length share the computation.
    """
    length = max(3, min(length, n // 3))
    drop = max(0, length.bit_length() - 5)
    return length >> drop << drop


def starts_of_windows(n: int, length: int) -> IntArray:
    """Return the starts of up to 100 evenly spaced windows over n rows; none if the rows do not fill one."""
    last = n - length
    if last < 0:
        return np.empty(0, np.int64)
    windows = min(MOST_WINDOWS, last + 1, STEPS_IN_A_WINDOW * last // length + 1)
    return np.unique(np.linspace(0, last, windows).round().astype(np.int64))


class Shape(TypedDict):
    """Cardinality and moments of a reference. The moments are 0 for a normal distribution."""

    n_unique: int
    skewness: float
    tail_weight: float
    autocorrelation: float


def shape_of(baseline: Baseline) -> Shape:
    """Compute cardinality, skewness, excess kurtosis and the lag-1 autocorrelation."""
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


Preparation = Literal["raw", "phase_matched", "deseasonalized", "detrended", "differenced"]
PREPARATIONS: Final[tuple[Preparation, ...]] = get_args(Preparation)

SPARSE: Final = 4  # windows are sparse if together they have fewer values than 1/SPARSE of the reference
VALUES_AT_ONCE: Final = 1 << 18  # windows are computed in blocks of about 2 MB
ROUNDING: Final = 1e-6  # of the standard deviation; if a preparation leaves less, the rest is rounding error


@dataclass(frozen=True, eq=False)
class Reference:
    """A prepared reference sample. Immutable for its users; threads may share it.

    Values computed on demand are cached. Two threads that need the same value at the same time both compute
    it, with equal results.
    """

    sample: Sample
    season: Season | None = None
    taming: Taming = field(default=Taming(0, -1.0, 1.0), repr=False)
    _baselines: dict[str, Baseline] = field(default_factory=dict, init=False, repr=False)
    _nulls: dict[tuple[str, str, int], Null] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def prepare(cls, values: Any, *, times: Any = None, period: float | None = None) -> Self:
        """Prepare a reference column.

        >>> from poet_runtime.drift import Reference, compare
        >>> reference = Reference.prepare([1.0, 2.0, 3.0, 4.0])
        >>> compare([2.0, 3.0], reference).score("ks", "raw").statistic
        0.25

        Parameters
        ----------
        values, times
            See `poet_runtime.drift.columns.read`. The values are copied.
        period
            The length of the season in seconds, if known. Without times there is no season.

        Raises
        ------
        SampleError
            The argument is not a column, or the period is not a positive number.
        """
        return cls.of(read(values, times=times, name="reference"), period)

    @classmethod
    def of(cls, sample: Sample, period: float | None) -> Self:
        """Prepare a sample that has already been read; raises the same errors as `prepare`."""
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
        """The number of present values."""
        return self.sample.n_present

    @cached_property
    def counts(self) -> FloatArray:
        """The number of occurrences of each category."""
        if not self.sample.n_present:
            return np.zeros(len(self.sample.categories))
        return np.bincount(self.sample.values, minlength=len(self.sample.categories)).astype(np.float64)

    @cached_property
    def shape(self) -> Shape:
        """The cardinality, and for a numeric reference the moments."""
        if self.sample.kind == "numeric":
            return shape_of(self.baseline("raw"))
        n_unique = int(np.count_nonzero(self.counts))
        return Shape(n_unique=n_unique, skewness=0.0, tail_weight=0.0, autocorrelation=0.0)

    @cached_property
    def trend(self) -> tuple[float, float]:
        """The slope per second of the least-squares line, and the mean time; both 0 without times."""
        times, values = self.sample.times, self.sample.values
        if times is None:
            return 0.0, 0.0
        middle = float(times.mean())
        spread = float(np.square(times - middle).sum())
        slope = float(((times - middle) * (values - values.mean())).sum()) / spread if spread > 0 else 0.0
        return slope, middle

    @cached_property
    def single(self) -> "Reference":
        """The same reference in single precision, for a current sample in single precision."""
        values = as_single(self.sample.values).astype(np.float64)
        return Reference(replace(self.sample, values=values, is_single=True), self.season, self.taming)

    def baseline(self, preparation: str) -> Baseline:
        """Return the reference after any preparation but `phase_matched`, which needs the current sample."""
        if preparation not in self._baselines:
            values = self._prepared(self.sample.values, self.sample.times, preparation)
            floor = 0.0 if preparation == "raw" else ROUNDING * self.baseline("raw").sd
            self._baselines[preparation] = Baseline(values, floor)
        return self._baselines[preparation]

    def rows(self, current: Sample, preparation: str) -> Rows:
        """Return a prepared numeric current sample with the reference after the same preparation.

        A preparation that needs times leaves both unchanged if either has no times.
        """
        values, times = self.taming(current.values), current.times
        if preparation == "phase_matched":
            return Rows(values[None], self._phase_matched(times))
        if times is None and preparation != "differenced":
            preparation = "raw"
        return Rows(self._prepared(values, times, preparation)[None], self.baseline(preparation))

    def null(self, statistic: str, preparation: str, length: int) -> Null:
        """Return the summary of a statistic of the reference's own windows of about this length."""
        self.calibrate((statistic,), preparation, length)
        return self._nulls[statistic, preparation, self._window_length(preparation, length)]

    def calibrate(self, statistics: Sequence[str], preparation: str, length: int) -> None:
        """Compute the nulls of several statistics on the same windows, unless they are cached."""
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
        is_sparse = (
            SPARSE * windows.size < baseline.n
        )  # searching is cheaper than ranking the whole reference
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
        """Return the reference restricted to the phases of the current values."""
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
        if preparation == "deseasonalized" and self.season is not None and times is not None:
            return self.season.without(values, times)
        if preparation == "detrended" and times is not None:
            slope, middle = self.trend
            return values - slope * (times - middle)
        if preparation == "differenced":
            return np.diff(values.astype(np.float64, copy=False))
        return values


MOST_VALUES: Final = 1 << 21  # in all cached references; with derived values at most about 100 MB

Key = tuple[bytes, int, bool, float | None]


class KnownReferences:
    """A cache of prepared numeric references, least recently used first. Threads may share it."""

    def __init__(self, most_values: int = MOST_VALUES) -> None:
        self.most_values = most_values
        self._kept: OrderedDict[Key, Reference] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, values: Any, *, times: Any, period: float | None) -> Reference:
        """Return the result of `Reference.prepare`, from the cache if possible.

        Categorical references are not cached, because reading them takes most of the time.

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
        """Clear the cache and replace the lock, which in a forked child a missing thread may hold."""
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
