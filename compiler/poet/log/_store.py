"""One process's two connections to the file: one that commits, one that reads. No thread, no buffer.

Each is opened when first used and can be let go of at any time: SQLite's connections must not be carried
through a fork, not even to be closed on the other side.
"""

import hashlib
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import msgspec

from poet.errors import EventError, LogError
from poet.events import Event, parse
from poet.log._file import FILE, connected, exclusive, lock_file, telling
from poet.log._interface import StoredEvent

__all__ = ["Reader", "Writer"]

ROWS_PER_READ = 1000
EMPTY_DIGEST = hashlib.sha256(b"").digest()
KNOWN = "SELECT 1 FROM events WHERE source = ? AND id = ?"
INSERT = "INSERT INTO events (source, id, type, time, subject, raw, digest) VALUES (?, ?, ?, ?, ?, ?, ?)"
ADD = (
    "INSERT INTO totals (type, events) VALUES (?, ?) "
    "ON CONFLICT (type) DO UPDATE SET events = events + excluded.events"
)
LAST_DIGEST = "SELECT digest FROM events WHERE position <= ? ORDER BY position DESC LIMIT 1"
PAGE = (
    "SELECT position, source, id, type, time, raw FROM events WHERE position > ? AND position <= ? "
    "ORDER BY position LIMIT ?"
)
TOTALS = "SELECT type, events FROM totals ORDER BY type"
COUNTS = "SELECT type, count(*) FROM events WHERE position > ? GROUP BY type ORDER BY type"
FARTHEST = 2**63 - 1


class Writer:
    """The connection that commits; for one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: tuple[sqlite3.Connection, IO[bytes]] | None = None

    def commit(self, events: Sequence[Event]) -> None:
        """Write those that are new in one transaction, on disk when this returns."""
        with telling(self._folder / FILE):
            try:
                connection, lock = self._open()
                with exclusive(lock):
                    try:
                        _insert(connection, events)
                    except sqlite3.IntegrityError:  # some are there already, which is rare: find out which
                        connection.execute("ROLLBACK")
                        _insert(connection, _unknown(connection, events))
            except BaseException:
                self.let_go()  # which rolls back; a connection that failed is not used again
                raise

    def let_go(self) -> None:
        """Close what is open."""
        if self._opened is not None:
            connection, lock = self._opened
            self._opened = None
            connection.close()
            lock.close()

    def _open(self) -> tuple[sqlite3.Connection, IO[bytes]]:
        if self._opened is None:
            self._opened = connected(self._folder), lock_file(self._folder)
        return self._opened


class Reader:
    """The connection that reads, for any thread; its own, so that it never sees a commit half done."""

    def __init__(self, folder: Path) -> None:
        self.in_use = threading.Lock()
        self._folder = folder
        self._connection: sqlite3.Connection | None = None

    def page(self, after: int, until: int | None) -> list[StoredEvent]:
        """Give the next events in order; one short read, so that no writer waits for a slow reader."""
        rows = self._rows(PAGE, after, FARTHEST if until is None else until, ROWS_PER_READ)
        return [StoredEvent(row[0], _restored(*row)) for row in rows]

    def position(self) -> int:
        """Give the newest position."""
        ((newest,),) = self._rows("SELECT coalesce(max(position), 0) FROM events")
        return int(newest)

    def digest(self, position: int) -> str:
        """Give the digest of the events up to a position, in hex."""
        rows = self._rows(LAST_DIGEST, position)
        return (rows[0][0] if rows else EMPTY_DIGEST).hex()

    def counts(self, after: int) -> dict[str, int]:
        """Count events after a position by type."""
        return dict(self._rows(COUNTS, after) if after > 0 else self._rows(TOTALS))

    def let_go(self) -> None:
        """Close what is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _rows(self, query: str, *values: int) -> list[Any]:
        with self.in_use, telling(self._folder / FILE):
            if self._connection is None:
                self._connection = connected(self._folder)
            return self._connection.execute(query, values).fetchall()


def _restored(position: int, source: str, identity: str, type_: str, time: float, raw: bytes) -> Event:
    """Read an event back; what its envelope left open was settled when it was taken."""
    try:
        event = parse(raw, source=source, now=lambda: time)
    except EventError as error:
        raise LogError(
            f"the event at position {position} cannot be read ({error}); "
            f"use a release, with the plug-ins, that knows {type_!r}"
        ) from error
    return event if event.id == identity else msgspec.structs.replace(event, id=identity)


def _insert(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    row = connection.execute(LAST_DIGEST, (FARTHEST,)).fetchone()
    connection.executemany(INSERT, _rows(events, row[0] if row else EMPTY_DIGEST))
    connection.executemany(ADD, Counter(event.type for event in events).items())
    connection.execute("COMMIT")


def _rows(events: Sequence[Event], digest: bytes) -> Iterator[tuple[object, ...]]:
    for event in events:
        identity = hashlib.sha256(event.id.encode()).digest()
        digest = hashlib.sha256(digest + _of_source(event.source) + identity).digest()
        yield event.source, event.id, event.type, event.time, event.subject, event.raw, digest


@lru_cache(maxsize=1024)
def _of_source(source: str) -> bytes:
    return hashlib.sha256(source.encode()).digest()


def _unknown(connection: sqlite3.Connection, events: Sequence[Event]) -> list[Event]:
    """Give the events that the log does not hold, the first where one comes twice."""
    first: dict[tuple[str, str], Event] = {}
    for event in events:
        first.setdefault((event.source, event.id), event)
    return [event for key, event in first.items() if connection.execute(KNOWN, key).fetchone() is None]
