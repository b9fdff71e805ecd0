"""What any feedback log owes, whatever stores it.

A block: the events of one commit, ready to be written before the commit's turn comes.
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
# the bodies of a protocol are its docstrings


class StoredEvent(NamedTuple):
    """An event with its place in the log."""

    position: int
    event: Event


class Written(NamedTuple):
    """An event as it is written: unparsed, so that one whose type nobody knows here can be shown too."""

    position: int
    source: str
    id: str
    type: str
    time: float
    raw: bytes

    @property
    def subject(self) -> str:
        """What the event is about, "" where it does not say."""
        said = msgspec.json.decode(self.raw)
        return str(said.get("subject") or "") if isinstance(said, dict) else ""


class Wanted(NamedTuple):
    """Which events somebody wants to see; what is empty wants all."""

    type: str = ""
    source: str = ""  # what it begins with
    text: str = ""  # what stands anywhere in the event
    is_feedback: bool = False  # no telemetry


class FeedbackLog(Protocol):
    """An append-only log of events, one per (source, id).

    Positions grow and are never given twice. Whoever has read up to a position never finds a new event
    at or before it: a position is given inside its commit, and one commit ends before the next begins.
    """

    def append(self, events: Iterable[Event], *, durable: bool = False) -> None:
        """Take events; `durable` returns when they are on disk, else a kill may lose the last 50 ms.

        An event whose (source, id) the log holds already changes nothing.

        Raises
        ------
        LogError
            The log is closed, an event cannot be stored, or a commit failed: a durable one's own, else one
            of what was taken before. What was taken is kept and tried again; to emit it again is harmless.
        """

    def flush(self) -> None:
        """Return when everything taken so far is on disk; raises as `append`."""

    def close(self) -> None:
        """Flush and let go of the store; closing twice changes nothing."""

    def read(self, *, after: int = 0, until: int | None = None) -> Iterator[StoredEvent]:
        """Give the durable events in order, from the one after position `after` to `until`."""

    def newest(
        self, wanted: Wanted, count: int = 100, *, before: int | None = None, within: int = 200_000
    ) -> list[Written]:
        """Give the newest durable events that somebody wants to see, newest first, unparsed.

        Parameters
        ----------
        before
            Only events before this position.
        within
            How many positions are searched: what is rare and far back is not found at any price.
        """

    def at(self, position: int) -> Written | None:
        """Give the durable event at a position, unparsed; None where there is none."""

    def named(self, ids: Collection[str], *, until: int | None = None) -> list[Written]:
        """Give the durable events with one of these ids up to a position, unparsed; reads the log once."""

    def position(self) -> int:
        """Give the position of the newest durable event; 0 when there is none."""

    def prefix_digest(self, position: int) -> str:
        """Give the sha256 chain over (source, id) of all events up to a position.

        With d(0) the digest of nothing, d(n) = sha256(d(n-1) · sha256(source) · sha256(id)), in hex. It does
        not depend on how events were grouped into commits.
        """

    def count_by_type(self, *, after: int = 0) -> dict[str, int]:
        """Count the durable events after a position, by type, sorted by type."""


class Writer(Protocol):
    """One process's connection that commits; for one thread at a time."""

    def commit(self, events: Sequence[Event]) -> None:
        """Write those that are new in one transaction, on disk when this returns; all or none of them."""

    def close(self) -> None:
        """Close what is open; it is opened again when needed."""


class Reader(Protocol):
    """One process's connection that reads, for any thread."""

    in_use: threading.Lock

    def page(self, after: int, until: int | None) -> list[StoredEvent]:
        """Give the next events in order, none when there are none."""

    def written(self, after: int, until: int) -> list[Written]:
        """Give the next events in order as they are written, none when there are none."""

    def position(self) -> int:
        """Give the newest position."""

    def digest(self, position: int) -> str:
        """Give the digest of the events up to a position, in hex."""

    def counts(self, after: int) -> dict[str, int]:
        """Count events after a position by type."""

    def close(self) -> None:
        """Close what is open; call it while holding `in_use`."""


class Store(Protocol):
    """Where a log is kept."""

    name: str  # for people, without a password

    @property
    def check(self) -> Callable[[Event], None] | None:
        """What raises `LogError` for an event that the store cannot hold; None where it holds all."""

    def prepare(self) -> None:
        """Make the log where there is none; raises `LogError` where something else is."""

    def writer(self) -> Writer:
        """Give a new writer, not connected yet."""

    def reader(self) -> Reader:
        """Give a new reader, not connected yet."""


EMPTY_DIGEST: Final = sha256(b"").digest()

_Row = tuple[str, str, str, float, bytes]  # source, id, type, time, raw
_ROWS: Final = msgspec.msgpack.Decoder(list[_Row])
_COUNTS: Final = msgspec.json.Decoder(dict[str, int])


class Block(NamedTuple):
    """What a commit writes, but for its place in the log."""

    events: Sequence[Event]
    links: list[bytes]  # what each event adds to the chain of digests
    totals: dict[str, int]  # events by type
    types: str  # the same as text
    content: bytes

    @classmethod
    def of(cls, events: Sequence[Event]) -> Self:
        """Make the block of some events."""
        rows = [(each.source, each.id, each.type, each.time, each.raw) for each in events]
        totals = dict(sorted(Counter([each.type for each in events]).items()))
        types = msgspec.json.encode(totals).decode()
        links = [link(each.source, each.id) for each in events]
        return cls(events, links, totals, types, msgspec.msgpack.encode(rows))


def content(block: bytes) -> list[_Row]:
    """Read the content of a block."""
    return _ROWS.decode(block)


def counts(types: str) -> dict[str, int]:
    """Read how many events of each type a block has."""
    return _COUNTS.decode(types)


def link(source: str, identity: str) -> bytes:
    """Give what an event adds to the chain of digests."""
    return _of_source(source) + sha256(identity.encode()).digest()


@lru_cache(maxsize=1024)
def _of_source(source: str) -> bytes:
    return sha256(source.encode()).digest()


def chained(digest: bytes, links: Iterable[bytes]) -> bytes:
    """Carry the chain of digests on."""
    for each in links:
        digest = sha256(digest + each).digest()
    return digest


def restored(rows: Iterable[_Row], first: int) -> Iterator[StoredEvent]:
    """Read events back, from position `first` on, with the id, source and time that they were given."""
    for position, (source, identity, type_, time, raw) in enumerate(rows, start=first):
        try:
            event = parse(raw, source=source, now=lambda time=time: time)  # type: ignore[misc]
        except EventError as error:
            raise LogError(
                f"the event at position {position} cannot be read ({error}); "
                f"use a release, with the plug-ins, that knows {type_!r}"
            ) from error
        if event.id != identity:
            event = msgspec.structs.replace(event, id=identity)
        yield StoredEvent(position, event)
