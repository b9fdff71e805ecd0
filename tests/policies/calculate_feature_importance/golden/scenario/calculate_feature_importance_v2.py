"""Calculate how much a feature's drift matters.

Version 2 of calculate_feature_importance, revises version 1.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.context import field, names

__all__ = ["calculate_feature_importance"]

VERSION = 2
BASE_IMPORTANCE = 1.0  # start: all features are equally important
# was multiplier 1: 0.0152 of performance lost per unit of drift, 0.159 for other features, n = 47
NEVER_MATTERS_FEATURES = frozenset({"user_location"})
NEVER_MATTERS_MULTIPLIER = 0.1  # as above
# was multiplier 1: price and day_of_week together matter more than price alone, n = 24
PRICE_WITH_DAY_OF_WEEK_FEATURE = "price"
PRICE_WITH_DAY_OF_WEEK_OTHER = "day_of_week"  # as above
PRICE_WITH_DAY_OF_WEEK_MULTIPLIER = 1.5  # as above
# was multiplier 1: 0.442 of performance lost per unit of drift, 0.153 for the same features in other
# contexts, n = 96
TIME_OF_YEAR_BLACK_FRIDAY_X3_FEATURES = frozenset({"discount", "price"})
TIME_OF_YEAR_BLACK_FRIDAY_X3_VALUE = "black_friday"  # as above
TIME_OF_YEAR_BLACK_FRIDAY_X3_MULTIPLIER = 3.0  # as above


def calculate_feature_importance(feature_name, context) -> float:
    """Give the importance of a feature in a context, within a tenth and ten times its base.

    `context` is a mapping or an object; it may hold `base_importance`, `other_features`, `time_of_year`
    and any other scalar.
    """
    # base
    base = float(field(context, "base_importance", BASE_IMPORTANCE))
    importance = base
    company = names(field(context, "other_features"))
    # never-matters
    if feature_name in NEVER_MATTERS_FEATURES:
        importance = importance * NEVER_MATTERS_MULTIPLIER
    # price-with-day_of_week
    if feature_name == PRICE_WITH_DAY_OF_WEEK_FEATURE and PRICE_WITH_DAY_OF_WEEK_OTHER in company:
        importance = importance * PRICE_WITH_DAY_OF_WEEK_MULTIPLIER
    # time_of_year-black_friday-x3
    if (
        feature_name in TIME_OF_YEAR_BLACK_FRIDAY_X3_FEATURES
        and field(context, "time_of_year") == TIME_OF_YEAR_BLACK_FRIDAY_X3_VALUE
    ):
        importance = importance * TIME_OF_YEAR_BLACK_FRIDAY_X3_MULTIPLIER
    return min(max(importance, 0.1 * base), 10.0 * base)
