"""The scenario that `monitor_with_recovery` was designed for, as events: the same on every machine."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from poet.events import Event
from tests.builders import events_of


def events() -> list[Event]:
    """Large tables time out and a sample of 10 000 rows does; columns without values crash the monitor."""
    return events_of(_faults(np.random.default_rng(5)))


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
