"""Asymptotic p-values of the hypothesis that both samples come from one distribution, for independent rows.

Importing `scipy.special` takes as long as all other imports together, so it is imported only where needed.
"""

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from poet_runtime.drift.statistics.baseline import Counts, Rows
from poet_runtime.drift.statistics.ranks import merge


def _ks(statistic: float, rows: Rows) -> float:
    m, n = rows.length, rows.baseline.n
    return kolmogorov(math.sqrt(m * n / (m + n)) * statistic)


def kolmogorov(x: float) -> float:
    """Return the probability that the supremum of the absolute value of a Brownian bridge exceeds x.

    Two series represent the same function (Feller 1948, equations 1.4 and 1.7). Each is used where it
    converges faster, and summed to full precision.
    """
    if x < 0.04:
        return 1.0  # the error is below 1e-300
    if x < 0.83:
        q = math.exp(-(math.pi**2) / (8 * x * x))
        return 1.0 - math.sqrt(2 * math.pi) / x * (q + q**9 + q**25)
    q = math.exp(-2.0 * x * x)
    return 2.0 * (q - q**4 + q**9 - q**16 + q**25)


def _cramer_von_mises(statistic: float, rows: Rows) -> float:
    m, n = rows.length, rows.baseline.n
    total = m + n
    expected = (1 + 1 / total) / 6
    spread = (total + 1) * (4 * m * n * total - 3 * (m * m + n * n) - 2 * m * n)
    variance = spread / (45 * total**2 * 4 * m * n)
    if variance <= 0:
        return 1.0  # one value against one
    limit = 1 / 6 + (statistic - expected) / np.sqrt(45 * variance)
    return 1.0 if limit < 0.003 else float(np.clip(1 - _limit_of_cramer_von_mises(limit), 0.0, 1.0))


def _limit_of_cramer_von_mises(x: float) -> float:
    """Return the distribution function of the limit (Csörgő & Faraway 1996, equation 1.2)."""
    from scipy import special  # noqa: PLC0415 -- see above

    k = np.arange(40)
    y = 4 * k + 1
    q = y**2 / (16 * x)
    gamma = np.exp(special.gammaln(k + 0.5) - special.gammaln(k + 1))
    terms = gamma / (np.pi**1.5 * np.sqrt(x)) * np.sqrt(y) * np.exp(-q) * special.kv(0.25, q)
    return float(terms.sum())


def _mann_whitney(statistic: float, rows: Rows) -> float:
    m, n = rows.length, rows.baseline.n
    total = m + n
    ties = merge(rows.sorted[0], rows.baseline.sorted)
    size = (ties.x_size + ties.y_size).astype(np.float64)
    variance = m * n / 12 * ((total + 1) - (size**3 - size).sum() / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    excess = statistic * m * n / 2 - 0.5  # U minus its mean, with the continuity correction
    return min(1.0, math.erfc(excess / math.sqrt(2 * variance)))


def _levene(statistic: float, rows: Rows) -> float:
    from scipy import special  # noqa: PLC0415 -- see above

    freedom = rows.length + rows.baseline.n - 2
    return float(special.fdtrc(1, freedom, statistic)) if freedom > 0 else np.nan


def _homogeneity(statistic: float, counts: Counts) -> float:
    from scipy import special  # noqa: PLC0415 -- see above

    freedom = np.count_nonzero(counts.current[0] + counts.reference) - 1
    return float(special.chdtrc(freedom, statistic)) if freedom > 0 else 1.0


NUMERIC: Final[dict[str, Callable[[float, Rows], float]]] = {
    "ks": _ks,
    "cramer_von_mises": _cramer_von_mises,
    "mann_whitney": _mann_whitney,
    "levene": _levene,
}
COUNTS: Final[dict[str, Callable[[float, Counts], float]]] = {
    "chi_square": _homogeneity,
    "g_test": _homogeneity,
}
