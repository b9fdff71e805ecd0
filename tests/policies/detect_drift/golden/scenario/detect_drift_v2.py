"""Detect drift of a current sample against a reference.

Version 2 of detect_drift, revises version 1.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.drift import above, below, compare
from poet_runtime.results import DriftResult

__all__ = ["detect_drift"]

VERSION = 2
CATEGORICAL_CHI_SQUARE_P_BELOW = 0.05  # start: chi-square of homogeneity, p < 0.05
NUMERIC_KS_P_BELOW = 0.05  # start: two-sample Kolmogorov-Smirnov, p < 0.05
# was KS p < 0.05: 72 % of its alerts were false alarms (55 %-86 %), n = 80; the new rule finds 100 % of the
# known drifts
NUMERIC_SEASONAL_WASSERSTEIN_NULL_Q90_ABOVE = 1.7
NUMERIC_SEASONAL_MEAN_ABSOLUTE_DIFFERENCE_NULL_Q90_ABOVE = 1.7  # as above
NUMERIC_SEASONAL_MIN_VOTES = 1  # as above


def detect_drift(
    current, reference, *, feature="", current_times=None, reference_times=None, context=None
) -> DriftResult:
    """Say whether `current` comes from elsewhere than `reference`, and by which measure.

    Takes 1-D samples of numbers, booleans or text, missing values allowed; times are datetime64 or seconds.
    Samples that cannot be compared give a result with a `reason`, never a silent "no drift".
    """
    samples = compare(
        current,
        reference,
        version=VERSION,
        feature=feature,
        current_times=current_times,
        reference_times=reference_times,
        context=context,
    )
    # not comparable: empty, all missing, mistyped
    if samples.reason:
        return samples.undecided()
    # numeric-seasonal
    if samples.is_seasonal and not samples.is_categorical:
        return samples.decide(
            "numeric-seasonal",
            above("wasserstein", "deseasonalized", "null_q90", NUMERIC_SEASONAL_WASSERSTEIN_NULL_Q90_ABOVE),
            above(
                "mean_absolute_difference",
                "raw",
                "null_q90",
                NUMERIC_SEASONAL_MEAN_ABSOLUTE_DIFFERENCE_NULL_Q90_ABOVE,
            ),
            min_votes=NUMERIC_SEASONAL_MIN_VOTES,
        )
    # categorical
    if samples.is_categorical:
        return samples.decide(
            "categorical",
            below("chi_square", "raw", "p_value", CATEGORICAL_CHI_SQUARE_P_BELOW),
        )
    # numeric
    return samples.decide(
        "numeric",
        below("ks", "raw", "p_value", NUMERIC_KS_P_BELOW),
    )
