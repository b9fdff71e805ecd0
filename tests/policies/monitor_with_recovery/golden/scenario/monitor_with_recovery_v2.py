"""Run a monitor so that it comes back.

Version 2 of monitor_with_recovery, revises version 1.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.recovery import prepare
from poet_runtime.results import MonitoringOutcome

__all__ = ["monitor_with_recovery"]

VERSION = 2
# was no deadline: 43 of 43 runs that took longer failed; the deadline is twice the 95 % quantile of 120 runs
DEADLINE_KL_DIVERGENCE_SECONDS = 5.06e-05
DEADLINE_KL_DIVERGENCE_COMPUTATION = "kl_divergence"  # as above
DEADLINE_KL_DIVERGENCE_PER_ROWS = 1.08  # as above
DEADLINE_KL_DIVERGENCE_PER_FEATURES = 0.0  # as above
DEADLINE_KL_DIVERGENCE_ROWS_FROM = 5000  # as above
DEADLINE_KL_DIVERGENCE_ROWS_TO = 100000  # as above
DEADLINE_KL_DIVERGENCE_FEATURES_FROM = 500  # as above
DEADLINE_KL_DIVERGENCE_FEATURES_TO = 500  # as above
# was an error report: sampled: 0.86 of the value of a full result, n = 43
FALLBACK_TIMEOUT_STRATEGIES = ("sampled",)
FALLBACK_TIMEOUT_QUALITY_LOSSES = (0.05,)  # as above
FALLBACK_TIMEOUT_ROWS = 10000  # as above
# was a full run: 20 of 20 runs of this size ran out of time or memory; the quality loss of a sample is 0.05
SAMPLE_ROWS_ABOVE = 54000
SAMPLE_ROWS = 10000  # as above
SAMPLE_QUALITY_LOSS = 0.05  # as above
# was a full run: 20 of 20 features with a missing share above 0.9 crashed the monitor
SPARSE_MISSING_ABOVE = 0.9
SPARSE_QUALITY_LOSS = 0.1  # as above


def monitor_with_recovery(data, *, monitor=None, context=None) -> MonitoringOutcome:
    """Run `monitor` over `data`; a fault of either is an outcome that names it, never an exception.

    Without a monitor, drift is detected: `data` holds the tables `current` and `reference`.
    """
    run = prepare(data, monitor, context, version=VERSION)
    # sparse
    if run.missing_share > SPARSE_MISSING_ABOVE:
        run = run.sparse(SPARSE_MISSING_ABOVE, quality_loss=SPARSE_QUALITY_LOSS)
    # sample
    if run.rows > SAMPLE_ROWS_ABOVE:
        run = run.sampled(SAMPLE_ROWS, quality_loss=SAMPLE_QUALITY_LOSS)
    # deadline-kl_divergence
    if run.computation == DEADLINE_KL_DIVERGENCE_COMPUTATION:
        if (
            run.rows >= DEADLINE_KL_DIVERGENCE_ROWS_FROM
            and run.rows <= DEADLINE_KL_DIVERGENCE_ROWS_TO
            and run.features >= DEADLINE_KL_DIVERGENCE_FEATURES_FROM
            and run.features <= DEADLINE_KL_DIVERGENCE_FEATURES_TO
        ):
            run = run.within(
                seconds=DEADLINE_KL_DIVERGENCE_SECONDS,
                per_rows=DEADLINE_KL_DIVERGENCE_PER_ROWS,
                per_features=DEADLINE_KL_DIVERGENCE_PER_FEATURES,
            )
    # full
    outcome = run.full(spares_time=True)
    # fallback-timeout
    if outcome.error == "timeout":
        return run.recovered(
            outcome,
            FALLBACK_TIMEOUT_STRATEGIES,
            quality_losses=FALLBACK_TIMEOUT_QUALITY_LOSSES,
            rows=FALLBACK_TIMEOUT_ROWS,
        )
    return outcome
