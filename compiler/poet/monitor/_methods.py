"""The policies as methods of an agent, with the parameters that every version keeps."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from poet.errors import PoetError
from poet.runtime.policies import BUILT_IN, RuntimePolicy, runtime_policy
from poet.runtime.results import DriftResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poet.runtime.results import AlertPlan, MonitoringOutcome, MonitoringStrategy
    from poet.workspace import Workspace


class PolicyMethods:
    """Each policy is a method, answered by the version that is active in the workspace at the call.

    The methods of the built-in policies are made from their runtime parts below this class; those of
    packages are found when they are first asked for.
    """

    workspace: "Workspace"
    _callables: dict[str, Any]

    # For editors and type checkers, which do not run the loop below. As methods they can be overridden in a
    # subclass; a test compares them with the runtime parts.
    if TYPE_CHECKING:

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
            """Return whether `current` has drifted from `reference`, and the statistic that decided."""
            ...

        def calculate_adaptive_window(
            self, feature_name: str, data_velocity: float, stability_requirement: str
        ) -> int:
            """Return the window in points; `data_velocity` is in points per hour."""
            ...

        def calculate_feature_importance(self, feature_name: str, context: Mapping[str, Any] | None) -> float:
            """Return the importance of a feature in a context."""
            ...

        def generate_alerts(
            self, drift_results: Iterable[DriftResult], *, history: Any = (), now: float | None = None
        ) -> AlertPlan:
            """Plan the alerts about the results that drifted."""
            ...

        def monitor_with_recovery(
            self,
            data: Any,
            *,
            monitor: Callable[[Any], Any] | None = None,
            context: Mapping[str, Any] | None = None,
        ) -> MonitoringOutcome:
            """Run a monitor so that it comes back."""
            ...

        def adaptive_monitoring_strategy(self, model_context: Mapping[str, Any]) -> MonitoringStrategy:
            """Return how often, how much and how thoroughly to monitor a model."""
            ...

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
