"""E-process and confidence sequence for a bounded mean: betting.

Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 2024.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["BettingState", "betting_log_wealth", "bounded_mean_interval"]

_PRIOR_N = 1.0  # one imagined outcome of mean 0 and variance 1/4, so that the first bet is nothing
_PRIOR_VARIANCE = 0.25
_ONE_BY_ONE = 512  # outcomes; later bets stand for a sixteenth of what came before them
_SHARE = 16
_GRID = 1001  # candidate means of a confidence sequence; the ends are widened by one step


@dataclass(frozen=True, slots=True)
class BettingState:
    """Wealth of a gambler who bets that the mean of outcomes in [-1, 1] is above zero.

    Under "every conditional mean is at most zero" the wealth is a supermartingale that starts at 1,
    because each bet is made of earlier outcomes alone and never risks more than `cap` of the wealth.
    """

    log_wealth: float = 0.0
    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    cap: float = 0.5

    @property
    def bet(self) -> float:
        """The fraction of wealth on the next outcome: aGRAPA, mean / (variance + mean²), in [0, cap]."""
        return float(_bets(self.total, self.squares, self.n, cap=self.cap))

    def updated(self, outcome: float) -> "BettingState":
        """Settle the current bet at `outcome` (in [-1, 1]) and look at it only then."""
        return BettingState(
            log_wealth=self.log_wealth + math.log1p(self.bet * outcome),
            n=self.n + 1,
            total=self.total + outcome,
            squares=self.squares + outcome * outcome,
            cap=self.cap,
        )


def betting_log_wealth(outcomes: ArrayLike, *, cap: float = 0.5) -> NDArray[np.float64]:
    """Give the log wealth after every outcome; the last axis is time, outcomes lie in [-1, 1].

    The same numbers as `BettingState`, for many processes at once.
    """
    x = np.asarray(outcomes, dtype=np.float64)
    past = np.arange(x.shape[-1])
    bets = _bets(np.cumsum(x, axis=-1) - x, np.cumsum(x * x, axis=-1) - x * x, past, cap=cap)
    return np.asarray(np.cumsum(np.log1p(bets * x), axis=-1), dtype=np.float64)


def bounded_mean_interval(
    values: ArrayLike, *, risk: float, low: float = -1.0, high: float = 1.0
) -> tuple[float, float]:
    """Give an interval for the mean of values in [`low`, `high`] that holds at all times at once.

    Hedged betting: for each candidate mean half the wealth bets on more, half on less, with
    predictable plug-in bets sqrt(2 log(2/risk) / (variance t log(t+1))); candidates at which the hedged
    wealth ever reached 1 / `risk` are out. The grid's step is added to both sides. In long sequences a bet
    stands for a while, and the wealth is looked at when it changes: as valid, and it costs what is new.
    """
    x = (np.asarray(values, dtype=np.float64) - low) / (high - low)
    if x.size == 0:
        return low, high
    grid = np.linspace(0.0, 1.0, _GRID)
    bets = _hedging_bets(x, risk)
    up = np.zeros(_GRID)
    down = np.zeros(_GRID)
    alive = np.ones(_GRID, dtype=bool)
    half = math.log(0.5)
    bar = -math.log(risk)
    for first, last in _stretches(x.size):
        more = np.minimum(bets[first], 0.5 / np.maximum(grid, 1e-12))  # never risk more than half the wealth
        less = np.minimum(bets[first], 0.5 / np.maximum(1.0 - grid, 1e-12))
        for value, count in zip(*np.unique(x[first:last], return_counts=True), strict=True):
            up += count * np.log1p(more * (value - grid))
            down += count * np.log1p(-less * (value - grid))
        alive &= half + np.maximum(up, down) < bar
    return _ends(grid, alive, float(x.mean()), low, high)


def _stretches(n: int) -> Iterator[tuple[int, int]]:
    """Cut n outcomes into stretches on which one bet stands."""
    first = 0
    while first < n:
        last = min(first + (1 if first < _ONE_BY_ONE else first // _SHARE), n)
        yield first, last
        first = last


def _bets(total: ArrayLike, squares: ArrayLike, n: ArrayLike, *, cap: float) -> NDArray[np.float64]:
    size = np.asarray(n, dtype=np.float64) + _PRIOR_N
    mean = np.asarray(total, dtype=np.float64) / size
    second = (np.asarray(squares, dtype=np.float64) + _PRIOR_N * _PRIOR_VARIANCE) / size  # variance + mean²
    return np.asarray(np.clip(mean / second, 0.0, cap), dtype=np.float64)


def _hedging_bets(x: NDArray[np.float64], risk: float) -> NDArray[np.float64]:
    t = np.arange(1, x.size + 1)
    means = (0.5 + np.cumsum(x)) / (t + 1)
    spread = (_PRIOR_VARIANCE + np.cumsum((x - means) ** 2)) / (t + 1)
    variance = np.concatenate(([_PRIOR_VARIANCE], spread[:-1]))  # of the past alone
    return np.asarray(np.sqrt(2.0 * math.log(2.0 / risk) / (variance * t * np.log1p(t))), dtype=np.float64)


def _ends(
    grid: NDArray[np.float64], alive: NDArray[np.bool_], mean: float, low: float, high: float
) -> tuple[float, float]:
    step = grid[1]
    inside = grid[alive] if alive.any() else np.array([mean])
    first, last = max(inside[0] - step, 0.0), min(inside[-1] + step, 1.0)
    return float(low + first * (high - low)), float(low + last * (high - low))
