"""Detect drift of a current sample against a reference.

Version 3 of detect_drift, revises version 2.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.drift import above, below, compare
from poet_runtime.results import DriftResult

__all__ = ["detect_drift"]

VERSION = 3
CATEGORICAL_CHI_SQUARE_P_BELOW = 0.05  # start: chi-square of homogeneity, p < 0.05
FEATURE_CHECKOUT_TOTAL_MEAN_SHIFT_ABOVE = 0.35  # new: 9 of 10 of its alerts were false (68–98 %), n = 31
FEATURE_CHECKOUT_TOTAL_FEATURES = frozenset({"checkout_total"})  # as above
FEATURES_OF_THE_RECOMMENDATION_MO_C52832_ANDERSON_DARLING_NULL_Q90_ABOVE = 3.5  # was KS p < 0.05: too eager
# as above
FEATURES_OF_THE_RECOMMENDATION_MODEL_WITH_A_VERY_LONG_NAME_FEATURES = frozenset(
    {
        "embedding_component_000",
        "embedding_component_001",
        "embedding_component_002",
        "embedding_component_003",
        "embedding_component_004",
        "embedding_component_005",
        "embedding_component_006",
        "embedding_component_007",
    }
)
FEATURES_OF_THE_RECOMMENDATION_MODEL_WITH_A_VER_C52832_REFERENCE_AT_MOST = 2000  # as above
# was KS p < 0.05: 41 % false alarms on large samples (35–48 %), n = 212, and its other alerts did not justify
# the hours of investigation
NUMERIC_KS_P_BELOW = 0.001
NUMERIC_WASSERSTEIN_RAW_ABOVE = 0.25  # as above
NUMERIC_WASSERSTEIN_DETRENDED_ABOVE = 0.3  # as above
NUMERIC_MIN_VOTES = 2  # as above
# was KS p < 0.05: 79 % false alarms on seasonal features (70–86 %), n = 84
NUMERIC_SEASONAL_WASSERSTEIN_NULL_Q90_ABOVE = 1.7
NUMERIC_SEASONAL_MEAN_ABSOLUTE_DIFFERENCE_NULL_MAX_ABOVE = 1.0  # as above
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
    # features-of-the-recommendation-model-with-a-very-long-name
    if (
        feature in FEATURES_OF_THE_RECOMMENDATION_MODEL_WITH_A_VERY_LONG_NAME_FEATURES
        and samples.n_reference <= FEATURES_OF_THE_RECOMMENDATION_MODEL_WITH_A_VER_C52832_REFERENCE_AT_MOST
        and not samples.is_seasonal
    ):
        return samples.decide(
            "features-of-the-recommendation-model-with-a-very-long-name",
            above(
                "anderson_darling",
                "phase_matched",
                "null_q90",
                FEATURES_OF_THE_RECOMMENDATION_MO_C52832_ANDERSON_DARLING_NULL_Q90_ABOVE,
            ),
        )
    # feature-checkout-total
    if feature in FEATURE_CHECKOUT_TOTAL_FEATURES:
        return samples.decide(
            "feature-checkout-total",
            above("mean_shift", "raw", "absolute", FEATURE_CHECKOUT_TOTAL_MEAN_SHIFT_ABOVE),
        )
    # numeric-seasonal
    if samples.is_seasonal and not samples.is_categorical:
        return samples.decide(
            "numeric-seasonal",
            above("wasserstein", "deseasonalized", "null_q90", NUMERIC_SEASONAL_WASSERSTEIN_NULL_Q90_ABOVE),
            above(
                "mean_absolute_difference",
                "raw",
                "null_max",
                NUMERIC_SEASONAL_MEAN_ABSOLUTE_DIFFERENCE_NULL_MAX_ABOVE,
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
        above("wasserstein", "raw", "absolute", NUMERIC_WASSERSTEIN_RAW_ABOVE),
        above("wasserstein", "detrended", "absolute", NUMERIC_WASSERSTEIN_DETRENDED_ABOVE),
        min_votes=NUMERIC_MIN_VOTES,
    )
