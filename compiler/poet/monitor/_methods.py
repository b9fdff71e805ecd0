"""The policies as methods of an agent, with the parameters that every version keeps."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from poet.errors import PoetError
from poet.runtime.policies import BUILT_IN, RuntimePolicy, runtime_policy
from poet.runtime.results import DriftResult

if TYPE_CHECKING:
    from poet.runtime.adaptive_monitoring_strategy import AdaptiveMonitoringStrategy
    from poet.runtime.calculate_adaptive_window import CalculateAdaptiveWindow
    from poet.runtime.calculate_feature_importance import CalculateFeatureImportance
    from poet.runtime.detect_drift import DetectDrift
    from poet.runtime.generate_alerts import GenerateAlerts
    from poet.runtime.monitor_with_recovery import MonitorWithRecovery
    from poet.workspace import Workspace


class PolicyMethods:
    """Each policy is a method, answered by the version that is active in the workspace at the call.

    The methods of the built-in policies are made from their runtime parts below this class; those of
    packages are found when they are first asked for.
    """

    workspace: "Workspace"
    _callables: dict[str, Any]

    if TYPE_CHECKING:  # for editors and type checkers, which do not run the loop below
        detect_drift: DetectDrift
        calculate_adaptive_window: CalculateAdaptiveWindow
        calculate_feature_importance: CalculateFeatureImportance
        generate_alerts: GenerateAlerts
        monitor_with_recovery: MonitorWithRecovery
        adaptive_monitoring_strategy: AdaptiveMonitoringStrategy
    else:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") or name == "workspace":
                raise AttributeError(name)
            try:
                return self._policy(name)
            except PoetError as error:
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}: {error}") from error

    def detect_drift_table(self, current: Any, reference: Any, **keywords: Any) -> dict[str, DriftResult]:
        """Run `detect_drift` over the columns of two tables, one result each, on one version."""
        return self.workspace.detect_drift_table(current, reference, **keywords)

    def _policy(self, name: str) -> Any:
        if name not in self._callables:
            self._callables[name] = self.workspace.policy(name)
        return self._callables[name]


def _method(policy: RuntimePolicy) -> Callable[..., Any]:
    name = policy.name

    def call(self: PolicyMethods, *args: Any, **kwargs: Any) -> Any:
        return self._policy(name)(*args, **kwargs)

    call.__name__, call.__qualname__ = name, f"{PolicyMethods.__name__}.{name}"
    if policy.protocol is not None:
        call.__doc__ = policy.protocol.__call__.__doc__
        vars(call)["__signature__"] = inspect.signature(policy.protocol.__call__)
    return call


for _name in BUILT_IN:
    setattr(PolicyMethods, _name, _method(runtime_policy(_name)))
