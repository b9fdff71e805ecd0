"""Functions that `adaptive_monitoring_strategy` uses to read a model's context."""

import math
from typing import Any

from poet_runtime.context import Context, get, get_names


def has_recent_incident(model_context: Context, within_days: float) -> bool:
    """Return whether the model had an incident within the last `within_days` days.

    `recent_incidents` is the number of incidents. `days_since_incident`, if given, is the age of the latest
    one in days. An incident older than `within_days` does not count.

    >>> from poet_runtime.strategy import has_recent_incident
    >>> has_recent_incident({"recent_incidents": 1, "days_since_incident": 9}, within_days=7)
    False
    """
    if _number(get(model_context, "recent_incidents"), 0.0) <= 0.0:
        return False
    days = _number(get(model_context, "days_since_incident"), 0.0)
    return not days > within_days


def drift_rate(model_context: Context) -> float:
    """Return the historical drift rate, or infinity if unknown: then the model does not count as stable.

    >>> from poet_runtime.strategy import drift_rate
    >>> drift_rate({"historical_drift_rate": 0.02}), drift_rate({})
    (0.02, inf)
    """
    found = _number(get(model_context, "historical_drift_rate"), math.inf)
    return found if found >= 0.0 else math.inf


def top_features(model_context: Context, top: int, *, first: frozenset[str]) -> tuple[str, ...]:
    """Return up to `top` of the model's features: those in `first`, then the others, each sorted by name.

    If the context names no features, the features in `first` are used.

    >>> from poet_runtime.strategy import top_features
    >>> top_features({"features": ["city", "age", "price"]}, 2, first=frozenset({"price"}))
    ('price', 'age')
    """
    own = get_names(model_context, "features") or first
    return tuple(sorted(own, key=lambda name: (name not in first, name))[:top])


def _number(value: Any, default: float) -> float:
    if isinstance(value, bool) or value is None:
        return default
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return default
