"""E-process for "outcomes grow with the score": the whole order of a block, not single comparisons."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["log_ordering_evidence"]


def log_ordering_evidence(ascending: ArrayLike, strengths: ArrayLike) -> NDArray[np.float64]:
    """Give the log e-value of an order of outcomes, one for each strength; shape (strengths,).

    `ascending` holds the scores of a block's readings, sorted by their outcomes from smallest to largest.
    Under the null every order is as likely, 1 / n!; under the alternative orders follow Plackett and Luce:
    from the largest outcome down, each place goes to a remaining reading with chance proportional to
    exp(strength · score). Their ratio has mean 1 under the null whatever the scores. It is a martingale as
    readings arrive, since a Plackett-Luce order of some readings is what the order of all says of them,
    so one may look inside a block. Ties in the outcomes must be broken by chance, not by anything that
    knows the scores.

    Compared with disjoint pairs this uses all comparisons at once: sixteen readings at four separate
    levels are worth a factor of 6e7 at best, eight pairs of them 256.
    """
    from scipy import special  # noqa: PLC0415 -- a third of a second that only learning pays

    scores = np.asarray(ascending, dtype=np.float64)
    weights = np.multiply.outer(np.asarray(strengths, dtype=np.float64), scores)
    remaining = np.logaddexp.accumulate(weights, axis=1)  # of this reading and all with smaller outcomes
    return np.asarray((weights - remaining).sum(axis=1) + special.gammaln(scores.size + 1), dtype=np.float64)
