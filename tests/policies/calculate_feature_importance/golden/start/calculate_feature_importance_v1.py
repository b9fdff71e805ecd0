"""Calculate how much a feature's drift matters.

Version 1 of calculate_feature_importance, start baseline.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.context import field

__all__ = ["calculate_feature_importance"]

VERSION = 1
BASE_IMPORTANCE = 1.0  # start: all features are equally important


def calculate_feature_importance(feature_name, context) -> float:
    """Give the importance of a feature in a context, within a tenth and ten times its base.

    `context` is a mapping or an object; it may hold `base_importance`, `other_features`, `time_of_year`
    and any other scalar.
    """
    # base
    base = float(field(context, "base_importance", BASE_IMPORTANCE))
    return base
