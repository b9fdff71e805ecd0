"""The six policies as methods, with the signatures that every version keeps."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from poet.runtime.results import AlertPlan, DriftResult, MonitoringOutcome, MonitoringStrategy

if TYPE_CHECKING:
    from poet.workspace import Workspace

__all__ = ["SixPolicies", "signature_of"]


class SixPolicies:
    """Each method is answered by the version that is active in the workspace at the call."""

    workspace: "Workspace"
    _callables: dict[str, Any]

    def detect_drift(
        self,
        current: Any,
        reference: Any,
        *,
        feature: str = "",
        current_times: Any = None,
        reference_times: Any = None,
        context: Mapping[str, Any] | None = None,
    ) -> DriftResult:
        """Say whether `current` comes from elsewhere than `reference`, and by which measure."""
        result: DriftResult = self._policy("detect_drift")(
            current,
            reference,
            feature=feature,
            current_times=current_times,
            reference_times=reference_times,
            context=context,
        )
        return result

    def detect_drift_table(self, current: Any, reference: Any, **keywords: Any) -> dict[str, DriftResult]:
        """Run `detect_drift` over the columns of two tables, one result each, on one version."""
        return self.workspace.detect_drift_table(current, reference, **keywords)

    def calculate_adaptive_window(
        self, feature_name: str, data_velocity: float, stability_requirement: str
    ) -> int:
        """Give the window in points; `data_velocity` is in points per hour."""
        window: int = self._policy("calculate_adaptive_window")(
            feature_name, data_velocity, stability_requirement
        )
        return window

    def calculate_feature_importance(self, feature_name: str, context: Mapping[str, Any] | None) -> float:
        """Give the importance of a feature in a context."""
        importance: float = self._policy("calculate_feature_importance")(feature_name, context)
        return importance

    def generate_alerts(
        self, drift_results: Iterable[DriftResult], *, history: Any = (), now: float | None = None
    ) -> AlertPlan:
        """Plan the alerts about the results that drifted."""
        plan: AlertPlan = self._policy("generate_alerts")(drift_results, history=history, now=now)
        return plan

    def monitor_with_recovery(
        self,
        data: Any,
        *,
        monitor: Callable[[Any], Any] | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> MonitoringOutcome:
        """Run a monitor so that it comes back."""
        outcome: MonitoringOutcome = self._policy("monitor_with_recovery")(
            data, monitor=monitor, context=context
        )
        return outcome

    def adaptive_monitoring_strategy(self, model_context: Mapping[str, Any]) -> MonitoringStrategy:
        """Choose how often, how much and how thoroughly a model is monitored."""
        strategy: MonitoringStrategy = self._policy("adaptive_monitoring_strategy")(model_context)
        return strategy

    def _policy(self, name: str) -> Any:
        if name not in self._callables:
            self._callables[name] = self.workspace.policy(name)
        return self._callables[name]


_SIX = (
    SixPolicies.detect_drift,
    SixPolicies.calculate_adaptive_window,
    SixPolicies.calculate_feature_importance,
    SixPolicies.generate_alerts,
    SixPolicies.monitor_with_recovery,
    SixPolicies.adaptive_monitoring_strategy,
)


@cache
def signature_of(policy: str) -> inspect.Signature | None:
    """Give the signature of one of the six; None for a plug-in's policy, whose versions tell."""
    for method in _SIX:
        if method.__name__ == policy:
            signature = inspect.signature(method)
            return signature.replace(parameters=list(signature.parameters.values())[1:])
    return None
