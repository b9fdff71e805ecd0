"""Feedback on which features matter and on alerts."""

from typing import Annotated, Literal

from msgspec import Meta

from poet.events._accuracy import Impact
from poet.events._payload import Name, Payload, Percent
from poet.events.units import Seconds

__all__ = [
    "AlertResponse",
    "AlertUsefulness",
    "DriftImpact",
    "InteractionDiscovered",
    "MetricDegradation",
    "ThresholdAdjustment",
]


class DriftImpact(Payload, frozen=True, kw_only=True):
    """How much a model lost when a feature drifted."""

    feature: Name
    drift_score: Annotated[float, Meta(ge=0)]
    model_performance_drop: float  # negative: it gained
    business_metric_impact: Impact | None = None


class MetricDegradation(Payload, frozen=True, kw_only=True):
    """A business metric fell, and which drifting features moved with it."""

    metric: Name
    drop_percent: Percent
    correlated_drifted_features: tuple[str, ...] = ()
    uncorrelated_drifted_features: tuple[str, ...] = ()


class InteractionDiscovered(Payload, frozen=True, kw_only=True):
    """Two features matter together."""

    primary_feature: Name
    interacting_feature: Name
    combined_impact: Impact
    individual_impact: Impact | None = None


class AlertResponse(Payload, frozen=True, kw_only=True):
    """What somebody did about an alert."""

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
    """A person moved a threshold by hand."""

    feature: Name
    old_threshold: float
    manually_adjusted_to: float
    reason: str | None = None
