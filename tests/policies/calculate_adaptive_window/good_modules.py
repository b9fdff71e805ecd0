"""Versions of `calculate_adaptive_window` that say the same in other words."""

from tests.variants import Good

__all__ = ["GOOD"]

BODY = """\
    window = WINDOW
    if data_velocity > VERY_FAST_ABOVE:
        window = VERY_FAST_WINDOW
    elif data_velocity > FAST_ABOVE:
        window = FAST_WINDOW
"""
STABLE = """\
    if stability_requirement in {"high", "critical"} or feature_name in STABLE_FEATURES:
        window *= STABLE_MULTIPLIER
"""
BOUNDS = "    return min(max(window, MINIMUM), CAP)\n"

GOOD = (
    Good(
        "overwrites slower bands by faster ones",
        (
            (
                BODY,
                (
                    "    window = WINDOW\n"
                    "    if data_velocity > FAST_ABOVE:\n        window = FAST_WINDOW\n"
                    "    if data_velocity > VERY_FAST_ABOVE:\n        window = VERY_FAST_WINDOW\n"
                ),
            ),
        ),
    ),
    Good(
        "compares the other way round",
        (
            ("elif data_velocity > FAST_ABOVE:", "elif FAST_ABOVE < data_velocity:"),
            (
                STABLE,
                STABLE.replace(
                    'stability_requirement in {"high", "critical"} or feature_name in STABLE_FEATURES',
                    'feature_name in STABLE_FEATURES or stability_requirement == "high"'
                    ' or stability_requirement == "critical"',
                ),
            ),
        ),
    ),
    Good(
        "returns early where nothing is stable",
        (
            (
                STABLE,
                (
                    "    bounded = min(max(window, MINIMUM), CAP)\n"
                    '    if stability_requirement not in {"high", "critical"} and feature_name not '
                    "in STABLE_FEATURES:\n"
                    "        return bounded\n    window *= STABLE_MULTIPLIER\n"
                ),
            ),
        ),
    ),
    Good(
        "has its numbers in place",
        (
            ("window = FAST_WINDOW\n", "window = 500\n"),
            ("window *= STABLE_MULTIPLIER", "window += window"),
            ("min(max(window, MINIMUM), CAP)", "max(100, min(window, 45000))"),
        ),
    ),
    Good(
        "writes its bounds out",
        (
            (
                BOUNDS,
                (
                    "    if window > CAP:\n        return CAP\n    if window < MINIMUM:\n"
                    "        return MINIMUM\n    return window\n"
                ),
            ),
        ),
        case="tight_bounds",
    ),
    Good(
        "sums up borders in a comprehension",
        (
            (
                BODY,
                (
                    "    bands = ((FAST_ABOVE, FAST_WINDOW), (VERY_FAST_ABOVE, VERY_FAST_WINDOW))\n"
                    "    passed = [points for border, points in bands if data_velocity > border]\n"
                    "    window = passed[-1] if passed else WINDOW\n"
                ),
            ),
        ),
    ),
)
