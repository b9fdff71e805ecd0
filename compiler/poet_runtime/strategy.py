"""What `adaptive_monitoring_strategy` asks of a model's circumstances."""

import math
from typing import Any

from poet_runtime.context import field, names


def has_recent_incident(model_context: Any, within_days: float) -> bool:
    """Tell whether the model had incidents lately.

    `recent_incidents` counts them; `days_since_incident`, where given, says how long ago the last one was:
    after `within_days` it justifies nothing any more.
    """
    if _number(field(model_context, "recent_incidents"), 0.0) <= 0.0:
        return False
    days = _number(field(model_context, "days_since_incident"), 0.0)
    return not days > within_days


def rate(model_context: Any) -> float:
    """Give the historical drift rate; infinite where it is unknown, for then the model is no quiet one."""
    found = _number(field(model_context, "historical_drift_rate"), math.inf)
    return found if found >= 0.0 else math.inf


def top_features(model_context: Any, first: frozenset[str], top: int) -> tuple[str, ...]:
    """Give `top` of the model's features, those in `first` before others, each kind by name.

    A model that names no features gets those in `first`.
    """
    own = names(field(model_context, "features")) or first
    return tuple(sorted(own, key=lambda name: (name not in first, name))[:top])


def _number(value: Any, default: float) -> float:
    if isinstance(value, bool) or value is None:
        return default
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return default
