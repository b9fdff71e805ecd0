"""The scenario that `adaptive_monitoring_strategy` was designed for, as events: the same on every machine."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from poet.events import Event
from tests.builders import PEOPLE, events_of


def events() -> list[Event]:
    """To monitor critical models pays, to monitor quiet ones does not, and drifts come in swarms."""
    return events_of(_money(np.random.default_rng(6)), hours=4.0)


def _money(chance: np.random.Generator) -> Iterator[tuple[str, str, dict[str, Any]]]:
    incident = -10_000
    for k in range(160):
        person = PEOPLE[k % 4]
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
