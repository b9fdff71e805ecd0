"""Measures the shape of a reference: cardinality, moments, autocorrelation."""

from typing import TypedDict

import numpy as np

from poet.runtime._baseline import Baseline

__all__ = ["Shape", "shape_of"]


class Shape(TypedDict):
    """The part of a profile that only numeric samples have; moments are 0 for a normal distribution."""

    n_unique: int
    skewness: float
    tail_weight: float
    autocorrelation: float


def shape_of(baseline: Baseline) -> Shape:
    """Measure standardised third moment, excess kurtosis and the autocorrelation from row to row."""
    n_unique = 1 + int(np.count_nonzero(np.diff(baseline.sorted)))
    if not baseline.sd:
        return Shape(n_unique=n_unique, skewness=0.0, tail_weight=0.0, autocorrelation=0.0)
    z = (baseline.values - baseline.mean) / baseline.sd
    squares = z * z
    return Shape(
        n_unique=n_unique,
        skewness=float((squares * z).mean()),
        tail_weight=float((squares * squares).mean()) - 3.0,
        autocorrelation=float((z[1:] * z[:-1]).sum() / baseline.n),
    )
