"""Detect drift of a current sample against a reference.

Version 1 of detect_drift, start nannyml.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.drift import above, compare
from poet_runtime.results import DriftResult

__all__ = ["detect_drift"]

VERSION = 1
# start: Jensen-Shannon distance over mean + 3 sd of the reference's own chunks
CATEGORICAL_JENSEN_SHANNON_NULL_ZSCORE_ABOVE = 3.0
# start: Jensen-Shannon distance over mean + 3 sd of the reference's own chunks
NUMERIC_JENSEN_SHANNON_NULL_ZSCORE_ABOVE = 3.0


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
            above("jensen_shannon", "raw", "null_zscore", CATEGORICAL_JENSEN_SHANNON_NULL_ZSCORE_ABOVE),
        )
    # numeric
    return samples.decide(
        "numeric",
        above("jensen_shannon", "raw", "null_zscore", NUMERIC_JENSEN_SHANNON_NULL_ZSCORE_ABOVE),
    )
