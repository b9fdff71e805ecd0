"""The embedded store: a SQLite file, with one committing and one reading connection per process.

This module has neither threads nor buffers. Each connection is opened on first use and can be closed at any
time: SQLite connections must not be carried through a fork, not even to be closed in the child.

The module also defines the schema of the file, creates it, and translates SQLite's errors.
"""

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from poet.events import Event
from poet.log.interface import (
    EMPTY_DIGEST,
    Block,
    RawEvent,
    StoredEvent,
    chained,
    content,
    counts,
    link,
    restored,
)
from poet_runtime.errors import LogError
from poet_runtime.files import FileLock

FILE: Final = "log.sqlite3"
LOCK: Final = "commit.lock"
APPLICATION_ID: Final = 0x504F4554  # "POET", in the header of the file
SCHEMA_VERSION: Final = 3
BUSY_TIMEOUT_S: Final = 60.0
PAGES_PER_CHECKPOINT: Final = (
    8000  # 32 MB: a fallback in case no process wrote enough to checkpoint earlier, outside the lock
)
# A row of `blocks` contains the events of one commit; one row per event would cost twice as much. `last` is
# the position of its last event, `digest` the chain over all events up to there. `names` enforces one event
# per source and id. `totals` avoids a scan when counting. Rows are never deleted.
SCHEMA: Final = f"""
BEGIN;
CREATE TABLE blocks (
    last INTEGER PRIMARY KEY,
    events INTEGER NOT NULL,
    types TEXT NOT NULL,
    digest BLOB NOT NULL,
    content BLOB NOT NULL
) STRICT;
CREATE TABLE names (source TEXT, id TEXT, PRIMARY KEY (source, id)) STRICT, WITHOUT ROWID;
CREATE TABLE totals (type TEXT PRIMARY KEY, events INTEGER NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


def prepare(folder: Path) -> None:
    """Create the log if it is missing; leave anything else unchanged.

    Raises
    ------
    LogError
        The folder cannot be used or contains something else.
    """
    path = folder / FILE
    with translate_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        with closing(commit_lock(folder)) as lock, lock:
            connection = connected(folder)
            try:
                if _is_empty(connection, path):
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.executescript(SCHEMA)
            finally:
                connection.close()


def connected(folder: Path) -> sqlite3.Connection:
    """Return a connection in autocommit mode; every commit is on disk when it returns."""
    connection = sqlite3.connect(
        folder / FILE, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_PER_CHECKPOINT}")
    return connection


def commit_lock(folder: Path) -> FileLock:
    """Return the lock that queues commits.

    SQLite also admits one writer at a time, but the one that polls at the right moment wins: among eight
    writers, one can starve for seconds. This lock is fair. Since commits are serial and positions are
    assigned inside a commit, positions become visible in order.
    """
    return FileLock(folder / LOCK, names_holder=False, is_fair=True)


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Translate errors of SQLite and the file system to a `LogError` with the next step."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise LogError(f"{path} cannot be used ({error}); check the disk and the permissions") from error
    except sqlite3.DatabaseError as error:
        raise LogError(
            f"{path} is not a feedback log, or is damaged ({error}); move it away, then import an export"
        ) from error
    except OSError as error:
        raise LogError(f"{path} cannot be used ({error}); choose a writable folder") from error


def _is_empty(connection: sqlite3.Connection, path: Path) -> bool:
    application, version, tables = (
        connection.execute(question).fetchone()[0]
        for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if application == APPLICATION_ID and version != SCHEMA_VERSION:
        raise LogError(
            f"{path} has schema version {version}, this release knows {SCHEMA_VERSION}; "
            "use the release that wrote it, or export there and import here"
        )
    if application != APPLICATION_ID and (application or version or tables):
        raise LogError(f"{path} is the database of another program; move it away, or choose another folder")
    return bool(tables == 0)


EVENTS_PER_READ: Final = 1000
BYTES_PER_CHECKPOINT: Final = 4_000_000  # bytes that a process writes between two checkpoints
CHECKPOINT: Final = "PRAGMA wal_checkpoint(PASSIVE)"
KNOWN: Final = "SELECT 1 FROM names WHERE source = ? AND id = ?"
NAMES_PER_INSERT: Final = (
    100,
    10,
    1,
)  # rows per statement: large inserts cost less per row; older SQLite binds at most 999 values
NAME: Final = {
    count: "INSERT INTO names VALUES " + ", ".join(["(?, ?)"] * count)  # noqa: S608 -- only placeholders
    for count in NAMES_PER_INSERT
}
ADD_BLOCK: Final = "INSERT INTO blocks (last, events, types, digest, content) VALUES (?, ?, ?, ?, ?)"
ADD: Final = (
    "INSERT INTO totals (type, events) VALUES (?, ?) "
    "ON CONFLICT (type) DO UPDATE SET events = events + excluded.events"
)
NEWEST: Final = "SELECT last, digest FROM blocks ORDER BY last DESC LIMIT 1"
UP_TO: Final = "SELECT last, digest FROM blocks WHERE last <= ? ORDER BY last DESC LIMIT 1"
AROUND: Final = "SELECT last - events, content FROM blocks WHERE last > ? ORDER BY last LIMIT 1"
PAGE: Final = "SELECT last - events, events, content FROM blocks WHERE last > ? ORDER BY last"
TOTALS: Final = "SELECT type, events FROM totals"
BEHIND: Final = "SELECT types, count(*) FROM blocks WHERE last > ? AND last - events >= ? GROUP BY types"
FARTHEST: Final = 2**63 - 1


class EmbeddedStore:
    """The SQLite file in a folder."""

    check = None  # it can store any event

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = str(folder)

    def prepare(self) -> None:
        """Create the file if it is missing."""
        prepare(self._folder)

    def writer(self) -> "Writer":
        """Return a new writer."""
        return Writer(self._folder)

    def reader(self) -> "Reader":
        """Return a new reader."""
        return Reader(self._folder)


class Writer:
    """The committing connection, for one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: tuple[sqlite3.Connection, FileLock] | None = None
        self._behind = 0  # bytes written since the last checkpoint

    def commit(self, events: Sequence[Event]) -> None:
        """Write the new events in one transaction; they are on disk on return."""
        block = Block.of(events)  # encoded before the lock is held
        with translate_errors(self._folder / FILE):
            try:
                connection, lock = self._open()
                with lock:
                    try:
                        _insert(connection, block)
                    except sqlite3.IntegrityError:  # rare: some events exist already; find the new ones
                        connection.execute("ROLLBACK")
                        if new := _unknown(connection, events):
                            _insert(connection, Block.of(new))
                self._behind += len(block.content)
                if self._behind >= BYTES_PER_CHECKPOINT:
                    self._checkpoint(connection, lock)
            except BaseException:
                self.close()  # this rolls back; a failed connection is not reused
                raise

    def close(self) -> None:
        """Close the connection, if open."""
        if self._opened is not None:
            connection, lock = self._opened
            self._opened = None
            connection.close()
            lock.close()

    def _checkpoint(self, connection: sqlite3.Connection, lock: FileLock) -> None:
        """Checkpoint the WAL concurrently with other commits, then again under the lock for the remainder.

        Without a checkpoint during which no process commits, the WAL would never restart and would grow.
        """
        connection.execute(CHECKPOINT).fetchone()
        with lock:
            connection.execute(CHECKPOINT).fetchone()
        self._behind = 0

    def _open(self) -> tuple[sqlite3.Connection, FileLock]:
        if self._opened is None:
            self._opened = connected(self._folder), commit_lock(self._folder)
        return self._opened


class Reader:
    """The reading connection, for any thread; a separate one, so that it never sees uncommitted rows."""

    def __init__(self, folder: Path) -> None:
        self.in_use = threading.Lock()
        self._folder = folder
        self._connection: sqlite3.Connection | None = None

    def page(self, after: int, until: int | None) -> list[StoredEvent]:
        """Return the next events in order; one short read, so that no writer waits for a slow reader."""
        end = FARTHEST if until is None else until
        page: list[StoredEvent] = []
        for before, rows in self._blocks(after, end):
            skipped = max(0, after - before)
            page += restored(rows[skipped : end - before], before + skipped + 1)
        return page

    def raw_events(self, after: int, until: int) -> list[RawEvent]:
        """Return the next events in order as stored."""
        page: list[RawEvent] = []
        for before, rows in self._blocks(after, until):
            skipped = max(0, after - before)
            page += [
                RawEvent(position, *row)
                for position, row in enumerate(rows[skipped : until - before], before + skipped + 1)
            ]
        return page

    def position(self) -> int:
        """Return the newest position."""
        ((newest,),) = self._rows("SELECT coalesce(max(last), 0) FROM blocks")
        return int(newest)

    def digest(self, position: int) -> str:
        """Return the digest of the events up to a position, in hex."""
        last, digest = next(iter(self._rows(UP_TO, position)), (0, EMPTY_DIGEST))
        if last < position and (around := self._rows(AROUND, position)):
            rows = content(around[0][1])[: position - last]
            digest = chained(digest, (link(source, identity) for source, identity, *_ in rows))
        return str(digest.hex())

    def counts(self, after: int) -> dict[str, int]:
        """Return the number of events after a position, by type."""
        if after <= 0:
            return dict(sorted(self._rows(TOTALS)))
        found = Counter[str]()
        for types, blocks in self._rows(BEHIND, after, after):
            found.update({type_: blocks * events for type_, events in counts(types).items()})
        if (around := self._rows(AROUND, after)) and around[0][0] < after:
            found.update(row[2] for row in content(around[0][1])[after - around[0][0] :])
        return dict(sorted(found.items()))

    def close(self) -> None:
        """Close the connection, if open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _blocks(self, after: int, end: int) -> list[tuple[int, list[Any]]]:
        """Return the blocks between two positions: the position before each block, and its content."""
        found, n_events = [], 0
        with self.in_use, translate_errors(self._folder / FILE):
            cursor = self._open().execute(PAGE, (after,))
            for before, events, block in cursor:
                if before >= end:
                    break
                found.append((before, block))
                n_events += events
                if n_events >= EVENTS_PER_READ:
                    break
            cursor.close()
        return [(before, content(block)) for before, block in found]

    def _rows(self, query: str, *values: int) -> list[Any]:
        with self.in_use, translate_errors(self._folder / FILE):
            return self._open().execute(query, values).fetchall()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connected(self._folder)
        return self._connection


def _insert(connection: sqlite3.Connection, block: Block) -> None:
    names = [name for event in block.events for name in (event.source, event.id)]
    connection.execute("BEGIN IMMEDIATE")
    last, digest = connection.execute(NEWEST).fetchone() or (0, EMPTY_DIGEST)
    begin = 0
    for count in NAMES_PER_INSERT:
        while len(names) - begin >= 2 * count:
            connection.execute(NAME[count], names[begin : begin + 2 * count])
            begin += 2 * count
    events = len(block.events)
    digest = chained(digest, block.links)
    connection.execute(ADD_BLOCK, (last + events, events, block.types, digest, block.content))
    connection.executemany(ADD, block.totals.items())
    connection.execute("COMMIT")


def _unknown(connection: sqlite3.Connection, events: Sequence[Event]) -> list[Event]:
    """Return the events that are not in the log, of duplicates the first."""
    first: dict[tuple[str, str], Event] = {}
    for event in events:
        first.setdefault((event.source, event.id), event)
    return [event for key, event in first.items() if connection.execute(KNOWN, key).fetchone() is None]
