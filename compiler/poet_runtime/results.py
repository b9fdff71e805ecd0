"""What the built-in policies answer with: plain, frozen, printable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One statistic of a current sample against its reference.

    `statistic` is in the statistic's own unit (Wasserstein, mean and median shift, roughness: in
    standard deviations of the reference). `own_q90`, `own_max`, `own_mean`, `own_sd` describe the same
    statistic of the reference's own windows of the current's length; NaN where the statistic is not
    calibrated.
    """

    statistic: float
    p_value: float | None = None
    own_q90: float | None = None
    own_max: float | None = None
    own_mean: float | None = None
    own_sd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What was measured of the two samples. Fractions are of 1, periods in seconds."""

    kind: Literal["numeric", "categorical", "boolean", "empty"]
    n_current: int
    n_reference: int
    n_unique: int
    missing_fraction: float
    skewness: float = 0.0
    tail_weight: float = 0.0
    autocorrelation: float = 0.0
    period: float = 0.0  # 0: no season known or found
    seasonal_strength: float = 0.0  # 0 … 1

    @property
    def is_seasonal(self) -> bool:
        """Whether a period is known and strong enough to matter."""
        return self.period > 0.0 and self.seasonal_strength > 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftResult:
    """The answer of `detect_drift`.

    `drifted` is exactly ``score > threshold`` (``direction == "above"``) or ``score < threshold``
    (``"below"``, p-values). `reason` is not empty when the samples could not be compared, or when the
    answer needs a word. `scores` holds what was computed on the way, by ``statistic/preparation``.
    """

    drifted: bool
    score: float
    threshold: float
    test: str  # "wasserstein/deseasonalised/own_q90"
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
    business_impact: str = ""  # what the caller's context said: none, low, medium, high, critical


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert: about one drifted result, or a summary of several.

    `is_holdout` marks what a suppression let through on purpose, so that people are asked about it;
    `raised_at` is the `now` of the plan, in seconds since 1970; the recorder fills in `alert_id`.
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
    """A drifted result that is not alerted, with the rule that says so."""

    member: DriftResult
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPlan:
    """The answer of `generate_alerts`: every drifted result exactly once."""

    alerts: tuple[Alert, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)  # feature: its bar for now
    policy_version: int = 0
    execution_id: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringOutcome:
    """The answer of `monitor_with_recovery`."""

    results: Any
    strategy: str  # "full", "sampled", "sparse", "by_feature", "retry", "failed"
    quality_loss: float = 0.0  # 0 … 1, as people judged this strategy; 0 for a full run
    timed_out: bool = False
    warnings: tuple[str, ...] = ()
    error: str = ""  # kind of the first fault: "timeout", "memory", "crash", "value", "io", "other"
    rows: int = 0
    features: int = 0
    computation: str = ""  # what the caller's context called the work
    missing_share: float = 0.0  # of the feature that lacks most
    duration_ms: float = 0.0
    policy_version: int = 0
    execution_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringStrategy:
    """The answer of `adaptive_monitoring_strategy`."""

    frequency: Literal["real_time", "hourly", "daily", "weekly"]
    features: tuple[str, ...] | Literal["all"]
    tests: Literal["multiple", "single"]
    reason: str = ""
    execution_id: str = field(default="", repr=False, compare=False)


# answers that nothing can change: whoever keeps the arguments of a call needs no copy of them
IMMUTABLE_ANSWERS: Final = (DriftResult, Alert, AlertPlan, MonitoringStrategy)
