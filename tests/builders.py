"""Small builders that several tests share."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from poet.events import Event, make
from poet.log import BufferedLog
from poet.review.document import PlannedPolicy
from poet.summaries import Summaries, seal, summarise
from tests.stores import opened

PEOPLE: Final = ("user/ana", "user/ben", "user/cem", "user/dia")
BEGUN: Final = 1_704_067_200.0  # 2024-01-01
HOUR_S: Final = 3600.0
SEED_PAYLOADS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "drift.validation",
        {
            "execution_id": "uuid-123",
            "feature": "user_age",
            "was_real_drift": True,
            "business_impact": "high",
            "root_cause": "demographic_shift",
        },
    ),
    (
        "model.retrained",
        {
            "trigger": "drift_alert_uuid-123",
            "performance_before": 0.82,
            "performance_after": 0.91,
            "retraining_cost": "$1200",
        },
    ),
    (
        "drift.false_positive",
        {"execution_id": "uuid-456", "reason": "seasonal_pattern", "wasted_investigation_time": "2_hours"},
    ),
    (
        "drift.detection_delay",
        {
            "actual_drift_start": "2024-01-15T10:00:00",
            "detected_at": "2024-01-15T14:00:00",
            "delay_hours": 4,
            "window_size_used": 10000,
            "data_velocity": 1000,
        },
    ),
    ("drift.noise_issue", {"false_alarms_per_day": 15, "window_size": 100, "feature": "click_rate"}),
    (
        "monitoring.performance",
        {
            "window_size": 50000,
            "memory_usage_mb": 2048,
            "computation_time_ms": 5000,
            "timeout_occurred": True,
        },
    ),
    (
        "feature.drift_impact",
        {
            "feature": "user_location",
            "drift_score": 0.8,
            "model_performance_drop": 0.02,
            "business_metric_impact": "none",
        },
    ),
    (
        "business.metric_degradation",
        {
            "metric": "conversion_rate",
            "drop_percent": 15,
            "correlated_drifted_features": ["ad_spend", "user_segment"],
            "uncorrelated_drifted_features": ["browser_type", "device_id"],
        },
    ),
    (
        "feature.interaction_discovered",
        {
            "primary_feature": "price",
            "interacting_feature": "day_of_week",
            "combined_impact": "high",
            "individual_impact": "low",
        },
    ),
    (
        "alert.response",
        {
            "alert_id": "drift-789",
            "time_to_acknowledge": 3600,
            "action_taken": "ignored",
            "reason": "too_many_similar_alerts",
        },
    ),
    (
        "alert.usefulness",
        {
            "alert_batch": ["drift-1", "drift-2", "drift-3"],
            "investigated": ["drift-1"],
            "useful": False,
            "feedback": "all_same_root_cause",
        },
    ),
    (
        "threshold.adjustment",
        {
            "feature": "latency",
            "old_threshold": 0.05,
            "manually_adjusted_to": 0.15,
            "reason": "too_sensitive_for_this_feature",
        },
    ),
    (
        "error.occurred",
        {
            "error_type": "timeout",
            "context": {"data_size": 100000, "feature_count": 500, "computation": "kl_divergence"},
            "recovery_action": "fallback_to_sampling",
        },
    ),
    (
        "error.recovery",
        {
            "error_id": "err-123",
            "recovery_strategy": "adaptive_sampling",
            "success": True,
            "quality_loss": 0.05,
        },
    ),
    (
        "data.quality_issue",
        {
            "issue_type": "sparse_data",
            "feature": "new_user_attribute",
            "percent_missing": 95,
            "caused_crash": True,
        },
    ),
    (
        "monitoring.cost",
        {
            "execution_id": "run-456",
            "compute_cost": 0.50,
            "features_monitored": 100,
            "drift_detected": False,
            "business_value": 0,
        },
    ),
    (
        "monitoring.value_delivered",
        {"drift_catch": "drift-789", "prevented_loss": 50000, "monitoring_cost": 100, "roi": 500},
    ),
    (
        "resource.optimization_needed",
        {
            "monthly_cost": 5000,
            "drifts_caught": 2,
            "false_positives": 48,
            "suggestion": "reduce_frequency",
        },
    ),
)


def events_of(payloads: Iterator[tuple[str, str, dict[str, Any]]], *, hours: float = 2.0) -> list[Event]:
    """Create the events of a scenario from (type, source, payload), some hours apart."""
    return [
        make(type_, data, source=source, id=f"e{k:04}", time=BEGUN + k * hours * HOUR_S)
        for k, (type_, source, data) in enumerate(payloads)
    ]


def validation(number: int, *, was_real: bool = True, source: str = "user/ana") -> Event:
    """Return a label of execution x<number>, an hour after the previous one."""
    data = {"execution_id": f"x{number}", "was_real_drift": was_real}
    return make("drift.validation", data, source=source, id=f"v{number}-{source}", time=3600.0 * number)


def execution(number: int, *, drifted: bool = True, **fields: Any) -> Event:
    """Return the record of execution x<number>."""
    data = {
        "execution_id": f"x{number}",
        "policy": "detect_drift",
        "version": 1,
        "drifted": drifted,
        "profile": {"kind": "numeric", "n_reference": 500, "n_current": 50},
    }
    return make("execution.recorded", data | fields, source="poet", id=f"x{number}", time=3600.0 * number)


def filled_log(folder: Path, events: Iterable[Event]) -> BufferedLog:
    """Open a log with these events in the tested store."""
    log = opened(folder)
    log.append(events, durable=True)
    return log


def summaries_of(folder: Path, events: Iterable[Event]) -> Summaries:
    """Log these events, seal them and return their summaries."""
    with filled_log(folder / "log", events) as log:
        seal(log, folder / "segments")
    return summarise(folder / "segments")


def planned(policy: str, **fields: Any) -> PlannedPolicy:
    """Return the plan of a policy from version 1 to version 2."""
    return PlannedPolicy(policy=policy, is_change=True, active_version=1, next_version=2, **fields)
