"""Versions of `calculate_feature_importance` that say the same in other words."""

from tests.variants import Good

__all__ = ["GOOD"]

NEVER = """\
    # never-matters
    if feature_name in NEVER_MATTERS_FEATURES:
        importance = importance * NEVER_MATTERS_MULTIPLIER
"""
PAIR = """\
    # price-with-day_of_week
    if feature_name == PRICE_WITH_DAY_OF_WEEK_FEATURE and PRICE_WITH_DAY_OF_WEEK_OTHER in company:
        importance = importance * PRICE_WITH_DAY_OF_WEEK_MULTIPLIER
"""
SEASON = """\
    # time_of_year-black_friday-x3
    if (
        feature_name in TIME_OF_YEAR_BLACK_FRIDAY_X3_FEATURES
        and field(context, "time_of_year") == TIME_OF_YEAR_BLACK_FRIDAY_X3_VALUE
    ):
        importance = importance * TIME_OF_YEAR_BLACK_FRIDAY_X3_MULTIPLIER
"""
RETURN = "return min(max(importance, 0.1 * base), 10.0 * base)"

GOOD = (
    Good("asks in another order", ((NEVER, ""), (PAIR, ""), (SEASON, SEASON + PAIR + NEVER))),
    Good(
        "multiplies factors",
        (
            (
                NEVER,
                "    factor = NEVER_MATTERS_MULTIPLIER if feature_name in NEVER_MATTERS_FEATURES else 1.0\n",
            ),
            (
                RETURN,
                "importance = importance * factor\n    return min(max(importance, 0.1 * base), 10.0 * base)",
            ),
        ),
    ),
    Good(
        "asks in nested steps",
        (
            (
                PAIR,
                (
                    "    if feature_name == PRICE_WITH_DAY_OF_WEEK_FEATURE:\n"
                    "        if any(each == PRICE_WITH_DAY_OF_WEEK_OTHER for each in company):\n"
                    "            importance *= PRICE_WITH_DAY_OF_WEEK_MULTIPLIER\n"
                ),
            ),
        ),
    ),
    Good(
        "names its season first",
        (
            (
                SEASON,
                (
                    '    season = field(context, "time_of_year", "")\n'
                    "    if not (season != TIME_OF_YEAR_BLACK_FRIDAY_X3_VALUE"
                    " or feature_name not in TIME_OF_YEAR_BLACK_FRIDAY_X3_FEATURES):\n"
                    "        importance = TIME_OF_YEAR_BLACK_FRIDAY_X3_MULTIPLIER * importance\n"
                ),
            ),
        ),
    ),
    Good(
        "writes its limits out",
        (
            (
                RETURN,
                (
                    "lowest, highest = base / 10.0, base * 10.0\n"
                    "    if importance < lowest:\n        return lowest\n"
                    "    return highest if importance > highest else importance"
                ),
            ),
        ),
    ),
    Good(
        "has its numbers and names in place",
        (
            ('field(context, "base_importance", BASE_IMPORTANCE)', 'field(context, "base_importance", 1)'),
            ("if feature_name in NEVER_MATTERS_FEATURES:", 'if feature_name == "user_location":'),
            ("importance * NEVER_MATTERS_MULTIPLIER", "importance * 0.1"),
        ),
    ),
)
