"""The SQLite file: what it must look like, how it is made, how its errors read."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from poet.errors import LogError
from poet.files import FileLock

__all__ = ["commit_lock", "connected", "prepare", "telling"]

FILE = "log.sqlite3"
LOCK = "commit.lock"
APPLICATION_ID = 0x504F4554  # "POET", in the header of the file
SCHEMA_VERSION = 3
BUSY_TIMEOUT_S = 60.0
PAGES_PER_CHECKPOINT = 8000  # 32 MB: where nobody wrote enough to carry it over earlier, beside the lock
# A row of `blocks` is what one commit brought: a row an event would cost twice as much. `last` is the
# position of its last event, `digest` the chain over all events up to there. `names` is what makes an event
# the only one of its source and id. `totals` spares counting a scan. Rows are never deleted.
SCHEMA = f"""
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
    """Make the log where there is none; leave anything else as it is.

    Raises
    ------
    LogError
        The folder cannot be used, or holds something else.
    """
    path = folder / FILE
    with telling(path):
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
    """Connect in autocommit mode, every commit on disk when it returns."""
    connection = sqlite3.connect(
        folder / FILE, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_PER_CHECKPOINT}")
    return connection


def commit_lock(folder: Path) -> FileLock:
    """Return the lock that makes commits queue.

    SQLite admits one writer at a time as well, but the one that polls at the right moment wins: among eight
    writers one can starve for seconds. This lock is fair. Since commits are serial and a position is assigned
    inside its commit, positions become visible in their order.
    """
    return FileLock(folder / LOCK, names_holder=False, is_fair=True)


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system say into a `LogError` with the next step."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise LogError(f"{path} cannot be used ({error}); look at the disk and at its permissions") from error
    except sqlite3.DatabaseError as error:
        raise LogError(
            f"{path} is not a feedback log, or is damaged ({error}); move it away, then import an export"
        ) from error
    except OSError as error:
        raise LogError(f"{path} cannot be used ({error}); choose a folder that can be written") from error


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
        raise LogError(f"{path} is a database of something else; move it away, or choose another folder")
    return bool(tables == 0)
