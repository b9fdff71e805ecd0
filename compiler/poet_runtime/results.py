"""Frozen dataclasses that the built-in policies return."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One statistic of a current sample against its reference.

    `statistic` is in the statistic's own unit: for Wasserstein, mean shift, median shift and mean absolute
    difference this is the standard deviation of the reference. `null_q90`, `null_max`, `null_mean` and
    `null_sd` summarize the self-distances: the same statistic for windows of the reference that are as long
    as the current sample. They are NaN if the statistic is not calibrated.
    """

    statistic: float
    p_value: float | None = None
    null_q90: float | None = None
    null_max: float | None = None
    null_mean: float | None = None
    null_sd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Measured properties of the two samples. Fractions are in [0, 1], periods in seconds."""

    kind: Literal["numeric", "categorical", "boolean", "empty"]
    n_current: int
    n_reference: int
    n_unique: int
    missing_fraction: float
    skewness: float = 0.0
    tail_weight: float = 0.0
    autocorrelation: float = 0.0
    period: float = 0.0  # 0: no season is known or was found
    seasonal_strength: float = 0.0  # 0 … 1

    @property
    def is_seasonal(self) -> bool:
        """Whether a period is known and explains part of the variance."""
        return self.period > 0.0 and self.seasonal_strength > 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftResult:
    """The result of `detect_drift`.

    `drifted` is exactly ``score > threshold`` (``direction == "above"``) or ``score < threshold``
    (``"below"``, p-values). `reason` is not empty if the samples could not be compared or if the result
    needs an explanation. `scores` contains every computed score, keyed by ``statistic/preparation``.
    """

    drifted: bool
    score: float
    threshold: float
    test: str  # "wasserstein/deseasonalized/null_q90"
    direction: Literal["above", "below"] = "above"
    p_value: float | None = None
    scores: Mapping[str, Score] = field(default_factory=dict)
    profile: Profile | None = None
    rule: str = ""  # id of the rule that decided
    reason: str = ""
    feature: str = ""
    policy_version: int = 0
    execution_id: str = ""
    audit: bool = False
    business_impact: str = ""  # from the caller's context: none, low, medium, high, critical


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert about one drifted result, or a summary of several results.

    `is_holdout` marks an alert that a suppression rule lets through on purpose, so that people label it.
    `raised_at` is the `now` of the plan, in seconds since 1970. The recorder fills in `alert_id`.
    """

    members: tuple[DriftResult, ...]
    severity: str = "medium"  # low, medium, high, critical
    group: str = ""
    is_summary: bool = False
    is_holdout: bool = False
    rule: str = ""  # id of the rule that made it
    raised_at: float | None = None
    alert_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """A drifted result without an alert, and the rule that suppressed it."""

    member: DriftResult
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPlan:
    """The result of `generate_alerts`, which contains every drifted result exactly once."""

    alerts: tuple[Alert, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)  # feature: its raised threshold
    policy_version: int = 0
    execution_id: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringOutcome:
    """The result of `monitor_with_recovery`."""

    results: Any
    strategy: str  # "full", "sampled", "sparse", "by_feature", "retry", "failed"
    quality_loss: float = 0.0  # 0 … 1, as people rated this strategy; 0 for a full run
    timed_out: bool = False
    warnings: tuple[str, ...] = ()
    error: str = ""  # kind of the first error: "timeout", "memory", "crash", "value", "io", "other"
    rows: int = 0
    features: int = 0
    computation: str = ""  # the caller's name for the work, from the context
    missing_share: float = 0.0  # of the feature with the most missing values
    duration_ms: float = 0.0
    policy_version: int = 0
    execution_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringStrategy:
    """The result of `adaptive_monitoring_strategy`."""

    frequency: Literal["real_time", "hourly", "daily", "weekly"]
    features: tuple[str, ...] | Literal["all"]
    tests: Literal["multiple", "single"]
    reason: str = ""
    execution_id: str = field(default="", repr=False, compare=False)


# Results that cannot change, so code that keeps the arguments of a call does not need to copy them.
IMMUTABLE_ANSWERS: Final = (DriftResult, Alert, AlertPlan, MonitoringStrategy)
