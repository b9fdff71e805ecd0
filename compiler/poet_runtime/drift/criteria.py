"""Criteria, each a statistic after a preparation, on a scale, above or below a threshold."""

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

from poet_runtime.drift.reference import PREPARATIONS
from poet_runtime.drift.statistics import NAMES, ORDERED
from poet_runtime.errors import SampleError
from poet_runtime.results import Score

Scale = Literal["absolute", "p_value", "null_q90", "null_max", "null_zscore"]
SCALES: Final[tuple[Scale, ...]] = get_args(Scale)


@dataclass(frozen=True, slots=True)
class Criterion:
    """A condition on a statistic."""

    statistic: str
    preparation: str
    scale: str
    threshold: float
    direction: Literal["above", "below"]

    @property
    def test(self) -> str:
        """The criterion's name in results: ``statistic/preparation/scale``."""
        return f"{self.statistic}/{self.preparation}/{self.scale}"

    @property
    def is_calibrated(self) -> bool:
        """Whether the scale uses the reference's self-distances."""
        return self.scale.startswith("null_")

    @property
    def is_order_free(self) -> bool:
        """Whether the order of a current sample without times does not matter."""
        return self.statistic not in ORDERED and self.preparation != "differenced"

    def holds(self, value: float) -> bool:
        """Return whether a value meets the criterion; NaN never does."""
        return value > self.threshold if self.direction == "above" else value < self.threshold


@dataclass(frozen=True, slots=True)
class Reading:
    """A criterion with the value of its statistic."""

    criterion: Criterion
    value: float
    score: Score

    @property
    def holds(self) -> bool:
        """Whether the criterion is met."""
        return self.criterion.holds(self.value)

    @property
    def margin(self) -> tuple[bool, float]:
        """The sort key of readings: first whether the criterion holds, then the relative distance."""
        if math.isnan(self.value):
            return False, -math.inf
        excess = self.value - self.criterion.threshold
        if self.criterion.direction == "below":
            excess = -excess
        return self.holds, excess / (abs(self.criterion.threshold) or 1.0)


def above(statistic: str, preparation: str, scale: str, threshold: float) -> Criterion:
    """Return a criterion that holds for a value above a threshold.

    >>> from poet_runtime.drift import above
    >>> above("wasserstein", "raw", "null_q90", 1.7).test
    'wasserstein/raw/null_q90'

    Raises
    ------
    SampleError
        One of the names is unknown, or the threshold is not a finite number.
    """
    return _criterion(statistic, preparation, scale, threshold, "above")


def below(statistic: str, preparation: str, scale: str, threshold: float) -> Criterion:
    """Return a criterion that holds for a value below a threshold, for example a p-value.

    >>> from poet_runtime.drift import below
    >>> below("ks", "raw", "p_value", 0.05).holds(0.01)
    True

    Raises
    ------
    SampleError
        One of the names is unknown, or the threshold is not a finite number.
    """
    return _criterion(statistic, preparation, scale, threshold, "below")


def read_score(score: Score, scale: str) -> float:
    """Return the value of a score on a scale; NaN if the score has no such value.

    >>> from poet_runtime.drift import read_score
    >>> from poet_runtime.results import Score
    >>> read_score(Score(statistic=0.3, p_value=0.02), "p_value")
    0.02
    """
    if scale == "absolute":
        return score.statistic
    if scale == "p_value":
        return math.nan if score.p_value is None else score.p_value
    if score.null_q90 is None or score.null_max is None or score.null_mean is None or score.null_sd is None:
        return math.nan
    if scale == "null_zscore":
        return (score.statistic - score.null_mean) / score.null_sd
    return score.statistic / (score.null_q90 if scale == "null_q90" else score.null_max)


def _criterion(
    statistic: str, preparation: str, scale: str, threshold: float, direction: Literal["above", "below"]
) -> Criterion:
    _demand("statistic", statistic, sorted(NAMES))
    _demand("preparation", preparation, list(PREPARATIONS))
    _demand("scale", scale, list(SCALES))
    if not math.isfinite(threshold):
        raise SampleError(f"the threshold of {statistic} must be a finite number, got {threshold!r}")
    return Criterion(statistic, preparation, scale, float(threshold), direction)


def _demand(what: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise SampleError(f"unknown {what} {name!r}; known are {', '.join(known)}")
