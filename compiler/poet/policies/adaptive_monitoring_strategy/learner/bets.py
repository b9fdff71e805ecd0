"""What is bet on strategies, each against a null under which the other choice costs no more.

``thorough/T``   monitoring models of impact T returns more than it costs
``light/B``      monitoring models that drift more rarely than B costs more than it returns
``lesser/T``     the same for models of impact T
``incident/D``   within D days (above the next shorter span) of an incident, drifts are real more often

Every hypothesis stands alone with its share of the risk.

Which features stay when a model is monitored less: those whose drifts cost most.
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
_MOST: Final = 3.0  # times the largest cost: a larger surplus counts as this, so that no single claim decides
_RECKONED: Final = 5.0  # times the cost: a larger return that these models never had is not reckoned with
_STAKES_ON_GAIN: Final = (0.2, 0.4, 0.7)  # of the wealth, per largest cost so far
_STAKES_ON_COST: Final = (0.2, 0.5, 0.9)  # of the wealth, per largest gain so far
_BEYOND: Final = (0.3, 0.6, 0.9)  # of the way from the usual rate of real drifts to always
_FEWEST_EXECUTIONS: Final = 10  # executions judged longer after an incident before there is a usual rate
_HIGHEST: Final = 0.95  # usual rate that leaves room for more


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was said, by kind."""

    accounts: Sequence[CostRecord]
    judged: Sequence[PostIncidentExecution]


def bets(said: Evidence, *, costs: Costs, risk: float) -> Callable[..., list[EFactor]]:
    """Return a function from excluded sources to the e-factors of all other rows.

    What is usual after an incident is made of verdicts too, so these bets are settled anew.
    """
    accounts = list(_accounts(said.accounts, costs.miss * costs.unit_usd))

    def without(*sources: str) -> list[EFactor]:
        judged = (row for row in said.judged if row.source not in sources)
        return [*factors_excluding(accounts, *sources), *_incidents(judged, risk)]

    return without


def risk_shares() -> dict[str, float]:
    """Return the weights of the hypotheses, fixed before any data."""
    return {
        **{hypothesis_key("thorough", tier): 0.3 / len(TIERS) for tier in TIERS},
        **{
            hypothesis_key("light", f"{band:g}"): 0.3 * share
            for band, share in zip(BANDS, (0.7, 0.2, 0.1), strict=True)
        },
        **{hypothesis_key("lesser", tier): 0.15 / len(LESSER) for tier in LESSER},
        **{hypothesis_key("incident", f"{days:g}"): 0.25 / len(DAYS) for days in DAYS},
    }


def _accounts(accounts: Iterable[CostRecord], dearest: float) -> Iterator[EFactor]:
    """Yield bets in money: a stake risks at most its part of the wealth, whatever the account holds.

    On gains: the wealth grows by stake x (gain - cost) / largest cost. Gains are cut at `_MOST` times that
    cost, which can only lose. On costs: by stake x (cost - gain) / largest gain. That these models never
    return more can only be shown of gains that are bounded: by the largest so far, by a miss of the
    workspace, and by `_RECKONED` times the cost, beyond which nothing unseen is reckoned with.
    """
    largest_cost: defaultdict[str, float] = defaultdict(float)
    largest_gain: defaultdict[str, float] = defaultdict(lambda: dearest)
    for row in accounts:
        for hypothesis in _hypotheses(row):
            if hypothesis.startswith("thorough"):
                most = largest_cost[hypothesis] = max(largest_cost[hypothesis], row.cost)
                if most > 0.0:
                    surplus = min((row.gain - row.cost) / most, _MOST)
                    yield bounded_mean_factor(hypothesis, row, surplus, stakes=_STAKES_ON_GAIN)
            else:
                most = largest_gain[hypothesis] = max(largest_gain[hypothesis], row.gain)
                deficit = (row.cost - row.gain) / max(most, _RECKONED * row.cost)
                yield bounded_mean_factor(hypothesis, row, deficit, stakes=_STAKES_ON_COST)


def _hypotheses(row: CostRecord) -> Iterator[str]:
    if row.tier:
        yield hypothesis_key("thorough", row.tier)
    if row.tier in LESSER:
        yield hypothesis_key("lesser", str(row.tier))
    if row.band is not None and row.tier not in TIERS[3:]:
        yield hypothesis_key("light", f"{row.band:g}")


def _incidents(judged: Iterable[PostIncidentExecution], risk: float) -> Iterator[EFactor]:
    """Yield bets that soon after an incident drifts are real more often than a bound of the later rate."""
    later: dict[float, tuple[int, int]] = dict.fromkeys(
        DAYS, (0, 0)
    )  # real and all of those judged longer after an incident
    for row in judged:
        place = bisect_left(DAYS, row.days) if row.days is not None else len(DAYS)
        if place < len(DAYS):
            yield from _soon_after(DAYS[place], row, *later[DAYS[place]], risk)
        for days in DAYS[:place]:
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
            alternatives=tuple(usual + (1.0 - usual) * beyond for beyond in _BEYOND),
        )


def return_on(accounts: Iterable[CostRecord]) -> float:
    """Return dollars gained per dollar spent; infinite where nothing was spent."""
    rows = list(accounts)
    cost = sum(row.cost for row in rows)
    gain = sum(row.gain for row in rows)
    return gain / cost if cost > 0.0 else math.inf


MOST: Final = 10
_FEWEST_DRIFTS: Final = 3
_COVERED: Final = 0.95  # of what all drifts cost
_BETTER: Final = 1.5  # times: a feature in force gives way only to one that is this much better
_KNOWN: Final = 30  # events before fewer than `MOST` features are thought to be enough


def top_features(
    impacts: Sequence[FeedbackRow],
    verdicts: Sequence[FeedbackRow],
    former: Iterable[str],
    former_top: int,
    *,
    half_life_days: float,
    newest: float,
) -> tuple[tuple[str, ...], int]:
    """Return the features that matter most, sorted by name, and how many of them are enough.

    By what their drifts cost models; without a word on that, by how often their drifts were real; without
    any word, those in force.
    """
    worth: defaultdict[str, float] = defaultdict(float)
    told = [(each, max(each["model_performance_drop"], 0.0)) for each in impacts]
    if not told:
        told = [(each, float(each["was_real_drift"])) for each in verdicts if each["feature"]]
    if not told:
        return tuple(sorted(former)), former_top
    weights = decay_weights([each.time for each, _ in told], half_life_days=half_life_days, newest=newest)
    for (each, value), weight in zip(told, weights, strict=True):
        worth[each["feature"]] += value * float(weight)
    kept = set(former)
    ranked = sorted(worth, key=lambda name: (-worth[name] * (_BETTER if name in kept else 1.0), name))
    enough = _enough([worth[name] for name in ranked]) if len(told) >= _KNOWN else MOST
    return tuple(sorted(ranked[:enough])), enough


def _enough(worths: Sequence[float]) -> int:
    total, covered = sum(worths), 0.0
    for k, worth in enumerate(worths, start=1):
        covered += worth
        if covered >= _COVERED * total:
            return min(max(k, _FEWEST_DRIFTS), MOST)
    return MOST
