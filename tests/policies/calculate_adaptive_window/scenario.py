"""The scenario that `calculate_adaptive_window` was designed for, as events: the same on every machine."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from poet.events import Event
from tests.builders import PEOPLE, events_of


def events() -> list[Event]:
    """Fast features are seen late through large windows, slow ones are noisy in small ones."""
    return events_of(_windows(np.random.default_rng(2)))


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
            PEOPLE[k % 4],
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
            PEOPLE[(k + 1) % 4],
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
