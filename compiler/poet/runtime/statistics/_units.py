"""Division by a unit that may be nothing."""

import numpy as np

from poet.runtime._baseline import FloatArray

__all__ = ["BEYOND", "in_units", "row_sums"]

BEYOND = 1e9  # what any distance from a constant reference counts as; finite, so that records can hold it


def in_units(distance: FloatArray, unit: float) -> FloatArray:
    """Give non-negative distances in units, at most `BEYOND`; of a unit 0, any distance at all is beyond."""
    distance = np.maximum(distance, 0.0)
    if unit > 0:
        return np.minimum(distance / unit, BEYOND)
    return np.where(distance > 0, BEYOND, 0.0)


def row_sums(values: FloatArray) -> FloatArray:
    """Add up each row."""
    return np.asarray(values.sum(axis=1), np.float64)
