"""Evidence that holds however often one looks: e-processes, confidence sequences, e-BH, pooling, fading."""

from poet.learn.evidence._fading import effective_n, fading_weights
from poet.learn.evidence._means import BettingState, betting_log_wealth, bounded_mean_interval
from poet.learn.evidence._multiplicity import bar, reject
from poet.learn.evidence._orderings import log_ordering_evidence
from poet.learn.evidence._pooling import shrunk_means, shrunk_rates
from poet.learn.evidence._quantiles import median_interval
from poet.learn.evidence._ranks import log_rank_factors, log_restarting_evidence
from poet.learn.evidence._rates import log_rate_evidence, rate_interval

__all__ = [
    "BettingState",
    "bar",
    "betting_log_wealth",
    "bounded_mean_interval",
    "effective_n",
    "fading_weights",
    "log_ordering_evidence",
    "log_rank_factors",
    "log_rate_evidence",
    "log_restarting_evidence",
    "median_interval",
    "rate_interval",
    "reject",
    "shrunk_means",
    "shrunk_rates",
]
