"""`SmartMonitor`: an agent that monitors, tracks its results, collects feedback on them and learns.

Each policy is a method of the agent. Its parameters are those that every version of the policy keeps.
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
    from poet_runtime.alerts import Time
    from poet_runtime.context import Context
    from poet_runtime.results import Alert, AlertPlan, MonitoringOutcome, MonitoringStrategy


class PolicyMethods:
    """The policies as methods; the version that is active in the workspace at call time answers.

    The methods of the built-in policies are created from their runtime parts below this class. The policies
    of installed packages are looked up on first access.
    """

    workspace: "Workspace"
    _callables: dict[str, Any]

    # For editors and type checkers, which do not run the loop below. Declared as methods, they can be
    # overridden in a subclass; a test compares them with the runtime parts. For a type checker, a policy
    # without a declaration (such as one of an installed package) is a callable of any type, through
    # `__getattr__`.
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

        def calculate_feature_importance(self, feature_name: str, context: Context) -> float:
            """Return the importance of a feature in a context."""
            ...

        def generate_alerts(
            self,
            drift_results: Iterable[DriftResult],
            *,
            history: Iterable[Alert | AlertPlan] = (),
            now: Time | None = None,
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

        def adaptive_monitoring_strategy(self, model_context: Context) -> MonitoringStrategy:
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
        """Run one version of `detect_drift` on every column of two tables; return one result per column."""
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
    """A recorded result."""

    @property
    def execution_id(self) -> str: ...


class SmartMonitor(PolicyMethods):
    """An agent on a workspace; `@poet` on a subclass configures how it learns.

    Parameters
    ----------
    workspace
        A workspace or its folder. None uses the decorator's workspace, or else the current folder.

    Attributes
    ----------
    feedback_buffer
        The feedback that this agent has collected since it last started learning.
    failures
        The background failures, oldest first; `flush` raises each of them once.
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
        self._raised = 0  # number of failures that `flush` has raised
        self._counted: Recent[tuple[str, str], None] = Recent(REMEMBERED)  # a repeated event counts once
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
        id: str | None = None,  # noqa: A002 -- the parameter name of Workspace.emit
    ) -> Event:
        """Emit feedback, given as an event or as its type and data, and return the event.

        When the buffer reaches `learning_threshold` events, learning starts in the background and the buffer
        is emptied. Events that arrive meanwhile count toward the next run.

        Raises
        ------
        EventError
            The event is invalid; nothing has changed.
        """
        if isinstance(event, str):
            event = self._event(event, data or {}, source, time, id)
        self.workspace.append(event)
        self._buffer(event)
        return event

    @overload
    def track_execution(self, result: Mapping[str, _Recorded]) -> tuple[str, ...]: ...
    @overload
    def track_execution(self, result: _Recorded | str) -> str: ...
    def track_execution(self, result: _Recorded | str | Mapping[str, _Recorded]) -> str | tuple[str, ...]:
        """Return the tracking id that feedback on this result cites; for a table, one id per column.

        An execution id is also accepted. For a result without an `execution_id` field, the workspace's
        `last_execution_id` returns it.

        Raises
        ------
        MonitorError
            The result has no execution id.
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
        timeout: float | None = None,  # noqa: ASYNC109 -- callers wait with one keyword argument
    ) -> Event:
        """Wait for feedback that cites an execution, and return it.

        The feedback may come from any process, and may have arrived already. Any number of tasks, event loops
        and threads can wait for the same execution. Feedback from before this process connected to the
        workspace is not considered, and only the last 10 000 feedback events are kept.

        Raises
        ------
        TimeoutError
            No feedback arrived within `timeout` seconds.
        MonitorError
            The monitor was closed.
        """
        identities = (tracking_id,) if isinstance(tracking_id, str) else tracking_id
        return await self._connection.inbox.feedback(identities, timeout)

    async def monitoring_with_feedback(self, current: Any, reference: Any, **keywords: Any) -> DriftResult:
        """Detect drift and return the result immediately; feedback on it is collected when it arrives.

        The detection runs in a thread, so it does not block the event loop.
        """
        result = await asyncio.to_thread(self.detect_drift, current, reference, **keywords)
        self._connection.inbox.track(result.execution_id, self._buffer)
        return result

    def flush(self) -> None:
        """Return when all recorded executions and emitted events are on disk and no learning is running.

        Raises
        ------
        MonitorError
            A background task has failed since the last flush.
        """
        self.workspace.flush()
        self._connection.learner.wait()
        new, self._raised = self.failures[self._raised :], len(self.failures)
        if new:
            raise MonitorError("; ".join(map(str, new))) from new[0]

    def close(self) -> None:
        """Stop tracking, wait for running learning, and flush; closing twice has no effect."""
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

    def _event(
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
        """Count an event toward the next learning run, at most once."""
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
