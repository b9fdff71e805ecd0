"""Division by a unit that may be nothing."""

import numpy as np

from poet.runtime._baseline import FloatArray

__all__ = ["in_units"]


def in_units(distance: FloatArray, unit: float) -> FloatArray:
    """Give non-negative distances in units; of a unit 0, any distance at all is infinitely many."""
    distance = np.maximum(distance, 0.0)
    return distance / unit if unit > 0 else np.where(distance > 0, np.inf, 0.0)
