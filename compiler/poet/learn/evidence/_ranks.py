"""E-process for "this one is larger than those": ranks within disjoint blocks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_rank_factors", "log_restarting_evidence"]

_POWERS = np.array([2.0, 4.0, 16.0])  # Lehmann alternatives: the one is the largest of so many draws
_FIRST_EPOCH = 0.5  # share of the wealth that bets from the first event on


def log_rank_factors(one: float, others: Sequence[float]) -> NDArray[np.float64]:
    """Give the log e-values of one block, one for each alternative; shape (3,).

    Under the null `one` and `others` are exchangeable, so the number of others below it is uniform on
    0 … m; under the alternative `one` is the largest of κ draws (κ = 2, 4, 16), which makes the chance of
    exactly j below C(m, j) κ B(j + κ, m - j + 1). The factor is the ratio of the two, averaged over the
    ways to break ties: its mean under the null is exactly 1, ties or not. Against a single other this
    is the sign test; against three a clear win is worth 3.4 instead of 1.9.
    """
    from scipy import special  # noqa: PLC0415 -- a third of a second that only learning pays

    values = np.asarray(others, dtype=np.float64)
    m = values.size
    below = int((values < one).sum())
    j = np.arange(below, below + int((values == one).sum()) + 1)[:, None]
    log_chance = (
        -np.log(m + 1.0)
        - special.betaln(m - j + 1.0, j + 1.0)  # log C(m, j)
        + np.log(_POWERS)
        + special.betaln(j + _POWERS, m - j + 1.0)
    )
    return np.asarray(np.log(np.exp(log_chance).mean(axis=0) * (m + 1.0)), dtype=np.float64)


def log_restarting_evidence(factors: NDArray[np.float64], epochs: NDArray[np.int64]) -> float:
    """Give the log of the e-process made of block `factors`, shape (blocks, alternatives).

    The wealth is split in advance over alternatives and over the epochs (0, 1, 2 …, by event time) from
    which on to bet, 1/2 from the start and 1/2 / (j (j + 1)) from epoch j: a mixture of e-processes is
    one, and it finds out that the world has turned without having to live down the past. What waits for
    later epochs lies idle and is never lost, so that a product of many such values survives factors
    that know nothing.
    """
    last = int(epochs.max(initial=0))
    shares = np.array([_FIRST_EPOCH] + [(1 - _FIRST_EPOCH) / (j * (j + 1)) for j in range(1, last + 1)])
    unspent = (1 - _FIRST_EPOCH) / (last + 1)
    wealth = [np.log(unspent)]
    for j, share in enumerate(shares):
        sums = factors[epochs >= j].sum(axis=0)
        wealth.append(np.log(share) + np.logaddexp.reduce(sums) - np.log(sums.size))
    return float(np.logaddexp.reduce(wealth))
