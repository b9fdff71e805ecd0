"""The runtime part of `adaptive_monitoring_strategy`."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from poet_runtime.policies.policy import RuntimePolicy
from poet_runtime.results import MonitoringStrategy


class AdaptiveMonitoringStrategy(Protocol):
    """Call signature of every version of `adaptive_monitoring_strategy`."""

    def __call__(self, model_context: Mapping[str, Any]) -> MonitoringStrategy:
        """Return how often, how much and how thoroughly to monitor a model."""
        ...


RUNTIME: Final = RuntimePolicy(
    name="adaptive_monitoring_strategy", protocol=AdaptiveMonitoringStrategy, answer=MonitoringStrategy
)
