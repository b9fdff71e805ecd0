"""Comparison of two samples, with statistics that are computed on demand.

`score_all` computes the full set of scores in an execution record, on which learners replay other rules.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from poet_runtime.drift.columns import Column, Context, Sample, Times, as_single, read
from poet_runtime.drift.criteria import (
    Criterion,
    Measure,
    Reading,
    deciding,
    read_score,
    undefined,
    unknown_values,
)
from poet_runtime.drift.reference import Reference, known
from poet_runtime.drift.statistics import COUNTS, NUMERIC, ORDERED, p_value
from poet_runtime.drift.statistics.baseline import Counts, Rows
from poet_runtime.errors import SampleError
from poet_runtime.results import DriftResult, Profile, Score


@dataclass(frozen=True, eq=False)
class Samples:
    """A current sample and its reference. Each statistic is computed once, on demand."""

    current: Sample
    reference: Reference
    version: int = 0
    feature: str = ""
    business_impact: str = ""
    _scores: dict[str, Score] = field(default_factory=dict, repr=False)
    _rows: dict[str, Rows | Counts] = field(default_factory=dict, repr=False)
    _readings: list[Reading] = field(default_factory=list, repr=False)

    @cached_property
    def reason(self) -> str:
        """The reason why the samples cannot be compared; empty if they can."""
        for name, sample in (("current", self.current), ("reference", self.reference.sample)):
            if sample.n == 0:
                return f"{name} is empty"
            if sample.n_present == 0:
                return f"{name} is all missing"
        if self.current.kind != self.reference.sample.kind:
            return f"current is {self.current.kind}, reference is {self.reference.sample.kind}"
        return ""

    @property
    def is_categorical(self) -> bool:
        """Whether the reference consists of categories or booleans."""
        return self.reference.sample.kind in ("categorical", "boolean")

    @property
    def is_seasonal(self) -> bool:
        """Whether the reference has a sufficiently strong season and the current sample has times."""
        return self.reference.season is not None and self.current.times is not None

    @property
    def n_reference(self) -> int:
        """The number of present values of the reference."""
        return self.reference.n

    @cached_property
    def profile(self) -> Profile:
        """The size and missingness of the current sample, and the shape and season of the reference.

        The shape is that of the reference, so that drift of the current sample does not change which rule
        applies to a feature.
        """
        kind, season = self.reference.sample.kind, self.reference.season
        return Profile(
            kind=self.current.kind if kind == "empty" else kind,
            n_current=self.current.n_present,
            n_reference=self.reference.n,
            missing_fraction=self.current.missing_fraction,
            period=season.period if season and self.is_seasonal else 0.0,
            seasonal_strength=season.strength if season and self.is_seasonal else 0.0,
            **self.reference.shape,
        )

    def score(self, statistic: str, preparation: str, *, calibrated: bool = True) -> Score:
        """Return a statistic after a preparation, with its p-value if it has one.

        `calibrated` adds the statistic of the reference's own windows. The statistic is NaN if it is not
        defined for these samples. A preparation that has nothing to remove leaves the samples unchanged.
        """
        key = f"{statistic}/{preparation}"
        known = self._scores.get(key)
        if known is None or (calibrated and known.null_max is None):
            self._scores[key] = known = self._score(statistic, preparation, calibrated=calibrated)
        return known

    @property
    def comparable(self) -> bool:
        """Whether the samples can be compared; `reason` says why not."""
        return not self.reason

    def statistic(self, name: str, *, preparation: str = "raw") -> Measure:
        """Return a statistic in its own unit, to be compared with a threshold."""
        return Measure(self._read, name, preparation, "absolute")

    def p_value(self, name: str, *, preparation: str = "raw") -> Measure:
        """Return the p-value of a statistic, to be compared with a threshold."""
        return Measure(self._read, name, preparation, "p_value")

    def ratio(self, name: str, *, preparation: str = "raw") -> Measure:
        """Return a statistic divided by the 90 % quantile of its self-distances.

        The self-distances are the same statistic for windows of the reference that are as long as the current
        sample.
        """
        return Measure(self._read, name, preparation, "null_q90")

    def ratio_to_max(self, name: str, *, preparation: str = "raw") -> Measure:
        """Return a statistic divided by the largest of its self-distances; see `ratio`."""
        return Measure(self._read, name, preparation, "null_max")

    def zscore(self, name: str, *, preparation: str = "raw") -> Measure:
        """Return how many standard deviations a statistic lies above its mean self-distance; see `ratio`."""
        return Measure(self._read, name, preparation, "null_zscore")

    def result(self, decision: Reading, *, rule: str) -> DriftResult:
        """Return the result of a rule: drift if `decision` is true.

        `decision` is a comparison such as ``samples.ratio("wasserstein") > 1.5``, several of them connected
        by ``or`` or ``and``, or the value of `at_least`. Score, threshold and test of the result are those of
        the comparison that decided, among those made since the previous result. For drift, it is the one that
        holds with the smallest margin; otherwise the one that is closest to its threshold.

        Without times, a statistic that depends on the order of rows is not defined. The other comparisons of
        an ``or`` decide then; an ``and`` or `at_least` that needs it is not decided.

        Raises
        ------
        SampleError
            `decision` is not a comparison of these samples.
        """
        if not isinstance(decision, Reading) or decision.comparisons is not self._readings:
            raise SampleError(
                f"rule {rule!r}: the decision is {decision!r}, expected a comparison of these samples, such "
                'as samples.ratio("wasserstein") > 1.5, or several connected by or, and, or at_least'
            )
        readings = [*self._readings]
        self._readings.clear()
        if self.reason:
            return self.not_compared()
        decisive, drifted = deciding(decision, readings), decision.holds
        if not decisive.is_defined:
            return self._silent(rule, f"not defined without times: {undefined(decision, readings)}")
        unknown = "" if drifted else unknown_values(decision, readings)
        return DriftResult(
            drifted=drifted,
            score=decisive.value,
            threshold=decisive.criterion.threshold,
            test=decisive.criterion.test,
            direction=decisive.criterion.direction,
            p_value=decisive.score.p_value,
            scores=self._computed(),
            profile=self.profile,
            rule=rule,
            reason=f"not defined for these samples: {unknown}" if unknown else "",
            feature=self.feature,
            policy_version=self.version,
            business_impact=self.business_impact,
        )

    def not_compared(self) -> DriftResult:
        """Return a result without drift, with the reason why the samples cannot be compared."""
        return self._silent("", self.reason)

    def _read(self, criterion: Criterion) -> Reading:
        """Return the value of a criterion's statistic, and remember it for the result.

        Without times the rows may be in any order, so a statistic that depends on it is not defined.
        """
        is_defined = self.is_categorical or self.current.times is not None or criterion.is_order_free
        if is_defined and not self.reason:
            score = self.score(criterion.statistic, criterion.preparation, calibrated=criterion.is_calibrated)
        else:
            score = Score(statistic=math.nan)
        value = read_score(score, criterion.scale)
        reading = Reading(criterion, value, score, self._readings, is_defined=is_defined)
        self._readings.append(reading)
        return reading

    def _silent(self, rule_id: str, reason: str) -> DriftResult:
        return DriftResult(
            drifted=False,
            score=math.nan,
            threshold=math.nan,
            test="none",
            scores=self._computed(),
            profile=self.profile,
            rule=rule_id,
            reason=reason,
            feature=self.feature,
            policy_version=self.version,
            business_impact=self.business_impact,
        )

    def _computed(self) -> Mapping[str, Score]:
        return MappingProxyType(dict(self._scores))

    def _score(self, statistic: str, preparation: str, *, calibrated: bool) -> Score:
        value, p = self._measure(statistic, preparation)
        if math.isnan(value) or not calibrated:
            return Score(statistic=value, p_value=p)
        own = self.reference.null(statistic, preparation, self.current.n_present)
        return Score(
            statistic=value, p_value=p, null_q90=own.q90, null_max=own.max, null_mean=own.mean, null_sd=own.sd
        )

    def _measure(self, statistic: str, preparation: str) -> tuple[float, float | None]:
        """Return a statistic and its p-value; (NaN, None) if it is not defined for these samples."""
        if preparation not in self._rows:
            self._rows[preparation] = self._prepare(preparation)
        sample = self._rows[preparation]
        if isinstance(sample, Counts):
            value = float(COUNTS[statistic](sample)[0]) if statistic in COUNTS else math.nan
        elif statistic in NUMERIC and sample.length and sample.baseline.n:
            value = float(NUMERIC[statistic](sample)[0])
        else:
            value = math.nan
        return (value, None) if math.isnan(value) else (value, p_value(statistic, value, sample))

    def _prepare(self, preparation: str) -> Rows | Counts:
        if self.is_categorical:
            return _count(self.current, self.reference)
        return self.reference.rows(self.current, preparation)


def _count(current: Sample, reference: Reference) -> Counts:
    """Count the categories of both samples; categories that only the current sample has come last."""
    places = {category: place for place, category in enumerate(reference.sample.categories)}
    new = [places.setdefault(category, len(places)) for category in current.categories]
    lookup = np.array(new, np.int64)
    counts = np.bincount(lookup[current.values], minlength=len(places)).astype(np.float64)
    padded = np.concatenate((reference.counts, np.zeros(len(places) - len(reference.counts))))
    return Counts(counts[None], padded)


def compare(
    current: Column,
    reference: Column | Reference,
    *,
    version: int = 0,
    feature: str = "",
    current_times: Times | None = None,
    reference_times: Times | None = None,
    context: Context | None = None,
) -> Samples:
    """Return the comparison of a current column with a reference column or a prepared `Reference`.

    A prepared numeric reference column is cached by its content, within limits. Times are `datetime64` or
    seconds, one per row. ``context["period"]`` is the length of the season in seconds; a prepared reference
    keeps the period it was prepared with.

    >>> from poet_runtime.drift import compare
    >>> samples = compare([9.0, 9.5, 10.0], [1.0, 2.0, 3.0, 4.0], feature="age")
    >>> result = samples.result(samples.statistic("ks") > 0.5, rule="numeric")
    >>> result.drifted, result.score, result.test
    (True, 1.0, 'ks/raw/absolute')

    Raises
    ------
    SampleError
        An argument is not a column, the number of times differs from the number of rows, or the context is
        not a mapping.
    """
    if context is not None and not isinstance(context, Mapping):
        raise SampleError(f"context must be a mapping of names to scalars, got {type(context).__name__}")
    if not isinstance(reference, Reference):
        reference = known(reference, times=reference_times, period=_period(context or {}))
    sample, reference = _at_one_precision(read(current, times=current_times), reference)
    return Samples(sample, reference, version, feature, _impact(context))


def _impact(context: Mapping[str, Any] | None) -> str:
    impact = (context or {}).get("business_impact")
    return impact if isinstance(impact, str) else ""


def _at_one_precision(current: Sample, reference: Reference) -> tuple[Sample, Reference]:
    """Round the more precise of two numeric samples: 0.1 in single precision must equal 0.1 in double."""
    if current.kind != "numeric" or reference.sample.kind != "numeric":
        return current, reference
    if current.is_single and not reference.sample.is_single:
        return current, reference.single
    if reference.sample.is_single and not current.is_single:
        return replace(current, values=as_single(current.values)), reference
    return current, reference


def _period(context: Mapping[str, Any]) -> float | None:
    """Return the period in the context; 0 and None mean that none is known."""
    period = context.get("period")
    if not period:
        return None
    if isinstance(period, bool) or not isinstance(period, int | float | np.number):
        raise SampleError(f"context['period'] must be seconds, got {period!r}")
    return float(period)


CALIBRATED: Final = (
    "wasserstein",
    "ks",
    "mean_shift",
    "median_shift",
    "scale_shift",
    "mean_absolute_difference",
)
PLAIN: Final = ("psi", "jensen_shannon", "cramer_von_mises", "mann_whitney", "levene", "anderson_darling")
PHASE_MATCHED: Final = ("ks", "wasserstein")
CATEGORICAL: Final = ("chi_square", "g_test", "total_variation", "psi", "jensen_shannon", "hellinger")


def score_all(
    current: Any,
    reference: Any,
    *,
    feature: str = "",
    current_times: Any = None,
    reference_times: Any = None,
    context: Mapping[str, Any] | None = None,
) -> dict[str, Score]:
    """Compute the candidate statistics by ``statistic/preparation``; empty if the samples cannot be compared.

    Numeric samples: six calibrated statistics raw and deseasonalized (five without times, because rows then
    have no order), six plain statistics raw, and two phase-matched. Categorical samples: all six statistics,
    calibrated. Raises the same errors as `compare`.
    """
    samples = compare(
        current,
        reference,
        feature=feature,
        current_times=current_times,
        reference_times=reference_times,
        context=context,
    )
    return scores_of(samples)


def scores_of(samples: Samples) -> dict[str, Score]:
    """Compute the candidate statistics of a comparison."""
    if samples.reason:
        return {}
    length = samples.current.n_present
    if samples.is_categorical:
        samples.reference.calibrate(CATEGORICAL, "raw", length)
        return {f"{name}/raw": samples.score(name, "raw") for name in CATEGORICAL}
    has_order = samples.current.times is not None
    calibrated = [name for name in CALIBRATED if has_order or name not in ORDERED]
    scores: dict[str, Score] = {}
    for preparation in ("raw", "deseasonalized"):
        samples.reference.calibrate(calibrated, preparation, length)
        scores |= {f"{name}/{preparation}": samples.score(name, preparation) for name in calibrated}
    scores |= {f"{name}/raw": samples.score(name, "raw", calibrated=False) for name in PLAIN}
    matched = {
        f"{name}/phase_matched": samples.score(name, "phase_matched", calibrated=False)
        for name in PHASE_MATCHED
    }
    return scores | matched
