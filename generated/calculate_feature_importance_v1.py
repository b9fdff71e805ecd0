"""Calculate how much a feature's drift matters.

Version 1 of calculate_feature_importance, start baseline.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

__all__ = ["calculate_feature_importance"]

VERSION = 1
BASE_IMPORTANCE = 1.0  # start: every feature matters alike


def calculate_feature_importance(feature_name, context) -> float:
    """Give the importance of a feature in a context; `context` may hold its `base_importance`."""
    # base
    return float((context or {}).get("base_importance", BASE_IMPORTANCE))
