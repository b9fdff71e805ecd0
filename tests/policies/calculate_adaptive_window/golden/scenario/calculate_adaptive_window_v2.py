"""Calculate how many points a monitor should look at.

Version 2 of calculate_adaptive_window, revises version 1.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

__all__ = ["calculate_adaptive_window"]

VERSION = 2
CAP = 45000  # was cap 50000: 34 of 37 runs of at least 50000 points hit a time or memory limit
MINIMUM = 100  # as above
FAST_ABOVE = 5000.0  # points per hour
# was 5000: 0.73 h of delay and 1.2 false alarms per day; with a window of 5000: 5 h and 1; n = 192
FAST_WINDOW = 500
# was the window of the velocity band: 3.25 false alarms per day, 0.8 for other features at the same windows,
# n = 96
STABLE_FEATURES = frozenset({"conversions", "revenue"})
STABLE_MULTIPLIER = 2  # as above
VERY_FAST_ABOVE = 50000.0  # points per hour
VERY_FAST_WINDOW = 5000  # new: no evidence above 50000 points per hour; the untuned window applies
WINDOW = 5000  # start: one window for every velocity


def calculate_adaptive_window(feature_name, data_velocity, stability_requirement) -> int:
    """Give the window of a feature, in points.

    `data_velocity` is in points per hour; `stability_requirement` is low, normal, high or critical.
    """
    # window
    window = WINDOW
    # fast
    if data_velocity > FAST_ABOVE:
        window = FAST_WINDOW
    # very-fast
    if data_velocity > VERY_FAST_ABOVE:
        window = VERY_FAST_WINDOW
    # stable
    if stability_requirement in ("high", "critical") or feature_name in STABLE_FEATURES:
        window = window * STABLE_MULTIPLIER
    # bounds
    return max(MINIMUM, min(window, CAP))
