"""The runtime part of `calculate_feature_importance`."""

from typing import Final, Protocol

from poet_runtime.context import Context
from poet_runtime.policies.policy import RuntimePolicy


class CalculateFeatureImportance(Protocol):
    """Call signature of every version of `calculate_feature_importance`."""

    def __call__(self, feature_name: str, context: Context) -> float:
        """Return the importance of a feature in a context."""
        ...


RUNTIME: Final = RuntimePolicy(name="calculate_feature_importance", protocol=CalculateFeatureImportance)
