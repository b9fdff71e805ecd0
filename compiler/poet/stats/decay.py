"""Exponential decay of old evidence, on event time."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_DAY: Final = 86_400.0


def decay_weights(times: ArrayLike, *, half_life_days: float, newest: float) -> NDArray[np.float64]:
    """Return each event's weight: 1 at time `newest` (seconds), halved every `half_life_days`.

    Age counts from the newest event, not from a clock, so the same log always gives the same weights.
    An event later than `newest` has weight 1.
    """
    age = np.maximum(newest - np.asarray(times, dtype=np.float64), 0.0)
    return np.asarray(np.exp2(-age / (half_life_days * _DAY)), dtype=np.float64)


def effective_sample_size(weights: ArrayLike) -> float:
    """Return Kish's effective sample size, (Σw)² / Σw²; 0 without observations."""
    w = np.asarray(weights, dtype=np.float64)
    squares = float((w * w).sum())
    return float(w.sum()) ** 2 / squares if squares > 0 else 0.0
