"""What production knows about `calculate_adaptive_window`."""

from typing import Final, Protocol

from poet_runtime.policies.policy import RuntimePolicy


class CalculateAdaptiveWindow(Protocol):
    """How every version of `calculate_adaptive_window` is called."""

    def __call__(self, feature_name: str, data_velocity: float, stability_requirement: str) -> int:
        """Return the window in points; `data_velocity` is in points per hour."""
        ...


RUNTIME: Final = RuntimePolicy(name="calculate_adaptive_window", protocol=CalculateAdaptiveWindow)
