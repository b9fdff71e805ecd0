"""The scenario that `calculate_feature_importance` was designed for, as events: the same on every machine."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from poet.events import Event
from tests.builders import PEOPLE, events_of


def events() -> list[Event]:
    """Price and discount matter three times as much on black friday, the user's location never does."""
    return events_of(_impacts(np.random.default_rng(3)))


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
            PEOPLE[k % 4],
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
                PEOPLE[k // 10 % 4],
                {
                    "primary_feature": "price",
                    "interacting_feature": "day_of_week",
                    "combined_impact": "high",
                    "individual_impact": "low",
                },
            )
