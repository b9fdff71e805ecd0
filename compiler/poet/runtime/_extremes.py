"""Keeps arithmetic finite: infinities get a finite place, extreme magnitudes a power of two less."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from poet.runtime.sample import FloatArray

__all__ = ["Taming", "as_single"]

HUGE, TINY, LIMIT = 1e100, 1e-100, 1e140  # squares and their sums stay finite in between
SINGLE = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Taming:
    """How a reference, and every current sample after it, is brought into a safe range.

    An infinity counts as a value one range of the reference's finite values beyond them, or as the
    current sample's own extreme where that is further out.
    """

    exponent: int  # values are divided by this power of two; 0 unless the reference is extreme
    low: float
    high: float

    @classmethod
    def of(cls, values: FloatArray) -> Self:
        """Measure a reference."""
        finite = values[np.isfinite(values)]
        largest = float(np.abs(finite).max(initial=0.0))
        exponent = 0 if largest == 0.0 or TINY < largest < HUGE else math.frexp(largest)[1]
        if not len(finite):
            return cls(0, -1.0, 1.0)
        low, high = (float(each) for each in np.ldexp([finite.min(), finite.max()], -exponent))
        beyond = high - low or abs(high) or 1.0
        return cls(exponent, low - beyond, high + beyond)

    def __call__(self, values: FloatArray) -> FloatArray:
        """Bring values into the range; ordinary ones come back as they are, without a copy."""
        if self.exponent:
            with np.errstate(over="ignore"):
                values = np.ldexp(values, -self.exponent)
        if np.abs(values).max(initial=0.0) <= LIMIT:
            return values
        finite = np.clip(values[np.isfinite(values)], -LIMIT, LIMIT)
        low = min(self.low, float(finite.min(initial=np.inf)))
        high = max(self.high, float(finite.max(initial=-np.inf)))
        return np.where(
            np.isneginf(values), low, np.where(np.isposinf(values), high, np.clip(values, -LIMIT, LIMIT))
        )


def as_single(values: FloatArray) -> FloatArray:
    """Round to single precision, as the other sample is: else equal values would differ by a rounding."""
    return np.clip(values, -SINGLE, SINGLE).astype(np.float32).astype(np.float64)
