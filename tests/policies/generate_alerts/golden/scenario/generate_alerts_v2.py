"""Generate alerts from drift results.

Version 2 of generate_alerts, revises version 1.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.alerts import (
    below_threshold,
    drifted,
    holdout,
    individual_alerts,
    is_open,
    partition,
    raised_thresholds,
    recent_alerts,
    recent_features,
    summary,
    suppress,
    to_timestamp,
)
from poet_runtime.results import AlertPlan

__all__ = ["generate_alerts"]

VERSION = 2
BATCH_AT_LEAST = 3  # was individual alerts: 20 of 20 batches of at least 3 alerts had the same cause
# was no cool-down: 15 of 15 responses to an alert within 3600 s of a similar one said that there were too
# many
COOL_DOWN_SECONDS = 3600.0
COOL_DOWN_FACTOR = 3.0  # as above
COOL_DOWN_SEVERITY_BELOW = "high"  # as above
# was individual alerts: 60 of 60 joint alerts on two of these features had the same cause
GROUP_AD_SPEND_FEATURES = frozenset({"ad_spend", "clicks", "sessions"})
GROUP_AD_SPEND_AT_LEAST = 3  # as above
# was not suppressed: 60 of 60 alerts were useless; the break-even is 75%
USELESS_LATENCY_P50_FEATURES = frozenset({"latency_p50"})
USELESS_LATENCY_P50_UNTIL = 1713139200.0  # as above
USELESS_LATENCY_P50_SEVERITY_BELOW = "high"  # as above
USELESS_LATENCY_P50_HOLDOUT = 0.1  # as above


def generate_alerts(drift_results, *, history=(), now=None) -> AlertPlan:
    """Plan the alerts about the results that drifted; the plan does not depend on their order.

    `history` holds earlier alerts or plans; `now` is in seconds since 1970, or a datetime. Without `now`
    nothing is suppressed.
    """
    moment = to_timestamp(now)
    waiting = drifted(drift_results)
    alerts = []
    suppressed = []
    # useless-latency_p50
    if moment is not None and moment < USELESS_LATENCY_P50_UNTIL:
        taken, waiting = partition(
            waiting,
            USELESS_LATENCY_P50_FEATURES,
            severity_below=USELESS_LATENCY_P50_SEVERITY_BELOW,
        )
        asked, taken = holdout(taken, USELESS_LATENCY_P50_HOLDOUT)
        alerts.extend(individual_alerts(asked, rule="useless-latency_p50", now=moment, is_holdout=True))
        suppressed.extend(suppress(taken, "useless-latency_p50"))
    # cool-down
    earlier = recent_alerts(history, moment, COOL_DOWN_SECONDS)
    recent = recent_features(
        earlier,
        groups={
            "group-ad_spend": GROUP_AD_SPEND_FEATURES,
        },
    )
    thresholds = raised_thresholds(waiting, recent, COOL_DOWN_FACTOR)
    taken, waiting = below_threshold(
        waiting, recent, COOL_DOWN_FACTOR, severity_below=COOL_DOWN_SEVERITY_BELOW
    )
    suppressed.extend(suppress(taken, "cool-down"))
    # group-ad_spend
    members, others = partition(waiting, GROUP_AD_SPEND_FEATURES)
    is_reopened = is_open("group-ad_spend", earlier)
    if len(members) >= GROUP_AD_SPEND_AT_LEAST or (members and is_reopened):
        alerts.append(summary(members, rule="group-ad_spend", now=moment))
        waiting = others
    # batch
    if len(waiting) >= BATCH_AT_LEAST:
        alerts.append(summary(waiting, rule="batch", now=moment))
        waiting = ()
    # every-drift
    alerts.extend(individual_alerts(waiting, rule="every-drift", now=moment))
    return AlertPlan(
        alerts=tuple(alerts),
        suppressed=tuple(suppressed),
        thresholds=thresholds,
        policy_version=VERSION,
    )
