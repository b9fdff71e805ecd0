"""Detect drift of a current sample against a reference.

Version 1 of detect_drift, start calibrated.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.drift import above, below, compare
from poet_runtime.results import DriftResult

__all__ = ["detect_drift"]

VERSION = 1
CATEGORICAL_CHI_SQUARE_P_BELOW = 0.05  # start: chi-square of homogeneity, p < 0.05
NUMERIC_WASSERSTEIN_NULL_MAX_ABOVE = 1.0  # start: more than the null maximum of the reference


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
    # categorical
    if samples.is_categorical:
        return samples.decide(
            "categorical",
            below("chi_square", "raw", "p_value", CATEGORICAL_CHI_SQUARE_P_BELOW),
        )
    # numeric
    return samples.decide(
        "numeric",
        above("wasserstein", "deseasonalized", "null_max", NUMERIC_WASSERSTEIN_NULL_MAX_ABOVE),
    )
