"""A block: the events of one commit, ready to be written before the commit's turn comes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple, Self

import msgspec

from poet.errors import EventError, LogError
from poet.events import Event, parse
from poet.log._interface import StoredEvent

__all__ = ["EMPTY_DIGEST", "Block", "chained", "content", "counts", "link", "restored"]

EMPTY_DIGEST = sha256(b"").digest()

_Row = tuple[str, str, str, float, bytes]  # source, id, type, time, raw
_ROWS = msgspec.msgpack.Decoder(list[_Row])
_COUNTS = msgspec.json.Decoder(dict[str, int])


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
