"""The payload structs of all event types.

People and systems send feedback on drift accuracy and windows, on errors and cost, and on alerts and the
importance of features. POET itself writes executions, alerts, and the point in a long log from which learners
first started to read.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from poet.events.units import Instant, Seconds, Usd

Scalar = str | int | float | bool | None
Name = Annotated[str, Meta(min_length=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=0)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Fraction = Annotated[float, Meta(ge=0, le=1)]


class Problem(ValueError):  # noqa: N818 -- private to the package
    """Fields that contradict each other."""

    def __init__(self, path: str, expected: str, got: str) -> None:
        self.path, self.expected, self.got = path, expected, got
        super().__init__(f"{path}: expected {expected}, got {got}")


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """The `data` of an event. Every payload may carry a `context` of scalars."""

    context: dict[str, Scalar] | None = None

    def verify(self) -> None:
        """Raise `Problem` if fields contradict each other."""


Impact = Literal["none", "low", "medium", "high", "critical"]
_SECONDS_AN_HOUR: Final = 3600.0
_ROUNDING_S: Final = 60.0


class Validation(Payload, frozen=True, kw_only=True):
    """A person's label of an execution: whether the drift was real."""

    execution_id: Name
    was_real_drift: bool
    feature: str | None = None
    business_impact: Impact | None = None
    root_cause: str | None = None


class ModelRetrained(Payload, frozen=True, kw_only=True):
    """A model was retrained because of an alert; `trigger` is ``drift_alert_<execution_id>``."""

    trigger: Name
    performance_before: float
    performance_after: float
    retraining_cost: Usd | None = None

    @property
    def execution_id(self) -> str:
        """Return the id of the execution that the trigger names."""
        return self.trigger.removeprefix("drift_alert_")


class FalsePositive(Payload, frozen=True, kw_only=True):
    """An alert was a false alarm."""

    execution_id: Name
    reason: str | None = None
    wasted_investigation_time: Seconds | None = None

    def verify(self) -> None:
        """Raise `Problem` for a negative wasted time."""
        if self.wasted_investigation_time is not None and self.wasted_investigation_time < 0:
            raise Problem("wasted_investigation_time", "at least 0", f"{self.wasted_investigation_time:g}")


class DetectionDelay(Payload, frozen=True, kw_only=True):
    """A drift was detected late; `execution_id` names the execution without alert that missed it."""

    actual_drift_start: Instant
    detected_at: Instant
    window_size_used: Annotated[int, Meta(ge=1)]
    data_velocity: Positive  # points per hour
    delay_hours: NotNegative | None = None
    feature: str | None = None
    execution_id: str | None = None

    @property
    def elapsed_hours(self) -> float:
        """Return the hours between the two times."""
        return (self.detected_at - self.actual_drift_start) / _SECONDS_AN_HOUR

    def verify(self) -> None:
        """Raise `Problem` for times out of order, or a delay that differs from theirs.

        The tolerance is one minute or one percent, whichever is larger.
        """
        elapsed = self.elapsed_hours
        if elapsed < 0:
            raise Problem(
                "detected_at", "a time not before actual_drift_start", f"{elapsed:.3g} hours after it"
            )
        if self.delay_hours is None:
            return
        tolerance = max(_ROUNDING_S / _SECONDS_AN_HOUR, 0.01 * elapsed)
        if abs(self.delay_hours - elapsed) > tolerance:
            raise Problem("delay_hours", f"{elapsed:.4g}, as the two times say", f"{self.delay_hours:.4g}")


class NoiseIssue(Payload, frozen=True, kw_only=True):
    """A feature's monitor raises too many false alarms."""

    false_alarms_per_day: NotNegative
    window_size: Annotated[int, Meta(ge=1)]
    feature: Name


class MonitoringPerformance(Payload, frozen=True, kw_only=True):
    """The time and memory that a run used."""

    window_size: Annotated[int, Meta(ge=1)]
    computation_time_ms: NotNegative
    timeout_occurred: bool
    memory_usage_mb: NotNegative | None = None
    feature: str | None = None
    feature_count: Count | None = None


class ErrorContext(msgspec.Struct, frozen=True, kw_only=True):
    """The computation that failed."""

    data_size: Count | None = None
    feature_count: Count | None = None
    computation: str | None = None


class ErrorOccurred(Payload, frozen=True, kw_only=True):
    """A monitor failed."""

    error_type: Name
    context: ErrorContext  # type: ignore[assignment]
    error_id: str | None = None
    recovery_action: str | None = None


class ErrorRecovery(Payload, frozen=True, kw_only=True):
    """A recovery attempt after a failure, and whether it succeeded."""

    error_id: Name
    recovery_strategy: Name
    success: bool
    quality_loss: Fraction | None = None


class DataQualityIssue(Payload, frozen=True, kw_only=True):
    """Something is wrong with a feature's data."""

    issue_type: Name
    feature: Name
    caused_crash: bool
    percent_missing: Percent | None = None


class MonitoringCost(Payload, frozen=True, kw_only=True):
    """The cost and value of a run."""

    execution_id: Name
    compute_cost: Usd
    features_monitored: Count | None = None
    drift_detected: bool | None = None
    business_value: Usd | None = None

    def verify(self) -> None:
        """Raise `Problem` for a negative cost."""
        _at_least_nothing("compute_cost", self.compute_cost)


class ValueDelivered(Payload, frozen=True, kw_only=True):
    """The loss that a detected drift prevented."""

    drift_catch: Name
    prevented_loss: Usd
    monitoring_cost: Usd
    roi: float | None = None

    def verify(self) -> None:
        """Raise `Problem` for negative amounts."""
        _at_least_nothing("prevented_loss", self.prevented_loss)
        _at_least_nothing("monitoring_cost", self.monitoring_cost)


class OptimizationNeeded(Payload, frozen=True, kw_only=True):
    """A report that monitoring is too expensive."""

    monthly_cost: Usd
    drifts_caught: Count | None = None
    false_positives: Count | None = None
    suggestion: str | None = None

    def verify(self) -> None:
        """Raise `Problem` for a negative cost."""
        _at_least_nothing("monthly_cost", self.monthly_cost)


def _at_least_nothing(path: str, amount: float) -> None:
    if amount < 0:
        raise Problem(path, "at least $0", f"${amount:g}")


class DriftImpact(Payload, frozen=True, kw_only=True):
    """The performance loss of a model when a feature drifted."""

    feature: Name
    drift_score: Annotated[float, Meta(ge=0)]
    model_performance_drop: float  # negative: the performance improved
    business_metric_impact: Impact | None = None


class MetricDegradation(Payload, frozen=True, kw_only=True):
    """A drop in a business metric, and the drifted features that correlate with it."""

    metric: Name
    drop_percent: Percent
    correlated_drifted_features: tuple[str, ...] = ()
    uncorrelated_drifted_features: tuple[str, ...] = ()


class InteractionDiscovered(Payload, frozen=True, kw_only=True):
    """An interaction of two features."""

    primary_feature: Name
    interacting_feature: Name
    combined_impact: Impact
    individual_impact: Impact | None = None


class AlertResponse(Payload, frozen=True, kw_only=True):
    """The action that someone took on an alert."""

    alert_id: Name
    action_taken: Literal["ignored", "acknowledged", "investigated", "resolved", "escalated"]
    time_to_acknowledge: Seconds | None = None
    reason: str | None = None


class AlertUsefulness(Payload, frozen=True, kw_only=True):
    """Whether a batch of alerts was worth reading."""

    alert_batch: Annotated[tuple[str, ...], Meta(min_length=1)]
    useful: bool
    investigated: tuple[str, ...] = ()
    feedback: str | None = None


class ThresholdAdjustment(Payload, frozen=True, kw_only=True):
    """A manual adjustment of a threshold."""

    feature: Name
    old_threshold: float
    manually_adjusted_to: float
    reason: str | None = None


class RecordedScore(msgspec.Struct, frozen=True, kw_only=True):
    """One statistic of an execution; the `own_…` fields describe it on the reference's own windows."""

    statistic: float
    p_value: Fraction | None = None
    own_q90: float | None = None
    own_max: float | None = None
    own_mean: float | None = None
    own_sd: float | None = None


class ExecutionProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The measured properties of the samples."""

    kind: str | None = None
    n_current: Count | None = None
    n_reference: Count | None = None
    n_unique: Count | None = None
    missing_fraction: Fraction | None = None
    skewness: float | None = None
    tail_weight: float | None = None
    autocorrelation: float | None = None
    period: NotNegative | None = None  # seconds
    seasonal_strength: Fraction | None = None


class ExecutionRecorded(Payload, frozen=True, kw_only=True):
    """One run of a policy; feedback cites it by `execution_id`."""

    execution_id: Name
    policy: Name
    version: Count
    drifted: bool
    feature: str = ""
    test: str | None = None
    score: float | None = None
    threshold: float | None = None
    scores: dict[str, RecordedScore] = msgspec.field(default_factory=dict)
    profile: ExecutionProfile = ExecutionProfile()
    window_size: Count | None = None
    data_velocity: Positive | None = None  # points per hour
    computation_time_ms: NotNegative | None = None
    audit: bool = False
    propensity: Annotated[float, Meta(gt=0, le=1)] = 1.0


class PolicyExecuted(Payload, frozen=True, kw_only=True):
    """One run of a policy, recorded as plain data; feedback cites it by `execution_id`."""

    execution_id: Name
    policy: Name
    version: Count = 0
    arguments: dict[str, Scalar] = msgspec.field(default_factory=dict)
    answer: Any = None


class AlertRaised(Payload, frozen=True, kw_only=True):
    """An alert that was sent or suppressed."""

    alert_id: Name
    execution_ids: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    severity: str | None = None
    group: str | None = None
    suppressed: bool = False
    reason: str | None = None


class LearningEpochStarted(Payload, frozen=True, kw_only=True):
    """The epoch of 65 536 log positions at which learners first started after the start of the log."""

    page: Annotated[int, Meta(ge=2)]  # number of the epoch
