"""The embedded feedback log: a buffer, a writer thread that commits in groups, the SQLite store.

The caller pays for putting an event into a queue. The thread takes what has come and commits it at once
when somebody waits for it, at the latest after `LINGER_S`. A forked child starts with an empty buffer
and opens its own connection: what the parent had buffered stays the parent's to write.
"""

import atexit
import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from poet.errors import LogError
from poet.events import Event
from poet.log._interface import StoredEvent
from poet.log._store import Store

__all__ = ["EmbeddedLog", "open_log"]

GROUP = 1000  # events in one transaction
LINGER_S = 0.02  # how long an event that nobody waits for may stay in memory before its commit begins


class EmbeddedLog:
    """A feedback log in a folder, for any number of threads and processes."""

    def __init__(self, folder: Path, *, capacity: int, on_full: Literal["block", "drop"]) -> None:
        self._folder = folder
        self._capacity = capacity
        self._on_full = on_full
        self.dropped = 0  # events refused because the buffer was full
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._store = Store(self._folder)
        self._changed = threading.Condition()
        self._buffer: list[Event] = []
        self._taken = 0  # events put into the buffer …
        self._written = 0  # … and of these, events that are on disk
        self._urgent = 0  # how far somebody waits
        self._failure: BaseException | None = None
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def append(self, events: Iterable[Event], *, durable: bool = False) -> None:
        """Take events; see `FeedbackLog.append`."""
        self._after_fork()
        with self._changed:
            for event in events:
                self._put(event)
            if durable:
                self._wait_until(self._taken)

    def flush(self) -> None:
        """Return when everything taken so far is on disk."""
        self._after_fork()
        with self._changed:
            self._wait_until(self._taken)

    def close(self) -> None:
        """Flush, stop the thread, close the file."""
        if self._is_closed or self._pid != os.getpid():
            return
        try:
            self.flush()
        finally:
            with self._changed:
                self._is_closed = True
                self._changed.notify_all()
            if self._thread is not None:
                self._thread.join()
            self._store.close()

    def read(self, *, after: int = 0, until: int | None = None) -> Iterator[StoredEvent]:
        """Give the durable events in order."""
        return self._reader().read(after, until)

    def position(self) -> int:
        """Give the newest durable position."""
        return self._reader().position()

    def prefix_digest(self, position: int) -> str:
        """Give the digest of the events up to a position."""
        return self._reader().digest(position)

    def count_by_type(self, *, after: int = 0) -> dict[str, int]:
        """Count the durable events after a position, by type."""
        return self._reader().counts(after)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reader(self) -> Store:
        self._after_fork()
        if self._is_closed:
            raise LogError(f"the feedback log in {self._folder} is closed; open it again with open_log")
        return self._store

    def _after_fork(self) -> None:
        if self._pid != os.getpid():
            self._start()

    def _put(self, event: Event) -> None:
        self._raise_failure()
        if self._is_closed:
            raise LogError(f"the feedback log in {self._folder} is closed; open it again with open_log")
        while len(self._buffer) >= self._capacity:
            if self._on_full == "drop":
                self.dropped += 1
                return
            self._changed.wait()
            self._raise_failure()
        self._buffer.append(event)
        self._taken += 1
        if self._thread is None:
            self._thread = threading.Thread(target=_work, args=(self,), name="poet-log", daemon=True)
            self._thread.start()
        if len(self._buffer) == 1 or len(self._buffer) % GROUP == 0:
            self._changed.notify_all()

    def _wait_until(self, taken: int) -> None:
        self._urgent = max(self._urgent, taken)
        self._changed.notify_all()
        while self._written < taken and self._failure is None:
            self._changed.wait()
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise LogError(
                f"events could not be written to {self._folder} ({failure}); mend the cause, emit them again"
            ) from failure

    def _next_group(self) -> list[Event] | None:
        """Wait for events worth a commit; None when the log is closed."""
        with self._changed:
            while not self._buffer:
                if self._is_closed:
                    return None
                self._changed.wait()
            deadline = time.monotonic() + LINGER_S
            while len(self._buffer) < GROUP and self._urgent <= self._written and not self._is_closed:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            group, self._buffer = self._buffer[:GROUP], self._buffer[GROUP:]
            self._changed.notify_all()
            return group

    def _write(self, group: list[Event]) -> None:
        failure: BaseException | None = None
        try:
            self._store.commit(group)
        except BaseException as error:  # noqa: BLE001 -- raised to the next caller
            failure = error
        with self._changed:
            self._written += len(group)
            self._failure = failure or self._failure
            self._changed.notify_all()


def _work(log: EmbeddedLog) -> None:
    while (group := log._next_group()) is not None:  # noqa: SLF001 -- the log's own thread
        log._write(group)  # noqa: SLF001


_OPEN: "weakref.WeakSet[EmbeddedLog]" = weakref.WeakSet()


def open_log(
    folder: Path, *, capacity: int = 100_000, on_full: Literal["block", "drop"] = "block"
) -> EmbeddedLog:
    """Open the feedback log in a folder, making it where there is none.

    Parameters
    ----------
    folder
        Usually a workspace's ``feedback_log``.
    capacity
        Events that may wait in memory.
    on_full
        What a caller meets when they do: it waits, or the event is dropped and counted.

    Raises
    ------
    LogError
        The folder holds something else.
    """
    log = EmbeddedLog(Path(folder), capacity=capacity, on_full=on_full)
    _OPEN.add(log)
    return log


@atexit.register
def _close_all() -> None:
    for log in list(_OPEN):
        log.close()
