"""How far a reference is from itself: a statistic of its own windows, summarised."""

import math
from typing import NamedTuple, Self

import numpy as np

from poet.runtime.sample import FloatArray, IntArray

__all__ = ["Null", "starts_of_windows", "window_length"]

MOST_WINDOWS = 100
STEPS_IN_A_WINDOW = 16  # windows that share more than 15/16 of their values say nothing new
NOTHING = 1e-3  # in the statistic's unit: windows that differ by less than this do not differ


class Null(NamedTuple):
    """How far the reference's own windows are from it; NaN where it has none.

    The 90 % quantile, the maximum and the standard deviation are at least 0.001, so that a reference that
    repeats itself exactly does not make news of a rounding.
    """

    q90: float
    max: float
    mean: float
    sd: float

    @classmethod
    def of(cls, own: FloatArray) -> Self:
        """Summarise the statistic of each window."""
        if not len(own) or np.isnan(own).any():
            return cls(math.nan, math.nan, math.nan, math.nan)
        q90, largest, sd = (
            max(float(each), NOTHING) for each in (np.quantile(own, 0.9), own.max(), own.std())
        )
        return cls(q90, largest, float(own.mean()), sd)


def window_length(length: int, n: int) -> int:
    """Give the length of windows for a current sample: at least 3, at most a third of n.

    Above 31 it is rounded down by up to 6 %, so that samples of similar length share the work.
    """
    length = max(3, min(length, n // 3))
    drop = max(0, length.bit_length() - 5)
    return length >> drop << drop


def starts_of_windows(n: int, length: int) -> IntArray:
    """Place up to 100 windows evenly over n rows; none when the rows do not fill one."""
    last = n - length
    if last < 0:
        return np.empty(0, np.int64)
    windows = min(MOST_WINDOWS, last + 1, STEPS_IN_A_WINDOW * last // length + 1)
    return np.unique(np.linspace(0, last, windows).round().astype(np.int64))
