"""Delivery of incoming feedback, from this process and from all others, to everything that waits for it.

Feedback from this process is delivered immediately. Feedback from other processes is delivered at the next
read of the log, which a background thread polls from the first subscription on.

The inbox keeps only a bounded number of recent events, so its memory does not grow with uptime.
"""

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from poet.events import TELEMETRY, Event
from poet_runtime.background import BackgroundWorker
from poet_runtime.errors import MonitorError, PoetError

if TYPE_CHECKING:
    from poet.workspace.workspace import Workspace


Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(OrderedDict[Key, Value]):
    """A dictionary of at most `limit` entries; beyond that, the oldest entry is removed."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def keep(self, key: Key, value: Value) -> None:
        """Store an entry; an existing key keeps its place in the order."""
        self[key] = value
        if len(self) > self._limit:
            self.popitem(last=False)


POLL_S: Final = 0.2
REMEMBERED: Final = 10_000  # events that can still be awaited; about a kilobyte each
TRACKED: Final = 100_000  # executions whose feedback goes to a handler; about 200 bytes each
Handler = Callable[[Event], None]
_log = logging.getLogger("poet.monitor")


def cited(event: Event) -> frozenset[str]:
    """Return the executions and alerts that a feedback event cites; telemetry is not feedback."""
    if event.type in TELEMETRY:
        return frozenset()
    data = event.data
    names = [getattr(data, field, None) for field in ("execution_id", "alert_id", "drift_catch")]
    names += getattr(data, "alert_batch", ())
    return frozenset(name for name in names if name)


class _Waiting:
    """One pending await in one event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Event] = self.loop.create_future()

    def end(self, outcome: Event | Exception) -> None:
        """Resolve the await; may be called from any thread."""
        try:
            self.loop.call_soon_threadsafe(self._settle, outcome)
        except RuntimeError:
            _log.debug("the event loop that waited for feedback is closed")

    def _settle(self, outcome: Event | Exception) -> None:
        if self.future.done():
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class Inbox(BackgroundWorker):
    """One process's view of the feedback in a workspace's log, from the creation of this object on."""

    _thread_name: ClassVar[str] = "poet-inbox"

    def __init__(self, workspace: "Workspace", *, on_failure: Callable[[Exception], None]) -> None:
        self._log = workspace.log
        self._on_failure = on_failure
        self._read_upto = self._log.position()
        self._delivered: Recent[tuple[str, str], None] = Recent(TRACKED)  # delivered events, by source and id
        self._first: Recent[str, Event] = Recent(REMEMBERED)  # by the execution or alert they cite
        self._handlers: Recent[str, tuple[Handler, ...]] = Recent(TRACKED)
        self._is_closed = False
        self.reset_after_fork()
        self._stop_listening = workspace.listen(self._deliver)
        super().__init__()

    def reset_after_fork(self) -> None:
        """Drop all awaits; the event loops of the parent do not run in a forked child."""
        self._lock = threading.RLock()
        self._waiting: dict[str, list[_Waiting]] = {}

    def track(self, identity: str, handler: Handler | None = None) -> None:
        """Keep feedback on an execution, and call a handler with it, including feedback already received."""
        self._start()
        if handler is None:
            return
        with self._lock:
            event = self._first.get(identity)
            self._handlers.keep(identity, (*self._handlers.get(identity, ()), handler))
        if event is not None:
            self._call_handlers(event, (handler,))

    async def feedback(self, identities: tuple[str, ...], timeout_s: float | None) -> Event:
        """Return the first feedback on any of these executions, waiting up to `timeout_s` seconds.

        Raises
        ------
        TimeoutError
            No feedback arrived in time.
        MonitorError
            The inbox was closed meanwhile.
        """
        with self._lock:
            for identity in identities:
                if identity in self._first:
                    return self._first[identity]
            self._refuse_closed()
            waiting = _Waiting()
            for identity in identities:
                self._waiting.setdefault(identity, []).append(waiting)
        try:
            self._start()
            async with asyncio.timeout(timeout_s):
                return await waiting.future
        except TimeoutError as error:
            names = ", ".join(identities)
            raise TimeoutError(f"no feedback on {names} within {timeout_s} s; it may come later") from error
        finally:
            self._forget(identities, waiting)

    def close(self) -> None:
        """Stop reading; pending awaits raise a `MonitorError`."""
        self._stop_listening()
        with self._lock:
            self._is_closed = True
            waiting = {each for found in self._waiting.values() for each in found}
        for each in waiting:
            each.end(MonitorError("the monitor was closed while feedback was awaited"))
        self._stop_thread()

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise MonitorError("the monitor is closed; create a new one to wait for feedback")

    def _start(self) -> None:
        with self._lock:
            self._refuse_closed()
            self._start_thread()

    def _run(self) -> None:
        last_error = ""
        while not self._is_stopping:
            try:
                with self._step():
                    self._read()
                last_error = ""
            except PoetError as error:
                if str(error) != last_error:  # an unreadable log is reported once and retried
                    last_error = str(error)
                    self._on_failure(error)
            self._sleep(POLL_S)

    def _read(self) -> None:
        for stored in self._log.read(after=self._read_upto):
            self._deliver(stored.event)
            self._read_upto = stored.position
            if self._is_stopping:
                return

    def _deliver(self, event: Event) -> None:
        names = cited(event)
        if not names:
            return
        with self._lock:
            key = event.source, event.id
            if key in self._delivered:
                return
            self._delivered.keep(key, None)
            handlers: list[Handler] = []
            waiting: set[_Waiting] = set()
            for name in sorted(names):
                if name not in self._first:
                    self._first.keep(name, event)
                handlers += self._handlers.get(name, ())
                waiting.update(self._waiting.get(name, ()))
        for each in waiting:
            each.end(event)
        with self._rest():  # handlers are user code: a fork does not wait for them
            self._call_handlers(event, tuple(dict.fromkeys(handlers)))

    def _call_handlers(self, event: Event, handlers: tuple[Handler, ...]) -> None:
        for handler in handlers:
            try:
                handler(event)
            except Exception as error:  # noqa: BLE001 -- one failing handler must not prevent the others
                self._on_failure(error)

    def _forget(self, identities: tuple[str, ...], waiting: _Waiting) -> None:
        with self._lock:
            for identity in identities:
                left = [each for each in self._waiting.get(identity, ()) if each is not waiting]
                if left:
                    self._waiting[identity] = left
                else:
                    self._waiting.pop(identity, None)
