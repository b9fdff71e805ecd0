"""Small groups borrow strength from their kind: empirical Bayes by moments, deterministic."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["shrunk_means", "shrunk_rates"]

_SCARCE = 2.0  # imagined observations of the common value when groups show no spread worth estimating
_STRONGEST = 1e6  # groups without any spread of their own: all take the common value


def shrunk_rates(successes: ArrayLike, n: ArrayLike) -> NDArray[np.float64]:
    """Give each group's rate, drawn towards the rate of all by a beta-binomial prior.

    The prior's strength comes from the moments of the group rates (Kleinman 1973). A group without
    trials takes the common rate; without any trials at all the answer is 1/2. Shape (groups,).
    """
    s = np.asarray(successes, dtype=np.float64)
    trials = np.asarray(n, dtype=np.float64)
    if trials.sum() <= 0:
        return np.full(s.shape, 0.5)
    common = (s.sum() + 0.5) / (trials.sum() + 1.0)
    strength = _strength(s / np.maximum(trials, 1e-12), trials, common, common * (1.0 - common))
    return np.asarray((s + strength * common) / (trials + strength), dtype=np.float64)


def shrunk_means(means: ArrayLike, n: ArrayLike, variance: float) -> NDArray[np.float64]:
    """Give each group's mean, drawn towards the mean of all by the variance within and between groups.

    `variance` is that of one observation within its group. A group with n = 0 takes the common mean.
    """
    m = np.asarray(means, dtype=np.float64)
    sizes = np.asarray(n, dtype=np.float64)
    if sizes.sum() <= 0:
        return m.copy()
    known = np.where(sizes > 0, m, 0.0)
    common = float((sizes * known).sum() / sizes.sum())
    strength = _strength(known, sizes, common, variance)
    return np.asarray((sizes * known + strength * common) / (sizes + strength), dtype=np.float64)


def _strength(values: NDArray[np.float64], n: NDArray[np.float64], common: float, variance: float) -> float:
    """Give the number of observations that the common value is worth: within over between variance."""
    seen = n > 0
    if seen.sum() < 2 or variance <= 0:
        return _SCARCE
    sizes = n[seen]
    excess = float((sizes * (values[seen] - common) ** 2).sum()) - (sizes.size - 1) * variance
    room = float(sizes.sum() - (sizes**2).sum() / sizes.sum())
    between = excess / room if room > 0 else 0.0
    return min(variance / between, _STRONGEST) if between > 0 else _STRONGEST
