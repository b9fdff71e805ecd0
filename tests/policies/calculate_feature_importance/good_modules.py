"""Versions of `calculate_feature_importance` that say the same in other words."""

from tests.variants import Good

__all__ = ["GOOD"]

NEVER = """\
    if feature_name == "user_location":
        importance *= NEVER_MATTERS_MULTIPLIER
"""
PAIR = """\
    if feature_name == "price" and "day_of_week" in other_features:
        importance *= PRICE_WITH_DAY_OF_WEEK_MULTIPLIER
"""
SEASON = """\
    if feature_name in TIME_OF_YEAR_BLACK_FRIDAY_FEATURES and get(context, "time_of_year") == "black_friday":
        importance *= TIME_OF_YEAR_BLACK_FRIDAY_MULTIPLIER
"""
RETURN = "return min(max(importance, 0.1 * base), 10.0 * base)"

GOOD = (
    Good("asks in another order", ((NEVER, ""), (PAIR, ""), (SEASON, SEASON + PAIR + NEVER))),
    Good(
        "multiplies factors",
        (
            (
                NEVER,
                '    factor = NEVER_MATTERS_MULTIPLIER if feature_name == "user_location" else 1.0\n',
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
                    '    if feature_name == "price":\n'
                    '        if any(each == "day_of_week" for each in other_features):\n'
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
                    '    season = get(context, "time_of_year", "")\n'
                    '    if not (season != "black_friday"'
                    " or feature_name not in TIME_OF_YEAR_BLACK_FRIDAY_FEATURES):\n"
                    "        importance = TIME_OF_YEAR_BLACK_FRIDAY_MULTIPLIER * importance\n"
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
            ('get(context, "base_importance", BASE_IMPORTANCE)', 'get(context, "base_importance", 1)'),
            ("feature_name in TIME_OF_YEAR_BLACK_FRIDAY_FEATURES", 'feature_name in ("discount", "price")'),
            ("importance *= NEVER_MATTERS_MULTIPLIER", "importance = importance * 0.1"),
        ),
    ),
)
