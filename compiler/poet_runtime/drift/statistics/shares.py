"""Differences between shares of categories, or of bins with equal shares of the reference."""

import math
from typing import Final

import numpy as np

from poet_runtime.drift.statistics.baseline import Counts, FloatArray, row_sums

EMPTY_SHARE: Final = 1e-4  # share that an empty bin counts as, which is common practice in credit scoring


def psi(counts: Counts) -> FloatArray:
    """Compute the population stability index, 0 … infinity."""
    current, reference = _shares(counts)
    current, reference = np.maximum(current, EMPTY_SHARE), np.maximum(reference, EMPTY_SHARE)
    return row_sums((current - reference) * np.log(current / reference))


def jensen_shannon(counts: Counts) -> FloatArray:
    """Compute the Jensen-Shannon distance to base 2, 0 … 1 (Endres & Schindelin 2003)."""
    current, reference = _shares(counts)
    middle = (current + reference) / 2
    divergence = (_relative_entropy(current, middle) + _relative_entropy(reference, middle)) / 2
    return np.sqrt(np.clip(divergence, 0.0, 1.0))


def hellinger(counts: Counts) -> FloatArray:
    """Compute the Hellinger distance, 0 … 1."""
    current, reference = _shares(counts)
    return np.sqrt(row_sums(np.square(np.sqrt(current) - np.sqrt(reference))) / 2)


def total_variation(counts: Counts) -> FloatArray:
    """Compute the total variation distance: the share of rows that would have to change category, 0 … 1.

    >>> import numpy as np
    >>> from poet_runtime.drift.statistics import total_variation
    >>> from poet_runtime.drift.statistics.baseline import Counts
    >>> total_variation(Counts(current=np.array([[1.0, 3.0]]), reference=np.array([5.0, 5.0]))).tolist()
    [0.25]
    """
    current, reference = _shares(counts)
    return row_sums(np.abs(current - reference)) / 2


def chi_square(counts: Counts) -> FloatArray:
    """Compute Pearson's chi-square statistic of homogeneity, in which both samples are random."""
    squares = [
        np.square(observed - expected) / np.where(expected > 0, expected, 1.0)
        for observed, expected in _expected(counts)
    ]
    return row_sums(squares[0] + squares[1])


def g_test(counts: Counts) -> FloatArray:
    """Compute the likelihood-ratio statistic of homogeneity."""
    terms = [2 * _times_log_ratio(observed, expected) for observed, expected in _expected(counts)]
    return np.maximum(row_sums(terms[0] + terms[1]), 0.0)


def _shares(counts: Counts) -> tuple[FloatArray, FloatArray]:
    current = counts.current / counts.current.sum(axis=1, keepdims=True)
    return current, counts.reference / counts.reference.sum()


def _expected(counts: Counts) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
    """Return the observed counts of each sample with those expected from the pooled sample."""
    m, n = counts.current.sum(axis=1, keepdims=True), counts.reference.sum()
    share = (counts.current + counts.reference) / (m + n)
    return (counts.current, share * m), (np.broadcast_to(counts.reference, share.shape), share * n)


def _relative_entropy(shares: FloatArray, middle: FloatArray) -> FloatArray:
    nats = row_sums(_times_log_ratio(shares, middle))
    return nats / math.log(2)


def _times_log_ratio(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return x log(x / y), or 0 where x is 0."""
    product: FloatArray = x * np.log(np.where(x > 0, x, 1.0) / np.where(x > 0, y, 1.0))
    return product
