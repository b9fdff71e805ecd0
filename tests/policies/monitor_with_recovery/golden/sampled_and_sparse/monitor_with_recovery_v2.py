"""Run a monitor so that it comes back.

Version 2 of monitor_with_recovery, revises version 1.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.recovery import prepare
from poet_runtime.results import MonitoringOutcome

__all__ = ["monitor_with_recovery"]

VERSION = 2
# was a full run: 31 of 33 runs of this size ran out of time or memory; the quality loss of a sample is 0.05
SAMPLE_ROWS_ABOVE = 50000
SAMPLE_ROWS = 10000  # as above
SAMPLE_QUALITY_LOSS = 0.05  # as above
# was a full run: 18 of 19 features with a missing share above 0.9 crashed the monitor
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
    # full
    return run.full()
