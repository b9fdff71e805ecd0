"""The interface of feedback logs, independent of the store, and the encoding that stores share.

A `Block` contains the events of one commit in encoded form. It is prepared before the commit gets the lock.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple, Protocol, Self

import msgspec

from poet.events import Event, parse
from poet_runtime.errors import EventError, LogError

# pyright: reportReturnType=false
# methods of a protocol have only a docstring as body


class StoredEvent(NamedTuple):
    """An event with its position in the log."""

    position: int
    event: Event


class RawEvent(NamedTuple):
    """An event as stored, unparsed, so that events of unknown types can be shown too.

    The search functions return the present name of its type.
    """

    position: int
    source: str
    id: str
    type: str
    time: float
    raw: bytes

    @property
    def subject(self) -> str:
        """Return the subject of the event, or "" if it has none."""
        envelope = msgspec.json.decode(self.raw)
        return str(envelope.get("subject") or "") if isinstance(envelope, dict) else ""


class EventFilter(NamedTuple):
    """A filter of events; an empty field matches all events."""

    type: str = ""
    source: str = ""  # prefix of the source
    text: str = ""  # substring of the raw event
    is_feedback: bool = False  # True: exclude telemetry


class FeedbackLog(Protocol):
    """An append-only log of events, one per (source, id).

    Positions increase and are never reused. After a reader has read up to a position, no new event appears at
    or before it: positions are assigned inside a commit, and commits do not overlap.
    """

    def append(self, events: Iterable[Event], *, durable: bool = False) -> None:
        """Append events.

        With `durable`, return when they are on disk. Otherwise a kill may lose the last 50 ms. An event whose
        (source, id) is already in the log has no effect.

        Raises
        ------
        LogError
            The log is closed, an event cannot be stored, or a commit failed: with `durable` the commit of
            these events, otherwise one of earlier events. Accepted events are kept and retried; emitting them
            again is harmless.
        """

    def flush(self) -> None:
        """Return when all events accepted so far are on disk; raises as `append`."""

    def close(self) -> None:
        """Flush and close the store; closing twice has no effect."""

    def read(self, *, after: int = 0, until: int | None = None) -> Iterator[StoredEvent]:
        """Yield the durable events in order, at positions ``after + 1`` to `until`."""

    def newest(
        self, event_filter: EventFilter, count: int = 100, *, before: int | None = None, within: int = 200_000
    ) -> list[RawEvent]:
        """Return the newest durable events that match a filter, newest first, unparsed.

        Parameters
        ----------
        event_filter
            The filter.
        count
            The maximum number of events.
        before
            Return only events before this position.
        within
            The number of positions to search, which bounds the cost: rare events further back are not found.
        """

    def at(self, position: int) -> RawEvent | None:
        """Return the durable event at a position, unparsed, or None if there is none."""

    def named(self, ids: Collection[str], *, until: int | None = None) -> list[RawEvent]:
        """Return the durable events with one of these ids up to a position, unparsed, in one pass."""

    def position(self) -> int:
        """Return the position of the newest durable event, or 0 if there is none."""

    def prefix_digest(self, position: int) -> str:
        """Return the SHA-256 chain over (source, id) of all events up to a position, in hex.

        With d(0) the digest of the empty string, d(n) = sha256(d(n-1) · sha256(source) · sha256(id)). The
        digest does not depend on how events were grouped into commits.
        """

    def count_by_type(self, *, after: int = 0) -> dict[str, int]:
        """Return the number of durable events after a position, by type, sorted by type."""


class Writer(Protocol):
    """The committing connection of one process, for one thread at a time."""

    def commit(self, events: Sequence[Event]) -> None:
        """Write the new events in one transaction, all or none; they are on disk on return."""

    def close(self) -> None:
        """Close the connection; it is reopened when needed."""


class Reader(Protocol):
    """The reading connection of one process, for any thread."""

    in_use: threading.Lock

    def page(self, after: int, until: int | None) -> list[StoredEvent]:
        """Return the next events in order; empty at the end."""

    def raw_events(self, after: int, until: int) -> list[RawEvent]:
        """Return the next events in order as stored; empty at the end."""

    def position(self) -> int:
        """Return the newest position."""

    def digest(self, position: int) -> str:
        """Return the digest of the events up to a position, in hex."""

    def counts(self, after: int) -> dict[str, int]:
        """Return the number of events after a position, by type."""

    def close(self) -> None:
        """Close the connection; the caller must hold `in_use`."""


class Store(Protocol):
    """The storage of a log."""

    name: str  # for display, without a password

    @property
    def check(self) -> Callable[[Event], None] | None:
        """Return a check that raises `LogError` for events that the store cannot hold; None: it holds all."""

    def prepare(self) -> None:
        """Create the log if it is missing; raise `LogError` if something else is in its place."""

    def writer(self) -> Writer:
        """Return a new writer, not connected yet."""

    def reader(self) -> Reader:
        """Return a new reader, not connected yet."""


EMPTY_DIGEST: Final = sha256(b"").digest()

_Row = tuple[str, str, str, float, bytes]  # source, id, type, time, raw
_ROWS: Final = msgspec.msgpack.Decoder(list[_Row])
_COUNTS: Final = msgspec.json.Decoder(dict[str, int])


class Block(NamedTuple):
    """The content of a commit, without its position in the log."""

    events: Sequence[Event]
    links: list[bytes]  # the link of each event in the digest chain
    totals: dict[str, int]  # events by type
    types: str  # `totals` as JSON
    content: bytes

    @classmethod
    def of(cls, events: Sequence[Event]) -> Self:
        """Return the block of the given events."""
        rows = [(each.source, each.id, each.type, each.time, each.raw) for each in events]
        totals = dict(sorted(Counter([each.type for each in events]).items()))
        types = msgspec.json.encode(totals).decode()
        links = [link(each.source, each.id) for each in events]
        return cls(events, links, totals, types, msgspec.msgpack.encode(rows))


def content(block: bytes) -> list[_Row]:
    """Return the decoded rows of a block."""
    return _ROWS.decode(block)


def counts(types: str) -> dict[str, int]:
    """Return the decoded number of events of a block, by type."""
    return _COUNTS.decode(types)


def link(source: str, identity: str) -> bytes:
    """Return the link of an event in the digest chain."""
    return _of_source(source) + sha256(identity.encode()).digest()


@lru_cache(maxsize=1024)
def _of_source(source: str) -> bytes:
    return sha256(source.encode()).digest()


def chained(digest: bytes, links: Iterable[bytes]) -> bytes:
    """Return the digest chain extended by links."""
    for each in links:
        digest = sha256(digest + each).digest()
    return digest


def restored(rows: Iterable[_Row], first: int) -> Iterator[StoredEvent]:
    """Yield the events of stored rows, from position `first` on, with their stored id, source and time.

    Raises
    ------
    LogError
        An event cannot be parsed.
    """
    for position, (source, identity, type_, time, raw) in enumerate(rows, start=first):
        try:
            event = parse(raw, source=source, now=lambda time=time: time)  # type: ignore[misc]
        except EventError as error:
            raise LogError(
                f"the event at position {position} cannot be read ({error}); "
                f"install a release and the plug-ins that know the type {type_!r}"
            ) from error
        if event.id != identity:
            event = msgspec.structs.replace(event, id=identity)
        yield StoredEvent(position, event)
