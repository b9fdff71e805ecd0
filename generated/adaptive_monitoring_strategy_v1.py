"""Choose how often, how much and how thoroughly a model is monitored.

Version 1 of adaptive_monitoring_strategy, start baseline.
Written by poet from feedback; change a number here and the next compile takes it as yours.
"""

from poet_runtime.results import MonitoringStrategy

__all__ = ["adaptive_monitoring_strategy"]

VERSION = 1
FREQUENCY = "hourly"  # start: the same for every model
FEATURES = "all"  # as above
TESTS = "single"  # as above


def adaptive_monitoring_strategy(model_context) -> MonitoringStrategy:
    """Give the monitoring that a model gets.

    `model_context` is a mapping or an object with `business_impact`, `historical_drift_rate`,
    `recent_incidents`, `days_since_incident`, `features`; what it leaves out counts on the safe side.
    """
    # every-model
    return MonitoringStrategy(frequency=FREQUENCY, features=FEATURES, tests=TESTS, reason="every-model")
