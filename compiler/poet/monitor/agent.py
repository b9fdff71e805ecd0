"""`SmartMonitor`: the agent that monitors, tracks what it said, collects the feedback and learns.

The policies as methods of an agent, with the parameters that every version keeps.
"""

import asyncio
import inspect
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self, overload

from poet.events import Event, make
from poet.monitor.connection import Options, connect
from poet.monitor.feedback import Recent
from poet_runtime.errors import MonitorError, PoetError
from poet_runtime.policies.policy import BUILT_IN, RuntimePolicy, runtime_policy
from poet_runtime.results import DriftResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poet.workspace.workspace import Workspace
    from poet_runtime.results import AlertPlan, MonitoringOutcome, MonitoringStrategy


class PolicyMethods:
    """Each policy is a method, answered by the version that is active in the workspace at the call.

    The methods of the built-in policies are made from their runtime parts below this class; those of
    packages are found when they are first asked for.
    """

    workspace: "Workspace"
    _callables: dict[str, Any]

    # For editors and type checkers, which do not run the loop below. As methods they can be overridden in a
    # subclass; a test compares them with the runtime parts. A policy without a declaration is a callable of
    # any type to them, through `__getattr__`, as those of packages are.
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
            """Return the window length in points; `data_velocity` is in points per hour."""
            ...

        def calculate_feature_importance(self, feature_name: str, context: Mapping[str, Any] | None) -> float:
            """Return the importance of a feature in a context."""
            ...

        def generate_alerts(
            self, drift_results: Iterable[DriftResult], *, history: Any = (), now: float | None = None
        ) -> AlertPlan:
            """Return the plan of alerts about the results that drifted."""
            ...

        def monitor_with_recovery(
            self,
            data: Any,
            *,
            monitor: Callable[[Any], Any] | None = None,
            context: Mapping[str, Any] | None = None,
        ) -> MonitoringOutcome:
            """Run a monitor within its deadline, and recover if it fails."""
            ...

        def adaptive_monitoring_strategy(self, model_context: Mapping[str, Any]) -> MonitoringStrategy:
            """Return how often, how much and how thoroughly to monitor a model."""
            ...

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name == "workspace":
            raise AttributeError(name)
        try:
            return self._policy(name)
        except PoetError as error:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}: {error}") from error

    def detect_drift_table(self, current: Any, reference: Any, **keywords: Any) -> dict[str, DriftResult]:
        """Run `detect_drift` over the columns of two tables, one result each, on one version."""
        return self.workspace.detect_drift_table(current, reference, **keywords)

    def _policy(self, name: str) -> Callable[..., Any]:
        if name not in self._callables:
            self._callables[name] = self.workspace.policy(name)
        found: Callable[..., Any] = self._callables[name]
        return found


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


REMEMBERED: Final = 10_000


class _Recorded(Protocol):
    """An answer that was recorded."""

    @property
    def execution_id(self) -> str: ...


class SmartMonitor(PolicyMethods):
    """An agent on a workspace; a subclass names it, `@poet` sets how it learns.

    Parameters
    ----------
    workspace
        A workspace or its folder; None: what the decorator says, else the current folder.

    Attributes
    ----------
    feedback_buffer
        The feedback that this agent collected since the last learning it started.
    failures
        What failed in the background, oldest first; `flush` raises each once.
    """

    options: ClassVar[Options] = Options()

    def __init__(self, workspace: "Workspace | str | Path | None" = None) -> None:
        self._connection = connect(self.options.workspace if workspace is None else workspace)
        self.workspace = self._connection.workspace
        stated = self.options.learning_threshold
        configured = self.workspace.configuration.learn.learning_threshold
        self.learning_threshold: int = configured if stated is None else stated
        self.feedback_buffer: list[Event] = []
        self.failures: list[Exception] = []
        self._callables = {}
        self._raised = 0  # failures that a flush has raised
        self._counted: Recent[tuple[str, str], None] = Recent(REMEMBERED)  # an event said twice counts once
        self._buffering = threading.Lock()
        self._is_closed = False
        self._connection.on_failure(self.failures.append)

    def collect_feedback(
        self,
        event: Event | str,
        data: Mapping[str, object] | None = None,
        *,
        source: str | None = None,
        time: float | str | datetime | None = None,
        id: str | None = None,  # noqa: A002 -- as Workspace.emit has it
    ) -> Event:
        """Emit feedback and learn from it: an event, or its type and data; gives the event.

        At `learning_threshold` events in the buffer a learning begins in the background and the buffer is
        emptied; what comes meanwhile counts for the next one.

        Raises
        ------
        EventError
            It is not an event; nothing has changed.
        """
        if isinstance(event, str):
            event = self._made(event, data or {}, source, time, id)
        self.workspace.append(event)
        self._buffer(event)
        return event

    @overload
    def track_execution(self, result: Mapping[str, _Recorded]) -> tuple[str, ...]: ...
    @overload
    def track_execution(self, result: _Recorded | str) -> str: ...
    def track_execution(self, result: _Recorded | str | Mapping[str, _Recorded]) -> str | tuple[str, ...]:
        """Return the tracking id that feedback on this result cites; of a table, one for each column.

        An execution id is taken as well: of an answer without a field for it, `last_execution_id` of the
        workspace gives it.
        """
        if isinstance(result, Mapping):
            return tuple(self.track_execution(each) for each in result.values())
        identity = result if isinstance(result, str) else getattr(result, "execution_id", "")
        if not identity:
            raise MonitorError(
                f"{result!r} has no execution_id; let a policy answer, or pass workspace.last_execution_id() "
                "for an answer that is a number"
            )
        self._connection.inbox.track(identity)
        return identity

    async def on_feedback_received(
        self,
        tracking_id: str | tuple[str, ...],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 -- the seed's pipeline waits in one word
    ) -> Event:
        """Wait for feedback that cites an execution, wherever it is emitted; it may have come already.

        Any number of tasks, loops and threads may wait for one. Feedback from before this process connected
        to the workspace is history and not waited for; nor are more than the last 10 000 events remembered.

        Raises
        ------
        TimeoutError
            None came within `timeout` seconds.
        MonitorError
            The monitor was closed.
        """
        identities = (tracking_id,) if isinstance(tracking_id, str) else tracking_id
        return await self._connection.inbox.feedback(identities, timeout)

    async def monitoring_with_feedback(self, current: Any, reference: Any, **keywords: Any) -> DriftResult:
        """Detect drift, and have the feedback on it collected whenever it comes; gives the result at once.

        The detection runs in a thread, so the loop goes on meanwhile.
        """
        result = await asyncio.to_thread(self.detect_drift, current, reference, **keywords)
        self._connection.inbox.track(result.execution_id, self._buffer)
        return result

    def flush(self) -> None:
        """Return when all that was recorded and emitted is on disk and no learning is under way.

        Raises
        ------
        MonitorError
            Something failed in the background since the last flush.
        """
        self.workspace.flush()
        self._connection.learner.wait()
        new, self._raised = self.failures[self._raised :], len(self.failures)
        if new:
            raise MonitorError("; ".join(map(str, new))) from new[0]

    def close(self) -> None:
        """End tracking, wait for a learning under way, and flush; closing twice changes nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self.flush()
        finally:
            self._connection.forget(self.failures.append)
            self._connection.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _made(
        self,
        type_: str,
        data: Mapping[str, object],
        source: str | None,
        time: float | str | datetime | None,
        identity: str | None,
    ) -> Event:
        return make(
            type_,
            data,
            source=source or self.workspace.configuration.source,
            time=time,
            id=identity,
            now=self.workspace.clock,
        )

    def _buffer(self, event: Event) -> None:
        """Count an event for the next learning, once."""
        with self._buffering:
            key = event.source, event.id
            if key in self._counted:
                return
            self._counted.keep(key, None)
            self.feedback_buffer.append(event)
            is_due = (
                self.options.learning == "continuous" and len(self.feedback_buffer) >= self.learning_threshold
            )
            if is_due:
                self.feedback_buffer = []
        if is_due:
            self._connection.learner.request()
