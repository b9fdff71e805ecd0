"""Calculate how many points a monitor should look at.

Version 2 of calculate_adaptive_window, revises version 1.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

__all__ = ["calculate_adaptive_window"]

VERSION = 2
CAP = 9000  # was at most 50000: timeouts above 9000 points (61-97 %), n = 12
MINIMUM = 600  # as above
FAST_ABOVE = 5000.0  # points per hour
FAST_WINDOW = 500  # was 5000: 4 h of delay at 1000 points or more, n = 37
STABLE_FEATURES = frozenset({"conversions", "revenue"})  # new: 15 false alarms per day (11-20), n = 24
STABLE_MULTIPLIER = 2  # as above
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
    # stable
    if stability_requirement in ("high", "critical") or feature_name in STABLE_FEATURES:
        window = window * STABLE_MULTIPLIER
    # bounds
    return max(MINIMUM, min(window, CAP))
