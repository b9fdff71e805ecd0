"""The scenario that `detect_drift` was designed for, as events: the same on every machine."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from poet.events import Event
from tests.builders import PEOPLE, events_of

START: Final = "ks"


def events() -> list[Event]:
    """KS cries wolf on seasonal features, where the deseasonalised distance tells drifts from tides."""
    return events_of(_drifts(np.random.default_rng(1)), hours=0.5)


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
            yield "drift.validation", PEOPLE[k % 4], {"execution_id": f"x{k}"} | data
        else:
            data = {"reason": "seasonal_pattern", "wasted_investigation_time": "2_hours"}
            yield "drift.false_positive", PEOPLE[k % 4], {"execution_id": f"x{k}"} | data
