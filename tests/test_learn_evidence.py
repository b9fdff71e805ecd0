"""Simulations of the guarantees of e-processes and intervals, with a look after every event."""

import math
from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from poet.stats import (
    BettingState,
    StakeRule,
    bounded_mean_interval,
    decay_weights,
    e_value_threshold,
    effective_sample_size,
    log_likelihood_ratios,
    log_ordering_evidence,
    log_rank_factors,
    log_restarting_mixture,
    log_wealth_factors,
    median_interval,
    rate_interval,
    reject,
    shrunk_means,
)
from poet_runtime.errors import LearnError

HISTORIES = 2_000
EVENTS = 300
RISK = 0.05
ALLOWED = RISK + 3 * math.sqrt(RISK * (1 - RISK) / HISTORIES)


def coins(p: float, *, seed: int) -> NDArray[np.float64]:
    """Return `EVENTS` Bernoulli outcomes in each of `HISTORIES` histories."""
    return (np.random.default_rng(seed).random((HISTORIES, EVENTS)) < p).astype(float)


def betting_log_wealth(outcomes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log wealth after every outcome, by history; the last axis is time."""
    return np.array([_wealth_path(history) for history in outcomes.tolist()])


def _wealth_path(history: list[float]) -> list[float]:
    state, path = BettingState(), []
    for outcome in history:
        state = state.updated(outcome)
        path.append(state.log_wealth)
    return path


@pytest.mark.parametrize("rate", [0.03, 0.5])
def test_a_rate_interval_covers_at_all_times_simultaneously(rate: float) -> None:
    """At most 5 % of histories ever exclude the truth."""
    successes = coins(rate, seed=3).cumsum(axis=1)
    table = {(s, n) for row in successes[:200] for n, s in enumerate(row, start=1)}
    misses = {key: not _covers(rate_interval(*key, risk=RISK), rate) for key in table}
    ever = np.mean([any(misses[s, n] for n, s in enumerate(row, start=1)) for row in successes[:200]])
    assert ever <= RISK + 3 * math.sqrt(RISK * (1 - RISK) / 200)


def test_a_rate_interval_narrows_and_contains_the_rate() -> None:
    """More events at the same rate give a shorter interval that contains the rate."""
    few, many = rate_interval(3, 10, risk=RISK), rate_interval(300, 1000, risk=RISK)
    assert few[0] < many[0] < 0.3 < many[1] < few[1]


def test_no_data_gives_the_whole_range() -> None:
    """Without events every rate and every mean is possible."""
    assert rate_interval(0, 0, risk=RISK) == (0.0, 1.0)
    assert bounded_mean_interval([], risk=RISK) == (-1.0, 1.0)


def test_betting_wealth_keeps_the_risk_under_optional_stopping() -> None:
    """With skewed outcomes of mean zero, at most 5 % of histories ever reach a wealth of 20."""
    outcomes = np.where(coins(0.2, seed=4) > 0, 0.8, -0.2)
    ever = (betting_log_wealth(outcomes) >= -math.log(RISK)).any(axis=1).mean()
    assert ever <= ALLOWED


def test_betting_wealth_grows_if_the_mean_is_positive() -> None:
    """A mean of 0.3 is detected within 300 outcomes."""
    outcomes = np.where(coins(0.65, seed=5) > 0, 1.0, -1.0)
    assert (betting_log_wealth(outcomes)[:, -1] >= -math.log(RISK)).mean() > 0.95


def test_a_stake_does_not_depend_on_its_outcome() -> None:
    """A different last outcome does not change its stake."""
    state = BettingState().updated(0.5).updated(0.25)
    assert state.updated(-1.0).log_wealth == pytest.approx(state.log_wealth + math.log1p(-state.stake))
    assert state.updated(1.0).log_wealth == pytest.approx(state.log_wealth + math.log1p(state.stake))


def test_a_stake_depends_on_past_outcomes_and_stays_within_its_cap() -> None:
    """The stake is mean over mean square: 0 before the first outcome, clipped to [0, cap]."""
    rule = StakeRule(cap=0.5)
    assert rule.stake(0.0, 0.0, 0) == 0.0
    assert rule.stake(-5.0, 5.0, 5) == 0.0
    assert rule.stake(5.0, 5.0, 5) == 0.5
    assert rule.stake(1.0, 9.75, 9) == pytest.approx(0.1)


def test_a_prior_has_the_weight_of_its_outcomes() -> None:
    """The prior is five outcomes of mean 0.1 and square 0.4; a parent's moments replace it."""
    rule = StakeRule(cap=0.9, prior_n=5.0, prior_mean=0.1, prior_square=0.4, least_square=0.01)
    assert rule.stake(0.0, 0.0, 0.0) == pytest.approx(0.25)
    assert rule.stake(0.5, 2.0, 5.0) == pytest.approx(0.25)
    assert rule.with_prior(0.3, 0.4).stake(0.0, 0.0, 0.0) == pytest.approx(0.75)
    assert rule.with_prior(0.002, 0.0).stake(0.0, 0.0, 0.0) == pytest.approx(0.2)


def test_fixed_stakes_and_likelihood_ratios_have_mean_one_under_the_null() -> None:
    """Every alternative has mean 1 for an outcome of mean 0, or an event with the null probability."""
    wins, losses = (np.exp(log_wealth_factors(x, (0.2, 0.5, 0.9))) for x in (0.75, -0.25))
    assert 0.25 * wins + 0.75 * losses == pytest.approx(np.ones(3))
    happened, absent = (
        np.exp(log_likelihood_ratios((0.5, 0.9), happened=each, chance=0.3)) for each in (True, False)
    )
    assert 0.3 * happened + 0.7 * absent == pytest.approx(np.ones(2))


def test_a_mean_interval_covers_at_all_times_simultaneously() -> None:
    """Intersected over time intervals only shrink, so the last one is decisive; at most 5 % may miss."""
    rng = np.random.default_rng(7)
    samples = rng.beta(1.0, 3.0, size=(300, 100))
    missed = np.mean([not _covers(bounded_mean_interval(s, risk=RISK, low=0.0), 0.25) for s in samples])
    assert missed <= RISK + 3 * math.sqrt(RISK * (1 - RISK) / 300)


def test_a_mean_interval_is_narrow() -> None:
    """A thousand outcomes bound a mean within a tenth of the range, on any range."""
    values = np.random.default_rng(8).beta(2.0, 2.0, 1_000) * 20.0 - 10.0
    low, high = bounded_mean_interval(values, risk=RISK, low=-10.0, high=10.0)
    assert low < 0.0 < high
    assert high - low < 2.0


def test_a_median_interval_covers_at_all_times_simultaneously() -> None:
    """At most 5 % of histories with heavy tails ever exclude the median."""
    samples = np.random.default_rng(9).standard_cauchy((300, 80))
    ever = np.mean([any(_misses_zero(row[:n]) for n in range(6, 81)) for row in samples])
    assert ever <= RISK + 3 * math.sqrt(RISK * (1 - RISK) / 300)


def test_a_median_of_few_values_is_not_bounded() -> None:
    """Five values are too few at this risk."""
    assert median_interval([1.0, 2.0, 3.0, 4.0, 5.0], risk=RISK) is None


@pytest.mark.parametrize("values", [(1.0, 2.0, 3.0, 4.0), (1.0, 1.0, 2.0, 2.0), (0.0, 0.0, 0.0, 1.0)])
def test_a_rank_factor_has_mean_one_under_the_null(values: tuple[float, ...]) -> None:
    """Over all permutations of the values, with or without ties, every alternative has mean 1."""
    deals = np.array([np.exp(log_rank_factors(deal[0], deal[1:])) for deal in permutations(values)])
    assert deals.mean(axis=0) == pytest.approx(np.ones(3))


def test_a_clear_win_against_three_is_worth_more_than_against_one() -> None:
    """The strongest alternative gives 3.4 instead of 1.9."""
    against_one, against_three = (
        np.exp(log_rank_factors(9.0, others)) for others in ([1.0], [1.0, 2.0, 3.0])
    )
    assert against_one[-1] == pytest.approx(32 / 17)
    assert against_three[-1] == pytest.approx(64 / 19)


def test_ordering_evidence_has_mean_one_over_all_orders() -> None:
    """For any scores and each strength, the e-values of all orders have mean 1."""
    scores = (0.0, 0.3, 0.3, 1.0, 2.0)
    values = np.array([np.exp(log_ordering_evidence(order, (1.0, 5.0))) for order in permutations(scores)])
    assert values.mean(axis=0) == pytest.approx(np.ones(2))


def test_ordering_evidence_is_a_martingale_as_readings_arrive() -> None:
    """The mean over the ranks of a new reading equals the value before it."""
    before = [0.0, 2.0, 1.0]
    grown = [[*before[:rank], 3.0, *before[rank:]] for rank in range(4)]
    mean = np.mean([np.exp(log_ordering_evidence(order, (2.0,))) for order in grown])
    assert mean == pytest.approx(float(np.exp(log_ordering_evidence(before, (2.0,)))[0]))


def test_a_restarting_mixture_detects_a_late_effect() -> None:
    """Evidence against, then evidence for: the sum is negative, the restarting mixture is large."""
    factors = np.array([[-1.0]] * 30 + [[1.0]] * 15)
    epochs = np.array([0] * 30 + [1] * 15)
    assert factors.sum() < 0
    assert log_restarting_mixture(factors, epochs) == pytest.approx(15 + math.log(0.25), abs=1e-3)


def test_a_restarting_mixture_has_total_weight_one() -> None:
    """Uninformative factors give exactly 1, for any number of epochs."""
    assert log_restarting_mixture(np.zeros((4, 3)), np.array([0, 1, 1, 5])) == pytest.approx(0.0)


def test_ebh_rejects_the_largest_self_consistent_set() -> None:
    """At weight 1/2, two e-values of 25 are rejected together; one alone needs 40."""
    halves = {"a": 0.5, "b": 0.5}
    assert reject({"a": 25.0, "b": 25.0}, halves, RISK) == {"a", "b"}
    assert reject({"a": 25.0, "b": 1.0}, halves, RISK) == set()
    assert reject({"a": 41.0, "b": 1.0}, halves, RISK) == {"a"}
    assert reject({}, {}, RISK) == set()


def test_the_threshold_is_where_ebh_rejects() -> None:
    """A hypothesis is rejected at the threshold, and not just below it."""
    threshold = e_value_threshold(0.5, delta=RISK, others=1)
    halves = {"a": 0.5, "b": 0.5}
    assert reject({"a": threshold, "b": 1e6}, halves, RISK) == {"a", "b"}
    assert reject({"a": threshold * 0.999, "b": 1e6}, halves, RISK) == {"b"}


@pytest.mark.parametrize("weights", [{"a": 0.7, "b": 0.7}, {"a": 1.0}])
def test_ebh_rejects_invalid_weights(weights: dict[str, float]) -> None:
    """A sum above 1 and a hypothesis without a weight are errors."""
    with pytest.raises(LearnError, match="give each one a weight"):
        reject({"a": 1.0, "b": 1.0}, weights, RISK)


def test_ebh_keeps_the_risk_under_optional_stopping() -> None:
    """With twenty correlated true nulls and looks after every event, at most 5 % of histories ever reject."""
    rng = np.random.default_rng(10)
    shared = rng.random((500, 1, 200)) < 0.5
    own = rng.random((500, 20, 200)) < 0.5
    signs = np.where(rng.random((500, 20, 200)) < 0.7, shared, own) * 2.0 - 1.0
    e = np.exp(np.cumsum(np.log1p(0.3 * signs), axis=2))
    assert _ever_rejects(e) <= RISK + 3 * math.sqrt(RISK * (1 - RISK) / 500)


def test_a_running_maximum_is_not_an_e_value() -> None:
    """The mean of current values stays at 1, the mean of their maxima does not."""
    signs = coins(0.5, seed=12)[:, :30] * 2.0 - 1.0
    e = np.exp(np.cumsum(np.log1p(0.3 * signs), axis=1))
    assert e[:, -1].mean() == pytest.approx(1.0, abs=0.25)
    assert e.max(axis=1).mean() > 2.0


def test_means_shrink_by_the_variance_within_over_between() -> None:
    """Distant groups keep their means; an empty group gets the common mean."""
    near, far, unseen = shrunk_means([1.0, 9.0, 0.0], [10, 10, 0], 1.0)
    assert (near, far) == (pytest.approx(1.0, abs=0.1), pytest.approx(9.0, abs=0.1))
    assert unseen == pytest.approx(5.0)


def test_weights_halve_every_half_life_of_event_time() -> None:
    """Age counts from the newest event; no weight exceeds 1."""
    day = 86_400.0
    assert decay_weights([0.0, 90 * day, 200 * day], half_life_days=90, newest=90 * day).tolist() == [
        0.5,
        1.0,
        1.0,
    ]


def test_effective_n_is_that_of_kish() -> None:
    """Equal weights give their number; a single positive weight gives 1."""
    assert effective_sample_size([0.5] * 8) == pytest.approx(8.0)
    assert effective_sample_size([1.0, 0.0]) == pytest.approx(1.0)
    assert effective_sample_size([]) == 0.0


def _covers(interval: tuple[float, float], truth: float) -> bool:
    return interval[0] <= truth <= interval[1]


def _misses_zero(values: NDArray[np.float64]) -> bool:
    interval = median_interval(values, risk=RISK)
    return interval is not None and not _covers(interval, 0.0)


def _ever_rejects(e: NDArray[np.float64]) -> float:
    """Apply e-BH with equal weights at every time; e has shape (histories, hypotheses, times)."""
    m = e.shape[1]
    descending = -np.sort(-e / m, axis=1)
    passed = descending * np.arange(1, m + 1)[:, None] >= 1 / RISK
    return float(passed.any(axis=(1, 2)).mean())
