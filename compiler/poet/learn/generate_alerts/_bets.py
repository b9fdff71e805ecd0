"""What is bet on alerts, each against a null under which doing nothing costs no more.

``pair/F/G``    F and G, when they fire together, mostly have one cause
``size/N``      a batch of N alerts (up to the next size) had mostly better been one summary
``useless/F``   alerts about F are useless so often that suppressing them costs less than reading them
``repeat/S``    an alert within S seconds (above the next shorter span) of a similar one is mostly too much

Every hypothesis stands alone with its share of the risk.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from poet.learn.configuration import Costs
from poet.learn.e_factors import EFactor, bernoulli_factor, bounded_mean_factor, hypothesis_key
from poet.learn.generate_alerts._readings import Pair, Repeat, Size, Use
from poet.stats import alpha_spending

SIZES = (2, 3, 5, 10)  # members
SPANS = (900.0, 3600.0, 14_400.0, 86_400.0)  # seconds
_BEYOND = (0.5, 0.8, 0.96)  # of the way from the break-even rate to always


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was said, by kind."""

    pairs: Sequence[Pair]
    sizes: Sequence[Size]
    uses: Sequence[Use]
    repeats: Sequence[Repeat]


def break_even(costs: Costs) -> float:
    """Return the share of useless alerts from which on reading them costs more than missing the others."""
    share = costs.miss / (costs.miss + costs.false_alarm)
    return min(max(share, 0.5), 0.98)


def bets(said: Evidence, *, costs: Costs) -> list[EFactor]:
    """Return all e-factors."""
    rate = break_even(costs)
    return [
        *(
            bounded_mean_factor(hypothesis_key("pair", *row.features), row, 1.0 if row.is_one else -1.0)
            for row in said.pairs
        ),
        *(
            bounded_mean_factor(hypothesis_key("size", str(_size(row.n))), row, 1.0 if row.is_one else -1.0)
            for row in said.sizes
        ),
        *(
            bernoulli_factor(
                hypothesis_key("useless", row.feature),
                row,
                happened=row.is_useless,
                chance=rate,
                alternatives=tuple(rate + (1.0 - rate) * beyond for beyond in _BEYOND),
            )
            for row in said.uses
        ),
        *(
            bounded_mean_factor(hypothesis_key("repeat", f"{span:g}"), row, 1.0 if row.is_too_much else -1.0)
            for row in said.repeats
            if (span := _span(row.gap_s))
        ),
    ]


def risk_shares(said: Evidence) -> dict[str, float]:
    """Return the weights, half to what is hardest to show; inside a kind by first appearance."""
    return {
        **alpha_spending((hypothesis_key("pair", *row.features) for row in said.pairs), share=0.25),
        **alpha_spending((hypothesis_key("useless", row.feature) for row in said.uses), share=0.5),
        **{hypothesis_key("size", str(size)): 0.1 / len(SIZES) for size in SIZES},
        **{hypothesis_key("repeat", f"{span:g}"): 0.15 / len(SPANS) for span in SPANS},
    }


def _size(n: int) -> int:
    return SIZES[bisect_right(SIZES, n) - 1]


def _span(gap_s: float) -> float | None:
    place = bisect_left(SPANS, gap_s)
    return SPANS[place] if place < len(SPANS) else None
