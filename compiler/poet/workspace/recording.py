"""Recording: every answer of a policy becomes an execution that feedback can cite.

The caller gets an execution id and, on a uniform share of non-alerts, the mark of a random audit. Each
policy defines how its executions are recorded (`poet_runtime.policies.policy`); this module depends on no
policy. The expensive part runs on a background thread: it scores every candidate statistic so that any
other rule can be replayed later.
"""

import hashlib
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, ClassVar, Final

from msgspec import to_builtins

from poet.events import make
from poet.log import FeedbackLog
from poet_runtime.background import EXIT_S, BackgroundWorker
from poet_runtime.drift.sample_sketch import sketch
from poet_runtime.errors import LogError
from poet_runtime.policies.policy import Execution, RecordedEvent, Recording, RuntimePolicy, runtime_policy

_Waiting = tuple[RuntimePolicy, Execution, float]
SHOWN_FROM: Final = 5  # rows with a value, for the value to appear in a sketch
CAPACITY: Final = 10_000  # answers waiting to be scored; above it the caller blocks
_log = logging.getLogger("poet.workspace.recording")


def is_audited(execution_id: str, rate: float) -> bool:
    """Return whether a non-alert is part of the random audit.

    The choice is uniform in the id, so it is independent of the samples and can be verified afterwards.
    """
    digest = hashlib.sha256(f"audit:{execution_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < rate * 2.0**64


class Recorder(BackgroundWorker):
    """The hook that records a registry's answers in the feedback log."""

    _thread_name: ClassVar[str] = "poet-recorder"
    _exit_order: ClassVar[int] = 20  # before the log that it appends to

    def __init__(
        self,
        log: FeedbackLog,
        *,
        source: str,
        audit_rate: float,
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._log = log
        self._source = source
        self._audit_rate = audit_rate
        self._clock = clock
        self._new_id = new_id
        self._last: ContextVar[str] = ContextVar("poet_last_execution_id", default="")
        self.reset_after_fork()
        super().__init__()

    def reset_after_fork(self) -> None:
        """Reset after a fork; the parent records its own answers."""
        self._waiting: queue.Queue[_Waiting | threading.Event | None]  # an event is set when it is reached
        self._waiting = queue.Queue(CAPACITY)
        self._failure: BaseException | None = None

    def __call__(
        self,
        policy: str,
        arguments: Mapping[str, Any],
        result: Any,
        version: int = 0,
        *,
        when: float | None = None,
    ) -> Any:
        """Return the answer with its ids and audit mark; record it in the background.

        `version` is the version that answered, for answers that do not contain it. `when` is the time of the
        answer in seconds since 1970; the default is now.
        """
        recording = Recording(self._new_id(), self._new_id, self._is_audited)
        runtime, answer, kept, consequences = self._identified(policy, arguments, result, recording)
        now = self._clock() if when is None else when
        execution = Execution(
            execution_id=recording.execution_id,
            policy=policy,
            version=version,
            arguments=kept,
            answer=answer,
            audit_rate=self._audit_rate,
        )
        self._append(consequences, now)
        if self._thread is None:
            self._start_thread()
        self._waiting.put((runtime, execution, now))
        self._last.set(recording.execution_id)
        return answer

    def _identified(
        self, policy: str, arguments: Mapping[str, Any], result: Any, recording: Recording
    ) -> tuple[RuntimePolicy, Any, Mapping[str, Any], tuple[RecordedEvent, ...]]:
        """Convert the answer with the policy's code. If that code fails, the caller still gets the answer."""
        runtime = runtime_policy(policy).for_answer(result)
        try:
            answer = runtime.identify(result, recording)
            return runtime, answer, runtime.hold(arguments), tuple(runtime.consequences(answer, recording))
        except Exception as failure:  # noqa: BLE001 -- kept, and raised by the next flush
            self._failure = failure
            return RuntimePolicy(name=policy), result, {}, ()

    def last_execution_id(self) -> str:
        """Return the id of the last execution recorded in this thread or task; empty before the first."""
        return self._last.get()

    def _is_audited(self, execution_id: str) -> bool:
        return is_audited(execution_id, self._audit_rate)

    def _append(self, consequences: Iterable[RecordedEvent], when: float) -> None:
        if events := [make(type_, data, source=self._source, time=when) for type_, data in consequences]:
            self._log.append(events)

    def flush(self) -> None:
        """Wait until everything recorded so far has been passed to the log.

        Answers that arrive meanwhile are not waited for.

        Raises
        ------
        LogError
            An execution could not be recorded.
        """
        if self._thread is not None:
            reached = threading.Event()
            self._waiting.put(reached)
            reached.wait()
        else:
            self._record_here()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise LogError(f"an execution could not be recorded: {failure!r}") from failure

    def close(self) -> None:
        """Record the pending answers, then stop."""
        if self._thread is not None:
            self._stop_thread()
        self.flush()

    def close_at_exit(self, deadline: float) -> None:
        """Record pending answers until the deadline; report how many remain."""
        if self._stop_thread(deadline) and not self._is_late:
            self.flush()
        elif left := self._waiting.qsize():
            _log.warning(
                "%d executions were not recorded: the program ended and %g s were not enough; "
                "close the workspace before the program ends",
                left,
                EXIT_S,
            )

    def _wake_thread(self) -> None:
        if self._thread is not None:
            with suppress(queue.Full):  # after the deadline the thread ends by itself
                self._waiting.put(None, timeout=self._time_left)

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            with self._step():
                self._process(item)
            if self._is_late:
                return

    def _record_here(self) -> None:
        """Record pending answers where no thread could be started."""
        with suppress(queue.Empty):
            while True:
                self._process(self._waiting.get_nowait())

    def _process(self, item: "_Waiting | threading.Event | None") -> None:
        if item is None:
            return
        if isinstance(item, threading.Event):
            item.set()
            return
        try:
            self._record(*item)
        except BaseException as failure:  # noqa: BLE001 -- kept, and raised by the next flush
            self._failure = failure

    def _record(self, runtime: RuntimePolicy, execution: Execution, when: float) -> None:
        type_, data = runtime.execution(execution)
        if runtime.sketched is not None and (data.get("drifted") or data.get("audit")):
            data |= _sketch(execution.arguments, runtime.sketched)
        event = make(type_, data, source=self._source, id=execution.execution_id, time=when)
        self._log.append([event])


def _sketch(arguments: Mapping[str, Any], names: tuple[str, str]) -> dict[str, Any]:
    """Return both samples as shown to a reviewer, without values of single rows."""
    current, reference = names
    try:
        drawn = sketch(arguments.get(current), arguments.get(reference), least=SHOWN_FROM)
    except Exception:  # noqa: BLE001 -- what cannot be drawn must not cost the record
        return {}
    return {} if drawn is None else {"sketch": to_builtins(drawn)}
