"""Confidence sequences: intervals valid at all times simultaneously, for rates, bounded means and medians."""

import math
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BISECTIONS: Final = 60  # halves the unit interval to below one float spacing
_PRIOR_VARIANCE: Final = 0.25  # of a first imagined outcome
_SINGLE_STEPS: Final = 512  # outcomes; a later stake is kept for a sixteenth of the outcomes before it
_STEP_SHARE: Final = 16
_GRID: Final = 1001  # candidate means of a confidence sequence; the ends are widened by one step


def rate_interval(successes: float, n: float, *, risk: float) -> tuple[float, float]:
    """Return a two-sided interval for a rate, valid at all times simultaneously with probability 1 - `risk`.

    It contains every p at which the mixture martingale B(1+s, 1+n-s) / (p^s (1-p)^(n-s)) stays below
    1 / `risk` (Robbins 1970). The martingale is convex in log terms with its minimum at s / n, so each end
    takes one bisection.

    >>> from poet.stats import rate_interval
    >>> low, high = rate_interval(18, 20, risk=0.05)
    >>> round(low, 3), round(high, 3)
    (0.59, 0.996)
    """
    from scipy import special  # noqa: PLC0415 -- a third of a second that only learning pays

    if n <= 0:
        return 0.0, 1.0
    failures = n - successes
    mixture = float(special.betaln(1.0 + successes, 1.0 + failures))
    threshold = -float(np.log(risk))

    def is_inside(p: float) -> bool:
        likelihood = special.xlogy(successes, p) + special.xlog1py(failures, -p)
        return bool(mixture - likelihood < threshold)

    center = successes / n
    return _edge(is_inside, center, 0.0), _edge(is_inside, center, 1.0)


def _edge(is_inside: Callable[[float], bool], inside: float, outside: float) -> float:
    if is_inside(outside):
        return outside
    for _ in range(_BISECTIONS):
        middle = (inside + outside) / 2.0
        if is_inside(middle):
            inside = middle
        else:
            outside = middle
    return outside


def median_interval(values: ArrayLike, *, risk: float) -> tuple[float, float] | None:
    """Return an interval for the median, valid at all times simultaneously with probability 1 - `risk`.

    No bound on the values and no moments are assumed. The interval contains the counts k of values at or
    below x for which the mixture martingale of a fair coin, 2^n B(1+k, 1+n-k), stays under 1 / `risk`
    (Howard and Ramdas 2022, with the beta mixture). The result is None while there are too few values to
    bound the median on both sides.

    >>> from poet.stats import median_interval
    >>> median_interval(range(100), risk=0.05)
    (34.0, 65.0)
    >>> median_interval([1.0, 2.0], risk=0.05) is None
    True
    """
    from scipy import special  # noqa: PLC0415 -- a third of a second that only learning pays

    x = np.sort(np.asarray(values, dtype=np.float64))
    counts = np.arange(x.size + 1)
    wealth = special.betaln(1.0 + counts, 1.0 + x.size - counts) + x.size * math.log(2.0)
    inside = counts[wealth < -math.log(risk)]
    if inside[0] == 0:
        return None
    return float(x[inside[0] - 1]), float(x[inside[-1]])


def bounded_mean_interval(
    values: ArrayLike, *, risk: float, low: float = -1.0, high: float = 1.0
) -> tuple[float, float]:
    """Return an interval for the mean of values in [`low`, `high`], valid at all times simultaneously.

    Hedged betting (Waudby-Smith and Ramdas 2024): for each candidate mean half the wealth bets on more and
    half on less, with predictable plug-in stakes sqrt(2 log(2/risk) / (variance t log(t+1))). Candidates at
    which the hedged wealth ever reached 1 / `risk` are excluded. One grid step is added on both sides. In
    long sequences a stake is kept for several outcomes, and the wealth is checked when the stake changes.
    This is equally valid, and the cost grows with the number of stakes.

    >>> from poet.stats import bounded_mean_interval
    >>> low, high = bounded_mean_interval([0.4, 0.6] * 100, risk=0.05, low=0.0)
    >>> low < 0.5 < high, high - low < 0.2
    (True, True)
    """
    x = (np.asarray(values, dtype=np.float64) - low) / (high - low)
    if x.size == 0:
        return low, high
    grid = np.linspace(0.0, 1.0, _GRID)
    stakes = _hedged_stakes(x, risk)
    up = np.zeros(_GRID)
    down = np.zeros(_GRID)
    alive = np.ones(_GRID, dtype=bool)
    half = math.log(0.5)
    threshold = -math.log(risk)
    for first, last in _spans(x.size):
        more = np.minimum(stakes[first], 0.5 / np.maximum(grid, 1e-12))  # risks at most half the wealth
        less = np.minimum(stakes[first], 0.5 / np.maximum(1.0 - grid, 1e-12))
        for value, count in zip(*np.unique(x[first:last], return_counts=True), strict=True):
            up += count * np.log1p(more * (value - grid))
            down += count * np.log1p(-less * (value - grid))
        alive &= half + np.maximum(up, down) < threshold
    return _ends(grid, alive, float(x.mean()), low, high)


def _spans(n: int) -> Iterator[tuple[int, int]]:
    """Yield spans of n outcomes that share one stake."""
    first = 0
    while first < n:
        last = min(first + (1 if first < _SINGLE_STEPS else first // _STEP_SHARE), n)
        yield first, last
        first = last


def _hedged_stakes(x: NDArray[np.float64], risk: float) -> NDArray[np.float64]:
    t = np.arange(1, x.size + 1)
    means = (0.5 + np.cumsum(x)) / (t + 1)
    spread = (_PRIOR_VARIANCE + np.cumsum((x - means) ** 2)) / (t + 1)
    variance = np.concatenate(([_PRIOR_VARIANCE], spread[:-1]))  # of earlier outcomes only
    return np.asarray(np.sqrt(2.0 * math.log(2.0 / risk) / (variance * t * np.log1p(t))), dtype=np.float64)


def _ends(
    grid: NDArray[np.float64], alive: NDArray[np.bool_], mean: float, low: float, high: float
) -> tuple[float, float]:
    step = grid[1]
    inside = grid[alive] if alive.any() else np.array([mean])
    first, last = max(inside[0] - step, 0.0), min(inside[-1] + step, 1.0)
    return float(low + first * (high - low)), float(low + last * (high - low))
