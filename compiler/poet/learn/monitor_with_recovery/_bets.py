"""What is bet on runs, each against a null under which doing nothing costs no more.

``size/S``        runs of S rows and more fail of time or memory more often than smaller ones
``sparse/C``      data that lacks more than C mostly crashes the monitor
``fallback/E/T``  strategy T, after an error of kind E, gives on average half of a full result and more
``deadline/C``    runs of computation C over their deadline mostly do not end well

Sizes are compared with each other and never with a fixed rate: a failure that does not depend on size
must not make a rule about size. Every hypothesis stands alone with its share of the risk.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from poet.learn.e_factors import EFactor, bounded_mean_factor, hypothesis_key, threshold_factors
from poet.learn.monitor_with_recovery._deadlines import deadline_bets
from poet.learn.monitor_with_recovery._readings import SIZES, Crash, Recovery, Run
from poet.stats import alpha_spending

CUTS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # share of missing values
LARGE = tuple(size for size in SIZES if size >= 5_000)  # rows that may turn out too many


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was said, by kind."""

    runs: Sequence[Run]
    recoveries: Sequence[Recovery]
    crashes: Sequence[Crash]


def bets(said: Evidence) -> list[EFactor]:
    """Return all e-factors."""
    return [
        *threshold_factors(
            "size", said.runs, LARGE, size=lambda run: run.size, outcome=lambda run: float(run.has_failed)
        ),
        *(
            bounded_mean_factor(hypothesis_key("sparse", f"{cut:g}"), row, 1.0 if row.has_crashed else -1.0)
            for row in said.crashes
            for cut in CUTS
            if row.missing_share > cut
        ),
        *(
            bounded_mean_factor(
                hypothesis_key("fallback", row.error, row.strategy), row, 2.0 * row.value - 1.0
            )
            for row in said.recoveries
        ),
        *deadline_bets(said.runs),
    ]


def risk_shares(said: Evidence) -> dict[str, float]:
    """Return the weights of the hypotheses, half to sizes, which are hardest to show.

    Strategies and computations have shares inside theirs by first appearance.
    """
    return {
        **{hypothesis_key("size", str(size)): 0.5 / len(LARGE) for size in LARGE},
        **{hypothesis_key("sparse", f"{cut:g}"): 0.15 / len(CUTS) for cut in CUTS},
        **alpha_spending(
            (hypothesis_key("fallback", row.error, row.strategy) for row in said.recoveries), share=0.2
        ),
        **alpha_spending((hypothesis_key("deadline", run.computation) for run in said.runs), share=0.15),
    }
