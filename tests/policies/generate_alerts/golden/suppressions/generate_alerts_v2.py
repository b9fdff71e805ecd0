"""Generate alerts from drift results.

Version 2 of generate_alerts, revises version 1.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.alerts import (
    below_threshold,
    drifted,
    holdout,
    individual_alerts,
    partition,
    raised_thresholds,
    recent_alerts,
    recent_features,
    suppress,
    to_timestamp,
)
from poet_runtime.results import AlertPlan

__all__ = ["generate_alerts"]

VERSION = 2
# was no cool-down: 15 of 15 responses to an alert within 3600 s of a similar one said that there were too
# many
COOL_DOWN_SECONDS = 3600.0
COOL_DOWN_FACTOR = 1.5  # as above
COOL_DOWN_SEVERITY_BELOW = "high"  # as above
# was not suppressed: 41 of 42 alerts were useless, mostly new releases; the break-even is 75%
USELESS_BROWSER_TYPE_FEATURES = frozenset({"browser_type", "device_id"})
USELESS_BROWSER_TYPE_UNTIL = 1713139200.0  # as above
USELESS_BROWSER_TYPE_SEVERITY_BELOW = "medium"  # as above
USELESS_BROWSER_TYPE_HOLDOUT = 0.2  # as above
# was not suppressed: 60 of 60 alerts were useless, mostly seasonal_pattern; the break-even is 75%
USELESS_LATENCY_P50_FEATURES = frozenset({"latency_p50"})
USELESS_LATENCY_P50_UNTIL = 1713139200.0  # as above
USELESS_LATENCY_P50_SEVERITY_BELOW = "high"  # as above
USELESS_LATENCY_P50_HOLDOUT = 0.1  # as above
USELESS_LATENCY_P50_RATIO_AT_MOST = 1.8  # as above


def generate_alerts(drift_results, *, history=(), now=None) -> AlertPlan:
    """Plan the alerts about the results that drifted; the plan does not depend on their order.

    `history` holds earlier alerts or plans; `now` is in seconds since 1970, or a datetime. Without `now`
    nothing is suppressed.
    """
    moment = to_timestamp(now)
    waiting = drifted(drift_results)
    alerts = []
    suppressed = []
    # useless-browser_type
    if moment is not None and moment < USELESS_BROWSER_TYPE_UNTIL:
        taken, waiting = partition(
            waiting,
            USELESS_BROWSER_TYPE_FEATURES,
            severity_below=USELESS_BROWSER_TYPE_SEVERITY_BELOW,
        )
        asked, taken = holdout(taken, USELESS_BROWSER_TYPE_HOLDOUT)
        alerts.extend(individual_alerts(asked, rule="useless-browser_type", now=moment, is_holdout=True))
        suppressed.extend(suppress(taken, "useless-browser_type"))
    # useless-latency_p50
    if moment is not None and moment < USELESS_LATENCY_P50_UNTIL:
        taken, waiting = partition(
            waiting,
            USELESS_LATENCY_P50_FEATURES,
            severity_below=USELESS_LATENCY_P50_SEVERITY_BELOW,
            ratio_at_most=USELESS_LATENCY_P50_RATIO_AT_MOST,
        )
        asked, taken = holdout(taken, USELESS_LATENCY_P50_HOLDOUT)
        alerts.extend(individual_alerts(asked, rule="useless-latency_p50", now=moment, is_holdout=True))
        suppressed.extend(suppress(taken, "useless-latency_p50"))
    # cool-down
    earlier = recent_alerts(history, moment, COOL_DOWN_SECONDS)
    recent = recent_features(earlier)
    thresholds = raised_thresholds(waiting, recent, COOL_DOWN_FACTOR)
    taken, waiting = below_threshold(
        waiting, recent, COOL_DOWN_FACTOR, severity_below=COOL_DOWN_SEVERITY_BELOW
    )
    suppressed.extend(suppress(taken, "cool-down"))
    # every-drift
    alerts.extend(individual_alerts(waiting, rule="every-drift", now=moment))
    return AlertPlan(
        alerts=tuple(alerts),
        suppressed=tuple(suppressed),
        thresholds=thresholds,
        policy_version=VERSION,
    )
