"""Bets on monitoring strategies, and the features to keep when a model is monitored less.

There are four kinds of hypotheses. Under the null of each, the other choice costs no more.

``thorough/T``   monitoring models of impact T returns more than it costs
``light/B``      monitoring models with a drift rate below B costs more than it returns
``lesser/T``     the same for models of impact T
``incident/D``   within D days (and beyond the next shorter span) of an incident, drifts are real more often

Each hypothesis is tested alone with its share of the risk.

When a model is monitored less, the features whose drifts cost most are kept.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from poet.learning.configuration import Costs
from poet.learning.e_factors import (
    EFactor,
    bernoulli_factor,
    bounded_mean_factor,
    factors_excluding,
    hypothesis_key,
)
from poet.learning.feedback_rows import FeedbackRow
from poet.policies.adaptive_monitoring_strategy.learner.readings import (
    BANDS,
    TIERS,
    CostRecord,
    PostIncidentExecution,
)
from poet.stats import decay_weights, rate_interval

DAYS: Final = (1.0, 3.0, 7.0, 14.0, 30.0)
LESSER: Final = TIERS[:3]  # no model of high or critical impact is ever monitored less
_MOST: Final = 3.0  # times the largest cost: surpluses are cut here, so that no single report decides
_UNSEEN_GAIN: Final = 5.0  # times the cost: larger returns that were never observed are not considered
_STAKES_ON_GAIN: Final = (0.2, 0.4, 0.7)  # of the wealth, per largest cost so far
_STAKES_ON_COST: Final = (0.2, 0.5, 0.9)  # of the wealth, per largest gain so far
_ALTERNATIVES: Final = (0.3, 0.6, 0.9)  # of the way from the usual rate of real drifts to always
_FEWEST_EXECUTIONS: Final = 10  # labels from longer after an incident needed to estimate the usual rate
_HIGHEST: Final = 0.95  # above this usual rate there is no room for a higher one


@dataclass(frozen=True, slots=True)
class Evidence:
    """All feedback that the bets use, by kind."""

    cost_records: Sequence[CostRecord]
    executions: Sequence[PostIncidentExecution]


def bets(evidence: Evidence, *, costs: Costs, risk: float) -> Callable[..., list[EFactor]]:
    """Return a function from excluded sources to the e-factors of all other rows.

    The usual rate after an incident is estimated from labels too, so these bets are recomputed each time.
    """
    factors = list(_cost_factors(evidence.cost_records, costs.miss * costs.unit_usd))

    def without(*sources: str) -> list[EFactor]:
        executions = (row for row in evidence.executions if row.source not in sources)
        return [*factors_excluding(factors, *sources), *_incidents(executions, risk)]

    return without


def hypothesis_weights() -> dict[str, float]:
    """Return the weights of the hypotheses, fixed before any data are seen."""
    return {
        **{hypothesis_key("thorough", tier): 0.3 / len(TIERS) for tier in TIERS},
        **{
            hypothesis_key("light", f"{band:g}"): 0.3 * share
            for band, share in zip(BANDS, (0.7, 0.2, 0.1), strict=True)
        },
        **{hypothesis_key("lesser", tier): 0.15 / len(LESSER) for tier in LESSER},
        **{hypothesis_key("incident", f"{days:g}"): 0.25 / len(DAYS) for days in DAYS},
    }


def _cost_factors(cost_records: Iterable[CostRecord], cost_of_miss: float) -> Iterator[EFactor]:
    """Yield bets in dollars; a stake risks at most its share of the wealth for any cost record.

    On gains, the wealth grows by stake x (gain - cost) / largest cost. Gains are cut at `_MOST` times that
    cost, which can only lower the wealth. On costs, it grows by stake x (cost - gain) / largest gain.
    Evidence that these models never return more is possible only for bounded gains. The bound is the maximum
    of the largest gain so far, the workspace's cost of a miss, and `_UNSEEN_GAIN` times the cost. Larger
    gains that were never observed are not considered.
    """
    largest_cost: defaultdict[str, float] = defaultdict(float)
    largest_gain: defaultdict[str, float] = defaultdict(lambda: cost_of_miss)
    for row in cost_records:
        for hypothesis in _hypotheses(row):
            if hypothesis.startswith("thorough"):
                most = largest_cost[hypothesis] = max(largest_cost[hypothesis], row.cost)
                if most > 0.0:
                    surplus = min((row.gain - row.cost) / most, _MOST)
                    yield bounded_mean_factor(hypothesis, row, surplus, stakes=_STAKES_ON_GAIN)
            else:
                most = largest_gain[hypothesis] = max(largest_gain[hypothesis], row.gain)
                deficit = (row.cost - row.gain) / max(most, _UNSEEN_GAIN * row.cost)
                yield bounded_mean_factor(hypothesis, row, deficit, stakes=_STAKES_ON_COST)


def _hypotheses(row: CostRecord) -> Iterator[str]:
    if row.tier:
        yield hypothesis_key("thorough", row.tier)
    if row.tier in LESSER:
        yield hypothesis_key("lesser", str(row.tier))
    if row.band is not None and row.tier not in TIERS[3:]:
        yield hypothesis_key("light", f"{row.band:g}")


def _incidents(executions: Iterable[PostIncidentExecution], risk: float) -> Iterator[EFactor]:
    """Yield bets that drifts soon after an incident are real more often than a bound of the later rate."""
    # Real drifts, and all labels, from longer after an incident than each span.
    later: dict[float, tuple[int, int]] = dict.fromkeys(DAYS, (0, 0))
    for row in executions:
        index = bisect_left(DAYS, row.days) if row.days is not None else len(DAYS)
        if index < len(DAYS):
            yield from _soon_after(DAYS[index], row, *later[DAYS[index]], risk)
        for days in DAYS[:index]:
            real, n = later[days]
            later[days] = real + row.is_real, n + 1


def _soon_after(days: float, row: PostIncidentExecution, real: int, n: int, risk: float) -> Iterator[EFactor]:
    usual = rate_interval(real, n, risk=risk / (2.0 * len(DAYS)))[1] if n >= _FEWEST_EXECUTIONS else 1.0
    if usual < _HIGHEST:
        yield bernoulli_factor(
            hypothesis_key("incident", f"{days:g}"),
            row,
            happened=row.is_real,
            chance=usual,
            alternatives=tuple(usual + (1.0 - usual) * beyond for beyond in _ALTERNATIVES),
        )


def return_on(cost_records: Iterable[CostRecord]) -> float:
    """Return dollars gained per dollar spent; infinity if nothing was spent."""
    rows = list(cost_records)
    cost = sum(row.cost for row in rows)
    gain = sum(row.gain for row in rows)
    return gain / cost if cost > 0.0 else math.inf


MOST: Final = 10
_FEWEST_DRIFTS: Final = 3
_COVERED: Final = 0.95  # of the cost of all drifts
_BETTER: Final = 1.5  # factor by which a new feature must exceed one in force to replace it
_KNOWN: Final = 30  # events needed before fewer than `MOST` features can be enough


def top_features(
    impacts: Sequence[FeedbackRow],
    labels: Sequence[FeedbackRow],
    former: Iterable[str],
    former_top: int,
    *,
    half_life_days: float,
    newest: float,
) -> tuple[tuple[str, ...], int]:
    """Return the features that matter most, sorted by name, and how many of them are enough.

    Features are ranked by the performance loss of their drifts. Without reports of losses, the ranking uses
    the number of real drifts. Without labels, the features in force are returned.
    """
    worth: defaultdict[str, float] = defaultdict(float)
    losses = [(each, max(each["model_performance_drop"], 0.0)) for each in impacts]
    if not losses:
        losses = [(each, float(each["was_real_drift"])) for each in labels if each["feature"]]
    if not losses:
        return tuple(sorted(former)), former_top
    weights = decay_weights([each.time for each, _ in losses], half_life_days=half_life_days, newest=newest)
    for (each, value), weight in zip(losses, weights, strict=True):
        worth[each["feature"]] += value * float(weight)
    in_use = set(former)
    ranked = sorted(worth, key=lambda name: (-worth[name] * (_BETTER if name in in_use else 1.0), name))
    enough = _enough([worth[name] for name in ranked]) if len(losses) >= _KNOWN else MOST
    return tuple(sorted(ranked[:enough])), enough


def _enough(worths: Sequence[float]) -> int:
    total, covered = sum(worths), 0.0
    for k, worth in enumerate(worths, start=1):
        covered += worth
        if covered >= _COVERED * total:
            return min(max(k, _FEWEST_DRIFTS), MOST)
    return MOST
