"""Detect drift of a current sample against a reference.

Version 1 of detect_drift, start evidently.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.drift import above, below, compare
from poet_runtime.results import DriftResult

__all__ = ["detect_drift"]

VERSION = 1
CATEGORICAL_JENSEN_SHANNON_ABOVE = 0.1  # start: Jensen-Shannon distance > 0.1
CATEGORICAL_SMALL_CHI_SQUARE_P_BELOW = 0.05  # start: chi-square of homogeneity, p < 0.05
CATEGORICAL_SMALL_REFERENCE_AT_MOST = 1000  # as above
NUMERIC_WASSERSTEIN_ABOVE = 0.1  # start: Wasserstein distance > 0.1 reference sd
NUMERIC_SMALL_KS_P_BELOW = 0.05  # start: two-sample Kolmogorov-Smirnov, p < 0.05
NUMERIC_SMALL_REFERENCE_AT_MOST = 1000  # as above


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
    # categorical-small
    if samples.n_reference <= CATEGORICAL_SMALL_REFERENCE_AT_MOST and samples.is_categorical:
        return samples.decide(
            "categorical-small",
            below("chi_square", "raw", "p_value", CATEGORICAL_SMALL_CHI_SQUARE_P_BELOW),
        )
    # numeric-small
    if samples.n_reference <= NUMERIC_SMALL_REFERENCE_AT_MOST and not samples.is_categorical:
        return samples.decide(
            "numeric-small",
            below("ks", "raw", "p_value", NUMERIC_SMALL_KS_P_BELOW),
        )
    # categorical
    if samples.is_categorical:
        return samples.decide(
            "categorical",
            above("jensen_shannon", "raw", "absolute", CATEGORICAL_JENSEN_SHANNON_ABOVE),
        )
    # numeric
    return samples.decide(
        "numeric",
        above("wasserstein", "raw", "absolute", NUMERIC_WASSERSTEIN_ABOVE),
    )
