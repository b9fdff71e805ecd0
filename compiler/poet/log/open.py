"""Open a feedback log, in a folder or in a database that several machines share."""

from pathlib import Path
from typing import Final

from poet.log.buffered import BufferedLog, OnFull
from poet.log.interface import Store
from poet.log.sqlite import EmbeddedStore
from poet_runtime.errors import LogError

POSTGRES: Final = ("postgresql://", "postgres://")


def open_log(location: Path | str, *, capacity: int = 100_000, on_full: OnFull = "block") -> BufferedLog:
    """Return the open feedback log in a folder or at an address, created if missing.

    Parameters
    ----------
    location
        A folder, usually a workspace's ``feedback_log``; or ``postgresql://user@host/database``.
    capacity
        The maximum number of events that wait in memory.
    on_full
        The behavior when the buffer is full: ``"block"`` waits, ``"refuse"`` raises a `LogError`, and
        ``"drop"`` silently discards the event. The attribute `dropped` counts the events that were not
        accepted. Durable events always wait.

    Raises
    ------
    LogError
        The location contains something else or cannot be used.
    """
    return BufferedLog(_store(location), capacity=capacity, on_full=on_full)


def _store(location: Path | str) -> Store:
    if isinstance(location, str) and location.startswith(POSTGRES):
        from poet.log.postgres import PostgresStore  # noqa: PLC0415 -- psycopg is optional

        return PostgresStore(location)
    if isinstance(location, str) and "://" in location:
        kind = location.partition("://")[0]
        raise LogError(f"unknown store {kind}://; use a folder, or postgresql://user@host/database")
    return EmbeddedStore(Path(location))
