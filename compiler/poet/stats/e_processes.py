"""E-processes: evidence that stays valid however often it is checked.

Two engines cover every test of the learners.

*Predictable stakes* (`StakeRule`, `BettingState`) bet on the mean of outcomes in [-1, 1]. The stake on the
next outcome is computed from earlier outcomes alone (Waudby-Smith and Ramdas, "Estimating means of bounded
random variables by betting", JRSS-B 2024). While every conditional mean is at most zero, the wealth is a
supermartingale that starts at 1, so it reaches 1 / risk with probability at most risk (Ville 1939).

*Fixed grids* fix the alternatives in advance: stakes, likelihood ratios, Plackett-Luce strengths or Lehmann
powers. Each alternative multiplies its own factors, and `log_restarting_mixture` averages them over
alternatives and starting epochs. Sums of logs can be merged in any order, which predictable stakes cannot.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LEHMANN_POWERS: Final = np.array([2.0, 4.0, 16.0])  # the one reading is the largest of this many draws
_FIRST_EPOCH: Final = 0.5  # share of the wealth that bets from the first event


@dataclass(frozen=True, slots=True)
class StakeRule:
    """A predictable stake: mean over mean square of the earlier outcomes, clipped to [0, `cap`].

    This is aGRAPA, close to Kelly's stake. The prior counts as `prior_n` outcomes with the given mean and
    mean square. The default prior has mean 0 and variance 1/4, so the first stake is 0.

    >>> from poet.stats import StakeRule
    >>> StakeRule().stake(total=0.0, squares=0.0, n=0), StakeRule().stake(total=8.0, squares=10.0, n=10)
    (0.0, 0.5)
    """

    cap: float = 0.5
    prior_n: float = 1.0
    prior_mean: float = 0.0
    prior_square: float = 0.25
    least_square: float = 0.0  # a smaller mean square counts as this

    def stake(self, total: float, squares: float, n: float) -> float:
        """Return the fraction of wealth to bet after `n` outcomes with these sums of values and squares."""
        size = n + self.prior_n
        mean = (total + self.prior_n * self.prior_mean) / size
        square = (squares + self.prior_n * self.prior_square) / size
        return min(max(mean / max(square, self.least_square), 0.0), self.cap)

    def with_prior(self, mean: float, square: float) -> "StakeRule":
        """Return the same rule with the moments of a parent group as its prior."""
        return StakeRule(self.cap, self.prior_n, mean, square, self.least_square)


_DEFAULT_RULE: Final = StakeRule()


@dataclass(frozen=True, slots=True)
class BettingState:
    """Wealth of a gambler who bets that the mean of outcomes in [-1, 1] is above zero.

    >>> import math
    >>> from poet.stats import BettingState
    >>> state = BettingState()
    >>> for _ in range(20):
    ...     state = state.updated(1.0)
    >>> round(math.exp(state.log_wealth))
    2217
    """

    log_wealth: float = 0.0
    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    rule: StakeRule = _DEFAULT_RULE

    @property
    def stake(self) -> float:
        """The fraction of wealth on the next outcome."""
        return self.rule.stake(self.total, self.squares, self.n)

    def updated(self, outcome: float) -> "BettingState":
        """Return the state after settling the current stake at `outcome` (in [-1, 1])."""
        return BettingState(
            log_wealth=self.log_wealth + math.log1p(self.stake * outcome),
            n=self.n + 1,
            total=self.total + outcome,
            squares=self.squares + outcome * outcome,
            rule=self.rule,
        )


def log_wealth_factors(outcome: float, stakes: Sequence[float]) -> NDArray[np.float64]:
    """Return the log e-values of one outcome with mean at most zero, one per fixed stake.

    The outcome must be at least -1 / max(stakes); it need not have an upper bound.

    >>> import numpy as np
    >>> from poet.stats import log_wealth_factors
    >>> np.exp(log_wealth_factors(1.0, stakes=[0.25, 0.5])).round(4).tolist()
    [1.25, 1.5]
    """
    return np.asarray(np.log1p(np.multiply(stakes, outcome)), dtype=np.float64)


def log_likelihood_ratios(
    alternatives: Sequence[float], *, happened: bool, chance: float
) -> NDArray[np.float64]:
    """Return the log likelihood ratios of alternative probabilities against `chance` (in (0, 1)).

    >>> import numpy as np
    >>> from poet.stats import log_likelihood_ratios
    >>> np.exp(log_likelihood_ratios([0.25, 0.5], happened=True, chance=0.05)).round(4).tolist()
    [5.0, 10.0]
    """
    instead = np.asarray(alternatives, dtype=np.float64)
    ratios = instead / chance if happened else (1.0 - instead) / (1.0 - chance)
    return np.asarray(np.log(ratios), dtype=np.float64)


def log_ordering_evidence(ascending: ArrayLike, strengths: ArrayLike) -> NDArray[np.float64]:
    """Return the log e-value of "outcomes grow with the score", one per strength; shape (strengths,).

    `ascending` holds the scores of a block's readings, sorted by their outcomes from smallest to largest.
    Under the null every order is equally likely, 1 / n!. Under the alternative, orders follow Plackett and
    Luce: from the largest outcome down, each place goes to a remaining reading with probability
    proportional to exp(strength · score). The ratio has mean 1 under the null whatever the scores. It is a
    martingale as readings arrive, because the Plackett-Luce order of some readings is the marginal of the
    order of all, so peeking inside a block is allowed. Ties in the outcomes must be broken at random, not by
    anything that knows the scores.

    Compared with disjoint pairs this uses all comparisons at once: sixteen readings at four separate
    levels are worth a factor of at most 6e7, eight pairs of them 256.

    >>> import numpy as np
    >>> from poet.stats import log_ordering_evidence
    >>> np.exp(log_ordering_evidence([1.0, 2.0, 3.0], strengths=[1.0])).round(2).tolist()
    [2.92]
    """
    from scipy import special  # noqa: PLC0415 -- a third of a second that only learning pays

    scores = np.asarray(ascending, dtype=np.float64)
    weights = np.multiply.outer(np.asarray(strengths, dtype=np.float64), scores)
    remaining = np.logaddexp.accumulate(weights, axis=1)  # of this reading and all with smaller outcomes
    return np.asarray((weights - remaining).sum(axis=1) + special.gammaln(scores.size + 1), dtype=np.float64)


def log_rank_factors(one: float, others: Sequence[float]) -> NDArray[np.float64]:
    """Return the log e-values of "`one` is larger than `others`", one per Lehmann alternative; shape (3,).

    Under the null `one` and `others` are exchangeable, so the number of others below it is uniform on
    0 … m. Under the alternative `one` is the largest of κ draws (κ = 2, 4, 16), so exactly j lie below it
    with probability C(m, j) κ B(j + κ, m - j + 1). The factor is the ratio of the two, averaged over the ways
    to break ties: its mean under the null is exactly 1, with or without ties. Against a single other this is
    the sign test; against three a clear win is worth 3.4 instead of 1.9.

    >>> import numpy as np
    >>> from poet.stats import log_rank_factors
    >>> np.exp(log_rank_factors(9.0, [1.0, 2.0, 3.0])).round(2).tolist()
    [1.6, 2.29, 3.37]
    """
    from scipy import special  # noqa: PLC0415 -- a third of a second that only learning pays

    values = np.asarray(others, dtype=np.float64)
    m = values.size
    below = int((values < one).sum())
    j = np.arange(below, below + int((values == one).sum()) + 1)[:, None]
    log_chance = (
        -np.log(m + 1.0)
        - special.betaln(m - j + 1.0, j + 1.0)  # log C(m, j)
        + np.log(_LEHMANN_POWERS)
        + special.betaln(j + _LEHMANN_POWERS, m - j + 1.0)
    )
    return np.asarray(np.log(np.exp(log_chance).mean(axis=0) * (m + 1.0)), dtype=np.float64)


def log_restarting_mixture(factors: NDArray[np.float64], epochs: NDArray[np.int64]) -> float:
    """Return the log of the e-process made of log `factors`, shape (factors, alternatives).

    The wealth is split in advance over alternatives and over the epochs (0, 1, 2 …, by event time) in which
    betting starts: 1/2 from the start and 1/2 / (j (j + 1)) from epoch j. A mixture of e-processes is an
    e-process, and late starts detect a change without first making up for past losses. Wealth reserved for
    later epochs stays idle and is never lost, so a product of many such values survives uninformative
    factors.

    >>> import numpy as np
    >>> from poet.stats import log_restarting_mixture
    >>> factors = np.log(np.full((40, 1), 1.5))
    >>> round(log_restarting_mixture(factors, epochs=np.zeros(40, int)), 2)
    15.53
    """
    last = int(epochs.max(initial=0))
    shares = np.array([_FIRST_EPOCH] + [(1 - _FIRST_EPOCH) / (j * (j + 1)) for j in range(1, last + 1)])
    unspent = (1 - _FIRST_EPOCH) / (last + 1)
    wealth = [np.log(unspent)]
    for j, share in enumerate(shares):
        sums = factors[epochs >= j].sum(axis=0)
        wealth.append(np.log(share) + np.logaddexp.reduce(sums) - np.log(sums.size))
    return float(np.logaddexp.reduce(wealth))
