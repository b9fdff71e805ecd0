"""The scenarios that every policy was drawn for, as events: what people and monitors would have said.

Each function gives the events of one scenario, the same on every machine. `tests/golden/<policy>/scenario`
keeps them with the decisions and the module that they teach.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from poet.events import Event, make

__all__ = ["SCENARIOS", "START"]

START = {"detect_drift": "ks"}  # every other policy has one start
_HOUR = 3600.0
_BEGUN = 1_704_067_200.0  # 2024-01-01
_PEOPLE = ("user/ana", "user/ben", "user/cem", "user/dia")


def _events(told: Iterator[tuple[str, str, dict[str, Any]]], *, hours: float = 2.0) -> list[Event]:
    """Make events of (type, source, payload), so many hours apart."""
    return [
        make(type_, data, source=source, id=f"e{k:04}", time=_BEGUN + k * hours * _HOUR)
        for k, (type_, source, data) in enumerate(told)
    ]


def seasonal_adjustment() -> list[Event]:
    """KS cries wolf on seasonal features, where the deseasonalised distance tells drifts from tides."""
    return _events(_drifts(np.random.default_rng(1)), hours=0.5)


def _drifts(chance: np.random.Generator) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for k in range(120):
        is_seasonal = k % 3 != 2
        real = bool(chance.random() < (0.25 if is_seasonal else 0.95))
        is_far = real and is_seasonal  # without a season small shifts are real as well
        distance = float(chance.uniform(2.2, 4.0) if is_far else chance.uniform(0.2, 1.1))
        profile = {"kind": "numeric", "n_current": 500, "n_reference": 5000}
        season = {"period": 86_400.0, "seasonal_strength": 0.7} if is_seasonal else {}
        calibrated = {"own_q90": 1.0, "own_max": 1.3, "own_mean": 0.5, "own_sd": 0.3}
        yield (
            "execution.recorded",
            "poet",
            {
                "execution_id": f"x{k}",
                "policy": "detect_drift",
                "version": 1,
                "feature": "page_views" if is_seasonal else "user_age",
                "drifted": True,
                "test": "ks/raw/p_value",
                "score": 0.001,
                "threshold": 0.05,
                "scores": {
                    "ks/raw": {"statistic": 0.2, "p_value": 0.001},
                    "wasserstein/deseasonalised": {"statistic": round(distance, 3), **calibrated},
                },
                "profile": profile | season,
            },
        )
        if real:
            data: dict[str, Any] = {"was_real_drift": True, "business_impact": "high"}
            yield "drift.validation", _PEOPLE[k % 4], {"execution_id": f"x{k}"} | data
        else:
            data = {"reason": "seasonal_pattern", "wasted_investigation_time": "2_hours"}
            yield "drift.false_positive", _PEOPLE[k % 4], {"execution_id": f"x{k}"} | data


def velocity_branches() -> list[Event]:
    """Fast features are seen late through large windows, slow ones are noisy in small ones."""
    return _events(_windows(np.random.default_rng(2)))


def _windows(chance: np.random.Generator) -> Iterator[tuple[str, str, dict[str, Any]]]:
    velocity = {"revenue": 8e3, "conversions": 2e4, "click_rate": 1.2e4, "page_views": 3e4, "user_age": 1e3,
                "basket_size": 2e3}  # fmt: skip
    for k in range(150):
        feature = str(chance.choice(list(velocity)))
        window = int(chance.choice((500, 2_000, 5_000, 10_000), p=(0.5, 0.15, 0.2, 0.15)))
        is_fast = velocity[feature] > 5_000.0
        hours = (0.2 + window / 1_000.0 if is_fast else 2.0 + window / 2_500.0) * chance.lognormal(0.0, 0.3)
        minutes = max(round(60.0 * hours), 1)
        yield (
            "drift.detection_delay",
            _PEOPLE[k % 4],
            {
                "actual_drift_start": "2024-01-15T10:00:00",
                "detected_at": f"2024-01-{15 + (600 + minutes) // 1440}T"
                f"{(600 + minutes) // 60 % 24:02}:{minutes % 60:02}:00",
                "window_size_used": window,
                "data_velocity": velocity[feature],
                "feature": feature,
            },
        )
        alarms = 1.0 if is_fast else max(1.0, 12.0 * (500.0 / window) ** 0.7)
        if feature in ("revenue", "conversions") and window <= 500:
            alarms = 10.0
        yield (
            "drift.noise_issue",
            _PEOPLE[(k + 1) % 4],
            {
                "false_alarms_per_day": round(alarms * float(chance.lognormal(0.0, 0.4)), 1),
                "window_size": window,
                "feature": feature,
            },
        )
        size = int(chance.choice((1_000, 5_000, 10_000, 20_000, 50_000)))
        yield (
            "monitoring.performance",
            f"monitor/{k % 2}",
            {
                "window_size": size,
                "memory_usage_mb": 40.0 + size / 25.0,
                "computation_time_ms": size / 10.0,
                "timeout_occurred": size >= 50_000 and k % 10 > 0,
            },
        )


def black_friday() -> list[Event]:
    """Price and discount matter three times as much on black friday, the user's location never does."""
    return _events(_impacts(np.random.default_rng(3)))


def _impacts(chance: np.random.Generator) -> Iterator[tuple[str, str, dict[str, Any]]]:
    features = ("price", "discount", "user_age", "ad_spend", "user_location")
    for k in range(240):
        feature = features[k % 5]
        season = str(chance.choice(("black_friday", "ordinary", "ordinary")))
        effect = 3.0 if season == "black_friday" and feature in ("price", "discount") else 1.0
        effect = 0.1 if feature == "user_location" else effect
        score = round(float(chance.uniform(0.3, 0.9)), 2)
        drop = 0.15 * effect * score * float(chance.lognormal(0.0, 0.2))
        yield (
            "feature.drift_impact",
            _PEOPLE[k % 4],
            {
                "feature": feature,
                "drift_score": score,
                "model_performance_drop": round(drop, 4),
                "business_metric_impact": "none" if effect < 0.5 else "medium",
                "context": {"time_of_year": season},
            },
        )
        if k % 10 == 0:
            yield (
                "feature.interaction_discovered",
                _PEOPLE[k // 10 % 4],
                {
                    "primary_feature": "price",
                    "interacting_feature": "day_of_week",
                    "combined_impact": "high",
                    "individual_impact": "low",
                },
            )


def alert_fatigue() -> list[Event]:
    """Three alerts are one cause again and again, one is never of use, repeats annoy."""
    return _events(_fatigue(), hours=1.0)


def _fatigue() -> Iterator[tuple[str, str, dict[str, Any]]]:
    together = ("ad_spend", "clicks", "sessions")
    for k in range(60):
        person = _PEOPLE[k % 4]
        alerts = [f"drift-{k}-{feature}" for feature in together]
        for alert, feature in zip(alerts, together, strict=True):
            yield "alert.raised", "poet", {"alert_id": alert, "features": [feature], "severity": "medium"}
        batch = {"alert_batch": alerts, "investigated": alerts[:1], "useful": False}
        if k % 3 == 0:
            yield "alert.usefulness", person, batch | {"feedback": "all_same_root_cause"}
        alone = {"alert_id": f"drift-{k}-latency", "features": ["latency_p50"], "severity": "medium"}
        yield "alert.raised", "poet", alone
        yield (
            "alert.usefulness",
            person,
            {"alert_batch": [f"drift-{k}-latency"], "investigated": [f"drift-{k}-latency"], "useful": False},
        )
        if k % 4 == 0:
            yield (
                "alert.response",
                person,
                {
                    "alert_id": f"drift-{k}",
                    "time_to_acknowledge": 3600,
                    "action_taken": "ignored",
                    "reason": "too_many_similar_alerts",
                },
            )
    for k in range(3):
        adjusted = {"feature": "latency", "old_threshold": 0.05, "manually_adjusted_to": 0.15}
        yield "threshold.adjustment", _PEOPLE[k], adjusted | {"reason": "too_sensitive_for_this_feature"}


def sampling_and_sparse() -> list[Event]:
    """Large tables time out and a sample of 10 000 rows does; columns without values crash the monitor."""
    return _events(_faults(np.random.default_rng(5)))


def _faults(chance: np.random.Generator) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for k in range(120):
        monitor = f"monitor/{k % 3}"
        rows = int(chance.choice((5_000, 10_000, 20_000, 60_000, 100_000)))
        if rows > 50_000:
            context = {"data_size": rows, "feature_count": 500, "computation": "kl_divergence"}
            action = {"recovery_action": "fallback_to_sampling"}
            yield (
                "error.occurred",
                monitor,
                {"error_id": f"err-{k}", "error_type": "timeout", "context": context} | action,
            )
            sample = (10_000, 0.05) if k % 3 else (1_000, 0.3)
            yield (
                "error.recovery",
                monitor,
                {
                    "error_id": f"err-{k}",
                    "recovery_strategy": "adaptive_sampling",
                    "success": True,
                    "quality_loss": sample[1],
                    "context": {"sample_rows": sample[0]},
                },
            )
        else:
            seconds = 0.004 * rows * float(chance.lognormal(0.0, 0.2))
            yield (
                "monitoring.performance",
                monitor,
                {
                    "window_size": rows,
                    "computation_time_ms": round(seconds),
                    "timeout_occurred": False,
                    "context": {"feature_count": 500, "computation": "kl_divergence"},
                },
            )
        if k % 3 == 0:
            missing = (40, 70, 95, 97)[k // 3 % 4]
            yield (
                "data.quality_issue",
                monitor,
                {
                    "issue_type": "sparse_data",
                    "feature": "new_user_attribute",
                    "percent_missing": missing,
                    "caused_crash": missing > 90,
                },
            )


def critical_quiet_incident() -> list[Event]:
    """To monitor critical models pays, to monitor quiet ones does not, and drifts come in swarms."""
    return _events(_money(np.random.default_rng(6)), hours=4.0)


def _money(chance: np.random.Generator) -> Iterator[tuple[str, str, dict[str, Any]]]:
    incident = -10_000
    for k in range(160):
        person = _PEOPLE[k % 4]
        yield (
            "monitoring.cost",
            "monitor/billing",
            {
                "execution_id": f"run-{k}",
                "compute_cost": "$0.50",
                "features_monitored": 100,
                "drift_detected": False,
                "business_value": 0,
                "context": {"business_impact": "low", "historical_drift_rate": 0.005},
            },
        )
        if k % 6 == 0:
            yield (
                "monitoring.value_delivered",
                person,
                {
                    "drift_catch": f"drift-{k}",
                    "prevented_loss": 50_000,
                    "monitoring_cost": 100,
                    "roi": 500,
                    "context": {"business_impact": "critical"},
                },
            )
        if k % 2 == 0:
            yield (
                "resource.optimization_needed",
                person,
                {
                    "monthly_cost": 5000,
                    "drifts_caught": 2,
                    "false_positives": 48,
                    "suggestion": "reduce_frequency",
                    "context": {"historical_drift_rate": 0.005},
                },
            )
        is_soon = k - incident <= 5
        real = bool(chance.random() < (0.95 if is_soon else 0.1))
        is_incident = real and not is_soon
        verdict = {"execution_id": f"x{k}", "was_real_drift": real, "feature": ("price", "discount")[k % 2]}
        if real:
            verdict["business_impact"] = "critical" if is_incident else "low"
        incident = k if is_incident else incident
        yield "drift.validation", person, verdict


SCENARIOS: dict[str, Callable[[], list[Event]]] = {
    "detect_drift": seasonal_adjustment,
    "calculate_adaptive_window": velocity_branches,
    "calculate_feature_importance": black_friday,
    "generate_alerts": alert_fatigue,
    "monitor_with_recovery": sampling_and_sparse,
    "adaptive_monitoring_strategy": critical_quiet_incident,
}
