"""Keeps arithmetic finite: infinities get a finite place, extreme magnitudes a power of two less."""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

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
        ends = _ends(values)
        if not all(map(math.isfinite, ends)):
            ends = _ends(values[np.isfinite(values)])
        if not ends:
            return cls(0, -1.0, 1.0)
        largest = max(map(abs, ends))
        exponent = 0 if largest == 0.0 or TINY < largest < HUGE else math.frexp(largest)[1]
        low, high = (float(each) for each in np.ldexp(ends, -exponent))
        beyond = high - low or abs(high) or 1.0
        return cls(exponent, low - beyond, high + beyond)

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring numbers of any type into the range; ordinary ones come back as they are, without a copy."""
        if self.exponent:
            with np.errstate(over="ignore"):
                values = np.ldexp(values.astype(np.float64, copy=False), -self.exponent)
        if not len(values) or (float(values.max()) <= LIMIT and float(values.min()) >= -LIMIT):
            return values
        values = values.astype(np.float64, copy=False)
        finite = np.clip(values[np.isfinite(values)], -LIMIT, LIMIT)
        low = min(self.low, float(finite.min(initial=np.inf)))
        high = max(self.high, float(finite.max(initial=-np.inf)))
        return np.where(
            np.isneginf(values), low, np.where(np.isposinf(values), high, np.clip(values, -LIMIT, LIMIT))
        )


def _ends(values: FloatArray) -> list[float]:
    return [float(values.min()), float(values.max())] if len(values) else []


def as_single(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Round to single precision, as the other sample is: else equal values would differ by a rounding."""
    if len(values) and max(float(values.max()), -float(values.min())) > SINGLE:
        values = np.clip(values, -SINGLE, SINGLE)
    return values.astype(np.float32)
