"""Run a monitor so that it comes back.

Version 1 of monitor_with_recovery, start baseline.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet.runtime.results import MonitoringOutcome

__all__ = ["monitor_with_recovery"]

VERSION = 1


def monitor_with_recovery(data, *, monitor=None, context=None) -> MonitoringOutcome:
    """Run `monitor` over `data`; an error of either is an outcome with a warning, never an exception."""
    if monitor is None:
        return MonitoringOutcome(results=None, strategy="failed", warnings=("no monitor was given",))
    # full
    try:
        return MonitoringOutcome(results=monitor(data), strategy="full")
    except Exception as error:
        return MonitoringOutcome(
            results=None,
            strategy="failed",
            timed_out=isinstance(error, TimeoutError),
            warnings=(repr(error),),
        )
