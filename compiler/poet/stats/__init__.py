"""Statistics that hold under optional stopping: e-processes, confidence sequences, e-BH, decay, pooling.

This package is independent of policies and events. It imports numpy, scipy and `poet_runtime.errors` only.
"""

from poet.stats.e_processes import (
    BettingState,
    StakeRule,
    log_likelihood_ratios,
    log_ordering_evidence,
    log_rank_factors,
    log_restarting_mixture,
    log_wealth_factors,
)
from poet.stats.intervals import bounded_mean_interval, median_interval, rate_interval
from poet.stats.multiplicity import alpha_spending, e_value_threshold, epoch_alpha, reject
from poet.stats.pooling import (
    best_excluding_one,
    decay_weights,
    effective_sample_size,
    excludable_sources,
    leave_one_out_mixture,
    leave_one_source_out,
    outlier_source,
    shrunk_means,
    weighted_median,
)

__all__ = [
    "BettingState",
    "StakeRule",
    "alpha_spending",
    "best_excluding_one",
    "bounded_mean_interval",
    "decay_weights",
    "e_value_threshold",
    "effective_sample_size",
    "epoch_alpha",
    "excludable_sources",
    "leave_one_out_mixture",
    "leave_one_source_out",
    "log_likelihood_ratios",
    "log_ordering_evidence",
    "log_rank_factors",
    "log_restarting_mixture",
    "log_wealth_factors",
    "median_interval",
    "outlier_source",
    "rate_interval",
    "reject",
    "shrunk_means",
    "weighted_median",
]
