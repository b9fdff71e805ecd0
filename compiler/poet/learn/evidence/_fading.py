"""Old evidence fades: exponential weights on event time."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["effective_n", "fading_weights"]

_DAY = 86_400.0


def fading_weights(times: ArrayLike, *, half_life_days: float, newest: float) -> NDArray[np.float64]:
    """Give each event's weight, 1 at time `newest` (seconds) and half as much every `half_life_days`.

    Age counts from the newest event, not from a clock, so the same log gives the same weights for ever.
    An event later than `newest` weighs 1.
    """
    age = np.maximum(newest - np.asarray(times, dtype=np.float64), 0.0)
    return np.asarray(np.exp2(-age / (half_life_days * _DAY)), dtype=np.float64)


def effective_n(weights: ArrayLike) -> float:
    """Give Kish's effective sample size, (Σw)² / Σw²; 0 when there is nothing."""
    w = np.asarray(weights, dtype=np.float64)
    squares = float((w * w).sum())
    return float(w.sum()) ** 2 / squares if squares > 0 else 0.0
