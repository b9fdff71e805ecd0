"""Two sorted samples merged: groups of equal values and how many of each sample are in them."""

from typing import NamedTuple

import numpy as np

from poet.runtime._baseline import FloatArray, IntArray

__all__ = ["Ties", "merge"]


class Ties(NamedTuple):
    """Groups of equal values in increasing order: `below` counts what is smaller, `size` the group itself."""

    x_below: IntArray
    x_size: IntArray
    y_below: IntArray
    y_size: IntArray


def merge(x: FloatArray, y: FloatArray) -> Ties:
    """Merge two sorted samples; a stable sort of two runs is a linear merge."""
    pooled = np.concatenate((x, y))
    order = np.argsort(pooled, kind="stable")
    pooled = pooled[order]
    first = np.flatnonzero(np.concatenate(([True], pooled[1:] != pooled[:-1])))
    below = np.append(first, len(pooled))
    x_below = np.concatenate(([0], np.cumsum(order < len(x))))[below]
    y_below = below - x_below
    return Ties(x_below[:-1], np.diff(x_below), y_below[:-1], np.diff(y_below))
