"""Generate alerts from drift results.

Version 1 of generate_alerts, start baseline.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet.runtime.results import Alert, AlertPlan

__all__ = ["generate_alerts"]

VERSION = 1


def generate_alerts(drift_results, *, history=(), now=None) -> AlertPlan:
    """Plan the alerts about the results that drifted; the plan does not depend on their order."""
    drifted = sorted((result for result in drift_results if result.drifted), key=repr)
    # every-drift
    return AlertPlan(alerts=tuple(Alert(members=(result,)) for result in drifted))
