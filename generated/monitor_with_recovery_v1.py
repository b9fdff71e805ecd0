"""Run a monitor so that it comes back.

Version 1 of monitor_with_recovery, start baseline.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.recovery import prepare
from poet_runtime.results import MonitoringOutcome

__all__ = ["monitor_with_recovery"]

VERSION = 1


def monitor_with_recovery(data, *, monitor=None, context=None) -> MonitoringOutcome:
    """Run `monitor` over `data`; a fault of either is an outcome that names it, never an exception.

    Without a monitor, drift is detected: `data` holds the tables `current` and `reference`.
    """
    run = prepare(data, monitor, context, version=VERSION)
    # full
    return run.full()
