"""The runtime part of `calculate_feature_importance`."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from poet_runtime.policies.policy import RuntimePolicy


class CalculateFeatureImportance(Protocol):
    """Call signature of every version of `calculate_feature_importance`."""

    def __call__(self, feature_name: str, context: Mapping[str, Any] | None) -> float:
        """Return the importance of a feature in a context."""
        ...


RUNTIME: Final = RuntimePolicy(name="calculate_feature_importance", protocol=CalculateFeatureImportance)
