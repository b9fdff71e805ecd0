"""The runtime part of `calculate_adaptive_window`."""

from typing import Final, Protocol

from poet_runtime.policies.policy import RuntimePolicy


class CalculateAdaptiveWindow(Protocol):
    """Call signature of every version of `calculate_adaptive_window`."""

    def __call__(self, feature_name: str, data_velocity: float, stability_requirement: str) -> int:
        """Return the window length in points; `data_velocity` is in points per hour."""
        ...


RUNTIME: Final = RuntimePolicy(name="calculate_adaptive_window", protocol=CalculateAdaptiveWindow)
