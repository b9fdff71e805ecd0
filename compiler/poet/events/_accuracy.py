"""Feedback on drift accuracy and on windows."""

from typing import Annotated, Literal

from msgspec import Meta

from poet.events._payload import Count, Name, NotNegative, Payload, Positive, Problem
from poet.events.units import Instant, Seconds, Usd

__all__ = [
    "DetectionDelay",
    "FalsePositive",
    "Impact",
    "ModelRetrained",
    "MonitoringPerformance",
    "NoiseIssue",
    "Validation",
]

Impact = Literal["none", "low", "medium", "high", "critical"]
_SECONDS_AN_HOUR = 3600.0
_ROUNDING_S = 60.0


class Validation(Payload, frozen=True, kw_only=True):
    """A person looked at an execution and says whether the drift was real."""

    execution_id: Name
    was_real_drift: bool
    feature: str | None = None
    business_impact: Impact | None = None
    root_cause: str | None = None


class ModelRetrained(Payload, frozen=True, kw_only=True):
    """A model was trained again because of an alert; `trigger` is ``drift_alert_<execution_id>``."""

    trigger: Name
    performance_before: float
    performance_after: float
    retraining_cost: Usd | None = None

    @property
    def execution_id(self) -> str:
        """The execution that the trigger names."""
        return self.trigger.removeprefix("drift_alert_")


class FalsePositive(Payload, frozen=True, kw_only=True):
    """An alert was not a drift."""

    execution_id: Name
    reason: str | None = None
    wasted_investigation_time: Seconds | None = None

    def verify(self) -> None:
        """Refuse a negative wasted time."""
        if self.wasted_investigation_time is not None and self.wasted_investigation_time < 0:
            raise Problem("wasted_investigation_time", "at least 0", f"{self.wasted_investigation_time:g}")


class DetectionDelay(Payload, frozen=True, kw_only=True):
    """A drift was found late; `execution_id` names the silent execution that missed it."""

    actual_drift_start: Instant
    detected_at: Instant
    window_size_used: Annotated[int, Meta(ge=1)]
    data_velocity: Positive  # points per hour
    delay_hours: NotNegative | None = None
    feature: str | None = None
    execution_id: str | None = None

    @property
    def elapsed_hours(self) -> float:
        """Hours between the two times."""
        return (self.detected_at - self.actual_drift_start) / _SECONDS_AN_HOUR

    def verify(self) -> None:
        """Refuse times out of order, and a delay that is not theirs within a minute or one per cent."""
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
    """A feature's monitor cries wolf."""

    false_alarms_per_day: NotNegative
    window_size: Annotated[int, Meta(ge=1)]
    feature: Name


class MonitoringPerformance(Payload, frozen=True, kw_only=True):
    """What a run took."""

    window_size: Annotated[int, Meta(ge=1)]
    computation_time_ms: NotNegative
    timeout_occurred: bool
    memory_usage_mb: NotNegative | None = None
    feature: str | None = None
    feature_count: Count | None = None
