"""Calculate how many points a monitor should look at.

Version 4 of calculate_adaptive_window, revises version 3.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

__all__ = ["calculate_adaptive_window"]

VERSION = 4
CAP = 50000  # start: untuned limits
MINIMUM = 100  # as above
FAST_ABOVE = 1000.0  # points per hour
FAST_WINDOW = 500  # was 5000: n = 37
SLOW_ABOVE = 100.0  # points per hour
SLOW_WINDOW = 2000  # was 5000: n = 40
STABLE_FEATURES = frozenset({"revenue"})  # new: n = 24
STABLE_MULTIPLIER = 1.5  # as above
STEADY_FEATURES = frozenset({"conversions"})  # new: n = 21
STEADY_MULTIPLIER = 3  # as above
VERY_FAST_ABOVE = 10000.0  # points per hour
VERY_FAST_WINDOW = 250  # was 5000: n = 31
WINDOW = 5000  # start: one window for every velocity


def calculate_adaptive_window(feature_name, data_velocity, stability_requirement) -> int:
    """Give the window of a feature, in points.

    `data_velocity` is in points per hour; `stability_requirement` is low, normal, high or critical.
    """
    # window
    window = WINDOW
    # slow
    if data_velocity > SLOW_ABOVE:
        window = SLOW_WINDOW
    # fast
    if data_velocity > FAST_ABOVE:
        window = FAST_WINDOW
    # very-fast
    if data_velocity > VERY_FAST_ABOVE:
        window = VERY_FAST_WINDOW
    # steady
    if stability_requirement in ("high", "critical") or feature_name in STEADY_FEATURES:
        window = window * STEADY_MULTIPLIER
    # stable
    elif feature_name in STABLE_FEATURES:
        window = round(window * STABLE_MULTIPLIER)
    # bounds
    return max(MINIMUM, min(window, CAP))
