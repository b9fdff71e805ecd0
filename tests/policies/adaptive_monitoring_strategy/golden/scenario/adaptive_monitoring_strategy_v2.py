"""Choose how often, how much and how thoroughly a model is monitored.

Version 2 of adaptive_monitoring_strategy, revises version 1.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.context import field
from poet_runtime.results import MonitoringStrategy
from poet_runtime.strategy import has_recent_incident, rate, top_features

__all__ = ["adaptive_monitoring_strategy"]

VERSION = 2
FREQUENCY = "hourly"  # start: the same for every model
FEATURES = "all"  # as above
TESTS = "single"  # as above
# was no special case: 20 of 20 drifts within 1 day of an incident were real, 1 of 11 otherwise
INCIDENTS_WITHIN_DAYS = 1.0
INCIDENTS_FREQUENCY = "real_time"  # as above
INCIDENTS_TESTS = "multiple"  # as above
# was the strategy of every model: monitoring returned only 0.12 dollars per dollar spent, n = 240
QUIET_DRIFT_RATE_BELOW = 0.01
QUIET_FREQUENCY = "daily"  # as above
QUIET_TESTS = "single"  # as above
QUIET_TOP = 3  # as above
QUIET_FEATURES = frozenset({"discount", "price"})  # as above
# was the strategy of every model: monitoring returned 500 dollars per dollar spent, n = 27
THOROUGH_IMPACTS = frozenset({"critical"})
THOROUGH_FREQUENCY = "real_time"  # as above
THOROUGH_TESTS = "multiple"  # as above


def adaptive_monitoring_strategy(model_context) -> MonitoringStrategy:
    """Give the monitoring that a model gets.

    `model_context` is a mapping or an object with `business_impact`, `historical_drift_rate`,
    `recent_incidents`, `days_since_incident`, `features`; what it leaves out counts on the safe side.
    """
    impact = field(model_context, "business_impact", "critical")
    # thorough
    if impact in THOROUGH_IMPACTS:
        return MonitoringStrategy(
            frequency=THOROUGH_FREQUENCY,
            features="all",
            tests=THOROUGH_TESTS,
            reason="thorough",
        )
    # incidents
    if has_recent_incident(model_context, INCIDENTS_WITHIN_DAYS):
        return MonitoringStrategy(
            frequency=INCIDENTS_FREQUENCY,
            features="all",
            tests=INCIDENTS_TESTS,
            reason="incidents",
        )
    # quiet
    if rate(model_context) < QUIET_DRIFT_RATE_BELOW and impact in ("none", "low", "medium"):
        return MonitoringStrategy(
            frequency=QUIET_FREQUENCY,
            features=top_features(model_context, QUIET_FEATURES, QUIET_TOP),
            tests=QUIET_TESTS,
            reason="quiet",
        )
    # every-model
    return MonitoringStrategy(frequency=FREQUENCY, features=FEATURES, tests=TESTS, reason="every-model")
