"""Run a monitor so that it comes back.

Version 2 of monitor_with_recovery, revises version 1.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.recovery import prepare
from poet_runtime.results import MonitoringOutcome

__all__ = ["monitor_with_recovery"]

VERSION = 2
# was no deadline: 41 of 44 runs that took longer failed; the deadline is twice the 95 % quantile of 212 runs
DEADLINE_SECONDS = 0.002
DEADLINE_PER_ROWS = 0.8  # as above
DEADLINE_PER_FEATURES = 0.25  # as above
DEADLINE_ROWS_FROM = 1000  # as above
DEADLINE_ROWS_TO = 100000  # as above
DEADLINE_FEATURES_FROM = 1  # as above
DEADLINE_FEATURES_TO = 500  # as above
# was no deadline: 27 of 27 runs that took longer failed; the deadline is twice the 95 % quantile of 80 runs
DEADLINE_KL_DIVERGENCE_SECONDS = 0.0005
DEADLINE_KL_DIVERGENCE_COMPUTATION = "kl_divergence"  # as above
DEADLINE_KL_DIVERGENCE_PER_ROWS = 1.0  # as above
DEADLINE_KL_DIVERGENCE_PER_FEATURES = 0.5  # as above
DEADLINE_KL_DIVERGENCE_ROWS_FROM = 1000  # as above
DEADLINE_KL_DIVERGENCE_ROWS_TO = 50000  # as above
DEADLINE_KL_DIVERGENCE_FEATURES_FROM = 10  # as above
DEADLINE_KL_DIVERGENCE_FEATURES_TO = 500  # as above
# was an error report: by_feature: 0.88 of the value of a full result, retry: 0.52 of the value of a full
# result, n = 40
FALLBACK_CRASH_STRATEGIES = ("by_feature", "retry")
FALLBACK_CRASH_QUALITY_LOSSES = (0.0, 0.0)  # as above
FALLBACK_CRASH_ROWS = 10000  # as above
# was an error report: sampled: 0.93 of the value of a full result, by_feature: 0.71 of the value of a full
# result, n = 64
FALLBACK_TIMEOUT_STRATEGIES = ("sampled", "by_feature")
FALLBACK_TIMEOUT_QUALITY_LOSSES = (0.05, 0.2)  # as above
FALLBACK_TIMEOUT_ROWS = 10000  # as above
FALLBACK_TIMEOUT_ROWS_ABOVE = 20000  # as above
# was an error report: sparse: 0.87 of the value of a full result, n = 31
FALLBACK_VALUE_STRATEGIES = ("sparse",)
FALLBACK_VALUE_QUALITY_LOSSES = (0.1,)  # as above
FALLBACK_VALUE_ROWS = 10000  # as above


def monitor_with_recovery(data, *, monitor=None, context=None) -> MonitoringOutcome:
    """Run `monitor` over `data`; a fault of either is an outcome that names it, never an exception.

    Without a monitor, drift is detected: `data` holds the tables `current` and `reference`.
    """
    run = prepare(data, monitor, context, version=VERSION)
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
    # deadline
    elif (
        run.rows >= DEADLINE_ROWS_FROM
        and run.rows <= DEADLINE_ROWS_TO
        and run.features >= DEADLINE_FEATURES_FROM
        and run.features <= DEADLINE_FEATURES_TO
    ):
        run = run.within(
            seconds=DEADLINE_SECONDS,
            per_rows=DEADLINE_PER_ROWS,
            per_features=DEADLINE_PER_FEATURES,
        )
    # full
    run = run.isolated()
    outcome = run.full(spares_time=run.rows > FALLBACK_TIMEOUT_ROWS_ABOVE)
    # fallback-crash
    if outcome.error == "crash":
        return run.recovered(
            outcome,
            FALLBACK_CRASH_STRATEGIES,
            quality_losses=FALLBACK_CRASH_QUALITY_LOSSES,
            rows=FALLBACK_CRASH_ROWS,
        )
    # fallback-timeout
    if outcome.error == "timeout" and run.rows > FALLBACK_TIMEOUT_ROWS_ABOVE:
        return run.recovered(
            outcome,
            FALLBACK_TIMEOUT_STRATEGIES,
            quality_losses=FALLBACK_TIMEOUT_QUALITY_LOSSES,
            rows=FALLBACK_TIMEOUT_ROWS,
        )
    # fallback-value
    if outcome.error == "value":
        return run.recovered(
            outcome,
            FALLBACK_VALUE_STRATEGIES,
            quality_losses=FALLBACK_VALUE_QUALITY_LOSSES,
            rows=FALLBACK_VALUE_ROWS,
        )
    return outcome
