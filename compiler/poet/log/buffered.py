"""An open feedback log: a buffer with group commits, independent of the store.

A plain append costs its caller only adding an event to a list. A background thread commits the buffered
events at most `LINGER_S` later. A caller that needs its events on disk commits them itself, together with all
events that others have buffered meanwhile, so no thread has to wake another. An event leaves the buffer only
when it is on disk, so a disk that is full for a minute causes errors but loses no events.
"""

import logging
import threading
from collections.abc import Collection, Iterable, Iterator
from math import inf, isfinite
from types import TracebackType
from typing import ClassVar, Final, Literal, Self

from poet.events import Event
from poet.log import rows as _search
from poet.log.interface import EventFilter, RawEvent, Reader, Store, StoredEvent
from poet_runtime.background import EXIT_S, BackgroundWorker
from poet_runtime.errors import LogError

OnFull = Literal["block", "refuse", "drop"]
GROUP: Final = 500  # maximum number of events in one transaction
LINGER_S: Final = 0.02  # maximum time that a non-durable event stays in memory before its commit starts
_log = logging.getLogger("poet.log")


class BufferedLog(BackgroundWorker):
    """A feedback log in a store, for any number of threads and processes; created by `open_log`."""

    _thread_name: ClassVar[str] = "poet-log"
    _exit_order: ClassVar[int] = 30  # last: all other workers append to the log

    def __init__(self, store: Store, *, capacity: int, on_full: OnFull) -> None:
        if capacity < 1:
            raise LogError(f"capacity is {capacity}; use at least 1 event")
        self._store = store
        self._check = store.check
        self._capacity = capacity
        self._group = min(GROUP, capacity)
        self._on_full = on_full
        self._is_closed = False
        self.dropped = 0  # events not accepted because the buffer was full
        self.reset_after_fork()
        store.prepare()
        super().__init__()

    def reset_after_fork(self) -> None:
        """Start with an empty buffer; after a fork, the parent writes the events it has accepted."""
        self._writer = self._store.writer()
        self._reader = self._store.reader()
        self._committing = threading.Lock()  # lock order: acquired before `_lock`
        self._lock = threading.RLock()
        self._work = threading.Condition(self._lock)  # the background thread waits here
        self._is_idle = True  # no thread yet, or it waits for the first event
        self._buffer: list[Event] = []  # accepted and not yet on disk
        self._taken = 0  # number of events ever accepted …
        self._written = 0  # … and the number of these on disk
        self._failure: BaseException | None = None  # failure of the thread that no caller has received yet

    def append(self, events: Iterable[Event], *, durable: bool = False) -> None:
        """Append events; see `FeedbackLog.append`. Durable events are never dropped: their caller waits."""
        upto = 0
        for event in events:
            upto = self._put(event, durable=durable)
        if durable:
            self._write(upto)

    def flush(self) -> None:
        """Return when all events accepted so far are on disk."""
        with self._lock:
            self._raise_failure()
            upto = self._taken
        self._write(upto)

    def close(self) -> None:
        """Write the buffered events, stop the thread and close the store."""
        self._close(inf)

    def close_at_exit(self, deadline: float) -> None:
        """Write the buffered events; report those that are lost if the store does not answer in time."""
        self._close(deadline)

    def _close(self, deadline: float) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        if not self._stop_thread(deadline):
            _log.warning(
                "%s: %d events are not on disk; the store did not answer within %g s of the program's end",
                self._store.name,
                len(self._buffer),
                EXIT_S,
            )
            return
        try:
            self._write(self._taken)
        finally:
            with self._committing, self._reader.in_use:
                self._writer.close()
                self._reader.close()

    def read(self, *, after: int = 0, until: int | None = None) -> Iterator[StoredEvent]:
        """Yield the durable events in order."""
        while page := self._open_reader().page(after, until):
            yield from page
            after = page[-1].position

    def newest(
        self,
        event_filter: EventFilter,
        count: int = 100,
        *,
        before: int | None = None,
        within: int = _search.SEARCHED,
    ) -> list[RawEvent]:
        """Return the newest durable events that match a filter; see `FeedbackLog.newest`."""
        reader = self._open_reader()
        end = reader.position() + 1 if before is None else before
        return _search.newest(reader, event_filter, count, before=end, within=within)

    def at(self, position: int) -> RawEvent | None:
        """Return the durable event at a position, unparsed, or None if there is none."""
        return _search.at(self._open_reader(), position)

    def named(self, ids: Collection[str], *, until: int | None = None) -> list[RawEvent]:
        """Return the durable events with one of these ids up to a position, unparsed, in one pass."""
        reader = self._open_reader()
        return _search.named(reader, ids, until=reader.position() if until is None else until)

    def position(self) -> int:
        """Return the newest durable position."""
        return self._open_reader().position()

    def prefix_digest(self, position: int) -> str:
        """Return the digest of the events up to a position."""
        return self._open_reader().digest(position)

    def count_by_type(self, *, after: int = 0) -> dict[str, int]:
        """Return the number of durable events after a position, by type."""
        return _search.present_counts(self._open_reader().counts(after))

    def before_fork(self) -> None:
        """Acquire every lock and close the connections.

        SQLite forbids carrying a connection across a fork, and an inherited descriptor would share the
        parent's file lock. Parent and child open their own connections when they need them.
        """
        self._committing.acquire()
        self._reader.in_use.acquire()
        self._lock.acquire()
        self._writer.close()
        self._reader.close()

    def after_fork_in_parent(self) -> None:
        """Release the locks that `before_fork` acquired."""
        self._lock.release()
        self._reader.in_use.release()
        self._committing.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_reader(self) -> Reader:
        self._check_open()
        return self._reader

    def _check_open(self) -> None:
        if self._is_closed:
            raise LogError(f"the feedback log in {self._store.name} is closed; open it again with open_log")

    def _put(self, event: Event, *, durable: bool) -> int:
        """Buffer one event and return the number of events accepted so far."""
        if not (event.id.isascii() and event.source.isascii() and isfinite(event.time)):
            _check(event)
        if self._check is not None:
            self._check(event)
        while True:
            with self._lock:
                if self._failure is not None:
                    self._raise_failure()
                if self._is_closed:
                    self._check_open()
                if len(self._buffer) < self._capacity:
                    self._buffer.append(event)
                    self._taken += 1
                    if not durable and (self._is_idle or len(self._buffer) == self._group):
                        self._wake()
                    return self._taken
                if self._on_full != "block" and not durable:
                    self.dropped += 1
                    if self._on_full == "refuse":
                        raise self._full(event)
                    return self._taken
            self._write_group(self._taken)

    def _full(self, event: Event) -> LogError:
        return LogError(
            f"the event {event.id!r} was not accepted: {self._capacity} events wait for the disk; call "
            "flush(), which returns when they are written, and emit it again, or let a full buffer block"
        )

    def _wake(self) -> None:
        self._is_idle = False
        if self._thread is None:
            self._start_thread()  # if it cannot start, flush and close write the buffered events
        self._work.notify()

    def _wake_thread(self) -> None:
        with self._lock:
            self._work.notify()

    def _raise_failure(self) -> None:
        """Raise the failure of the thread, which then retries."""
        if self._failure is None:
            return
        failure, self._failure = self._failure, None
        self._work.notify()
        raise LogError(
            f"{len(self._buffer)} events are not on disk yet: {failure}; they are kept and retried"
        ) from failure

    def _write(self, upto: int) -> None:
        """Return when the first `upto` events are on disk."""
        while self._written < upto:
            self._write_group(upto)

    def _write_group(self, upto: int) -> None:
        """Commit a group, unless another thread has already committed the first `upto` events."""
        with self._committing:
            with self._lock:
                group = self._buffer[: self._group] if self._written < upto else []
            if not group:
                return
            self._writer.commit(group)
            with self._lock:
                del self._buffer[: len(group)]
                self._written += len(group)
                self._failure = None  # the events of the failed commit are now written

    def _run(self) -> None:
        while upto := self._has_work():
            try:
                self._write_group(upto)
            except BaseException as error:  # noqa: BLE001 -- raised to the next caller
                with self._lock:
                    self._failure = error

    def _has_work(self) -> int:
        """Wait for events and let more arrive; return the number of events due, 0 if the log is closed."""
        with self._lock:
            while not self._is_closed and (self._failure is not None or not self._buffer):
                self._is_idle = self._failure is None
                self._work.wait()
            self._is_idle = False
            upto = self._taken  # later events may join the commit but are not due themselves
            self._work.wait_for(self._is_time, timeout=LINGER_S)
            return 0 if self._is_closed else upto

    def _is_time(self) -> bool:
        return self._is_closed or len(self._buffer) >= self._group


def _check(event: Event) -> None:
    """Raise `LogError` for an event that no commit could ever write."""
    if not isfinite(event.time):
        raise LogError(f"the event {event.id!r} has the time {event.time}; use a finite number")
    try:
        f"{event.id}{event.source}".encode()
    except UnicodeEncodeError as error:
        raise LogError(
            f"the event {event.id!r} of {event.source!r} is not Unicode text ({error}); rename it"
        ) from error
