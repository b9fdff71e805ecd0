"""The SQLite file: schema, one commit, the reads. No thread, no buffer."""

import fcntl
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec

from poet.errors import LogError
from poet.events import Event, parse
from poet.log._interface import StoredEvent

__all__ = ["EMPTY_DIGEST", "Store"]

FILE = "log.sqlite3"
SCHEMA_VERSION = 1
ROWS_PER_READ = 1000
BUSY_TIMEOUT_S = 60.0
EMPTY_DIGEST = hashlib.sha256(b"").digest()
# `position` is an alias of the rowid. Rows are never deleted and AUTOINCREMENT never gives a number twice.
# `digest` is the chain over all events so far: reading a prefix's digest is one look-up.
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    time REAL NOT NULL,
    subject TEXT,
    raw BLOB NOT NULL,
    digest BLOB NOT NULL,
    UNIQUE (source, id)
) STRICT;
CREATE INDEX IF NOT EXISTS events_by_type ON events (type, position);
"""
KNOWN = "SELECT 1 FROM events WHERE source = ? AND id = ?"
INSERT = "INSERT INTO events (source, id, type, time, subject, raw, digest) VALUES (?, ?, ?, ?, ?, ?, ?)"
READ = (
    "SELECT position, source, id, time, raw FROM events WHERE position > ? AND position <= ? "
    "ORDER BY position LIMIT ?"
)
FARTHEST = 2**63 - 1


class Store:
    """One connection to the file of one process."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as undo:
            self._lock_file = undo.enter_context((folder / "commit.lock").open("ab"))
            try:
                self._connection = undo.enter_context(closing(_connected(self._path)))
                self._prepare()
            except sqlite3.DatabaseError as error:
                raise LogError(
                    f"{self._path} is not a feedback log ({error}); move it away, then import an export"
                ) from error
            # its own, so that it never sees a commit half done
            self._reads = undo.enter_context(closing(_connected(self._path)))
            self._close = undo.pop_all().close

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        with self._exclusive():
            (found,) = self._connection.execute("PRAGMA user_version").fetchone()
            if found not in (0, SCHEMA_VERSION):
                raise LogError(
                    f"{self._path} has schema version {found}, this release knows {SCHEMA_VERSION}; "
                    "use the release that wrote it, or export there and import here"
                )
            self._connection.executescript(SCHEMA)
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Let one process commit at a time.

        SQLite's own lock is taken by whoever polls at the right moment, so among eight writers one can
        starve for a second; the kernel's queue is fair. It also makes positions appear in their order.
        """
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def commit(self, events: Sequence[Event]) -> int:
        """Write events in one transaction, on disk when this returns; gives how many were new."""
        connection, new = self._connection, 0
        with self._exclusive():
            connection.execute("BEGIN IMMEDIATE")
            try:
                row = connection.execute(
                    "SELECT digest FROM events ORDER BY position DESC LIMIT 1"
                ).fetchone()
                digest: bytes = row[0] if row else EMPTY_DIGEST
                for event in events:
                    if connection.execute(KNOWN, (event.source, event.id)).fetchone():
                        continue
                    digest = _chained(digest, event)
                    values = (
                        event.source,
                        event.id,
                        event.type,
                        event.time,
                        event.subject,
                        event.raw,
                        digest,
                    )
                    connection.execute(INSERT, values)
                    new += 1
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
        return new

    def read(self, after: int, until: int | None) -> Iterator[StoredEvent]:
        """Stream events in order; each page is one short read, so no writer waits for a slow reader."""
        end = FARTHEST if until is None else until
        while rows := self._reads.execute(READ, (after, end, ROWS_PER_READ)).fetchall():
            for position, source, identity, time, raw in rows:
                yield StoredEvent(position, _restored(raw, source, identity, time))
            after = rows[-1][0]

    def position(self) -> int:
        """Give the newest position."""
        (newest,) = self._reads.execute("SELECT coalesce(max(position), 0) FROM events").fetchone()
        return int(newest)

    def digest(self, position: int) -> str:
        """Give the digest of the events up to a position, in hex."""
        query = "SELECT digest FROM events WHERE position <= ? ORDER BY position DESC LIMIT 1"
        row = self._reads.execute(query, (position,)).fetchone()
        return (row[0] if row else EMPTY_DIGEST).hex()

    def counts(self, after: int) -> dict[str, int]:
        """Count events after a position by type."""
        query = "SELECT type, count(*) FROM events WHERE position > ? GROUP BY type ORDER BY type"
        return dict(self._reads.execute(query, (after,)).fetchall())

    def close(self) -> None:
        """Close connections and lock."""
        self._close()


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def _restored(raw: bytes, source: str, identity: str, time: float) -> Event:
    """Read an event back; what its envelope left open was settled when it was taken."""
    event = parse(raw, source=source, now=lambda: time)
    return event if event.id == identity else msgspec.structs.replace(event, id=identity)


def _chained(digest: bytes, event: Event) -> bytes:
    source = hashlib.sha256(event.source.encode()).digest()
    identity = hashlib.sha256(event.id.encode()).digest()
    return hashlib.sha256(digest + source + identity).digest()
