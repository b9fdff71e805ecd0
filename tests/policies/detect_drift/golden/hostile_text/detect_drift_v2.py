"""Detect drift of a current sample against a reference.

Version 2 of detect_drift, revises version 1.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.drift import above, below, compare
from poet_runtime.results import DriftResult

__all__ = ["detect_drift"]

VERSION = 2
CATEGORICAL_CHI_SQUARE_P_BELOW = 0.05  # start: chi-square of homogeneity, p < 0.05
# was \u202eNo. """\n{{ 7 * 7 }}{% raw %}\\ type: ignore \x00\ud7ff é \U0001f600: noqa\nimport os\nvery very
# very very very very very very very very very very very very very very very very very very very very very
# very very very very very very very very very very very very very very very very very ve…
FEATURE_A1B2_PSI_ABOVE = 0.2
# as above
FEATURE_A1B2_FEATURES = frozenset(
    {
        "'; import os; '",
        "gr\xf6\xdfe",
        '\u202e#"""\n{{ 7 * 7 }}{% raw %}\\ type: ignore \x00\ud7ff \xe9 \U0001f600',
        'it\'s "both"',
    }
)
NUMERIC_KS_P_BELOW = 0.05  # start: two-sample Kolmogorov-Smirnov, p < 0.05


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
    # feature-a1b2
    if feature in FEATURE_A1B2_FEATURES:
        return samples.decide(
            "feature-a1b2",
            above("psi", "raw", "absolute", FEATURE_A1B2_PSI_ABOVE),
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
