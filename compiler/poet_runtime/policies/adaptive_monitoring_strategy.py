"""The runtime part of `adaptive_monitoring_strategy`."""

from typing import Final, Protocol

from poet_runtime.context import Context
from poet_runtime.policies.policy import RuntimePolicy
from poet_runtime.results import MonitoringStrategy


class AdaptiveMonitoringStrategy(Protocol):
    """Call signature of every version of `adaptive_monitoring_strategy`."""

    def __call__(self, model_context: Context) -> MonitoringStrategy:
        """Return how often, how much and how thoroughly to monitor a model."""
        ...


RUNTIME: Final = RuntimePolicy(
    name="adaptive_monitoring_strategy", protocol=AdaptiveMonitoringStrategy, answer=MonitoringStrategy
)
