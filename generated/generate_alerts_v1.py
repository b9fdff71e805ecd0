"""Generate alerts from drift results.

Version 1 of generate_alerts, start baseline.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.alerts import (
    drifted,
    individual_alerts,
    to_timestamp,
)
from poet_runtime.results import AlertPlan

__all__ = ["generate_alerts"]

VERSION = 1


def generate_alerts(drift_results, *, history=(), now=None) -> AlertPlan:
    """Plan the alerts about the results that drifted; the plan does not depend on their order.

    `history` holds earlier alerts or plans; `now` is in seconds since 1970, or a datetime. Without `now`
    nothing is suppressed.
    """
    moment = to_timestamp(now)
    waiting = drifted(drift_results)
    alerts = []
    # every-drift
    alerts.extend(individual_alerts(waiting, rule="every-drift", now=moment))
    return AlertPlan(
        alerts=tuple(alerts),
        policy_version=VERSION,
    )
