"""The full set of scores that an execution record carries, for learners to replay other rules on."""

from collections.abc import Mapping
from typing import Any

from poet.runtime._samples import Samples, compare
from poet.runtime.results import Score
from poet.runtime.statistics import ORDERED

__all__ = ["score_all"]

CALIBRATED = ("wasserstein", "ks", "mean_shift", "median_shift", "scale_shift", "roughness")
PLAIN = ("psi", "jensen_shannon", "cramer_von_mises", "mann_whitney", "levene", "anderson_darling")
PHASE_MATCHED = ("ks", "wasserstein")
CATEGORICAL = ("chi_square", "g_test", "total_variation", "psi", "jensen_shannon", "hellinger")


def score_all(
    current: Any,
    reference: Any,
    *,
    feature: str = "",
    current_times: Any = None,
    reference_times: Any = None,
    context: Mapping[str, Any] | None = None,
) -> dict[str, Score]:
    """Give the candidate statistics, by ``statistic/preparation``; empty when the samples cannot be compared.

    Numeric: six calibrated ones raw and deseasonalised (five without times: rows have no order then), six
    plain ones raw, two phase-matched. Categorical: all six, calibrated. Raises as `compare` does.
    """
    samples = compare(
        current,
        reference,
        feature=feature,
        current_times=current_times,
        reference_times=reference_times,
        context=context,
    )
    return scores_of(samples)


def scores_of(samples: Samples) -> dict[str, Score]:
    """Give the candidate statistics of samples that are held against each other already."""
    if samples.reason:
        return {}
    length = samples.current.n_present
    if samples.is_categorical:
        samples.reference.calibrate(CATEGORICAL, "raw", length)
        return {f"{name}/raw": samples.score(name, "raw") for name in CATEGORICAL}
    has_order = samples.current.times is not None
    calibrated = [name for name in CALIBRATED if has_order or name not in ORDERED]
    scores: dict[str, Score] = {}
    for preparation in ("raw", "deseasonalised"):
        samples.reference.calibrate(calibrated, preparation, length)
        scores |= {f"{name}/{preparation}": samples.score(name, preparation) for name in calibrated}
    scores |= {f"{name}/raw": samples.score(name, "raw", calibrated=False) for name in PLAIN}
    matched = {
        f"{name}/phase_matched": samples.score(name, "phase_matched", calibrated=False)
        for name in PHASE_MATCHED
    }
    return scores | matched
