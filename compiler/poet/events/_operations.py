"""Feedback on errors and on cost."""

import msgspec

from poet.events._payload import Count, Fraction, Name, Payload, Percent, Problem
from poet.events.units import Usd

__all__ = [
    "DataQualityIssue",
    "ErrorContext",
    "ErrorOccurred",
    "ErrorRecovery",
    "MonitoringCost",
    "OptimizationNeeded",
    "ValueDelivered",
]


class ErrorContext(msgspec.Struct, frozen=True, kw_only=True):
    """What was being computed when it failed."""

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
    """What was tried after a failure, and whether it worked."""

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
    """What a run cost and brought."""

    execution_id: Name
    compute_cost: Usd
    features_monitored: Count | None = None
    drift_detected: bool | None = None
    business_value: Usd | None = None

    def verify(self) -> None:
        """Refuse a negative cost."""
        _at_least_nothing("compute_cost", self.compute_cost)


class ValueDelivered(Payload, frozen=True, kw_only=True):
    """What a caught drift saved."""

    drift_catch: Name
    prevented_loss: Usd
    monitoring_cost: Usd
    roi: float | None = None

    def verify(self) -> None:
        """Refuse negative amounts."""
        _at_least_nothing("prevented_loss", self.prevented_loss)
        _at_least_nothing("monitoring_cost", self.monitoring_cost)


class OptimizationNeeded(Payload, frozen=True, kw_only=True):
    """Somebody finds monitoring too dear."""

    monthly_cost: Usd
    drifts_caught: Count | None = None
    false_positives: Count | None = None
    suggestion: str | None = None

    def verify(self) -> None:
        """Refuse a negative cost."""
        _at_least_nothing("monthly_cost", self.monthly_cost)


def _at_least_nothing(path: str, amount: float) -> None:
    if amount < 0:
        raise Problem(path, "at least $0", f"${amount:g}")
