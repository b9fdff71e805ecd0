"""Calculate how many points a monitor should look at.

Version 1 of calculate_adaptive_window, start baseline.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

__all__ = ["calculate_adaptive_window"]

VERSION = 1
CAP = 50000  # start: untuned limits
MINIMUM = 100  # as above
WINDOW = 5000  # start: one window for every velocity


def calculate_adaptive_window(feature_name, data_velocity, stability_requirement) -> int:
    """Give the window of a feature, in points.

    `data_velocity` is in points per hour; `stability_requirement` is low, normal, high or critical.
    """
    # window
    window = WINDOW
    # bounds
    return max(MINIMUM, min(window, CAP))
