"""What POET itself writes: executions, alerts, and from where in a long log it has begun to read."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from poet.events._payload import Count, Fraction, Name, NotNegative, Payload, Positive, Scalar

__all__ = [
    "AlertRaised",
    "ExecutionProfile",
    "ExecutionRecorded",
    "LearningBegun",
    "PolicyExecuted",
    "RecordedScore",
]


class RecordedScore(msgspec.Struct, frozen=True, kw_only=True):
    """One statistic of an execution; `own_…` describe it on the reference's own windows."""

    statistic: float
    p_value: Fraction | None = None
    own_q90: float | None = None
    own_max: float | None = None
    own_mean: float | None = None
    own_sd: float | None = None


class ExecutionProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of the samples."""

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
    """One run of a policy: what feedback cites by `execution_id`."""

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
    """One run of a policy, recorded as plain data: what feedback cites by `execution_id`."""

    execution_id: Name
    policy: Name
    version: Count = 0
    arguments: dict[str, Scalar] = msgspec.field(default_factory=dict)
    answer: Any = None


class AlertRaised(Payload, frozen=True, kw_only=True):
    """An alert went out, or was held back."""

    alert_id: Name
    execution_ids: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    severity: str | None = None
    group: str | None = None
    suppressed: bool = False
    reason: str | None = None


class LearningBegun(Payload, frozen=True, kw_only=True):
    """Learners first began to read later than at the start of the log: at this page of 65 536 positions."""

    page: Annotated[int, Meta(ge=2)]
