"""Open a feedback log: a folder's, or one that machines share."""

from pathlib import Path
from typing import Final

from poet.log.buffered import BufferedLog, OnFull
from poet.log.interface import Store
from poet.log.sqlite import EmbeddedStore
from poet_runtime.errors import LogError

POSTGRES: Final = ("postgresql://", "postgres://")


def open_log(place: Path | str, *, capacity: int = 100_000, on_full: OnFull = "block") -> BufferedLog:
    """Open the feedback log in a folder or at an address, making it where there is none.

    Parameters
    ----------
    place
        A folder, usually a workspace's ``feedback_log``; or ``postgresql://user@host/database``.
    capacity
        Events that may wait in memory.
    on_full
        What a caller meets when they do: it waits; or the event is refused with a `LogError`; or it is
        dropped without a word. `dropped` counts what was not taken. Durable events always wait.

    Raises
    ------
    LogError
        The place holds something else, or cannot be used.
    """
    return BufferedLog(_store(place), capacity=capacity, on_full=on_full)


def _store(place: Path | str) -> Store:
    if isinstance(place, str) and place.startswith(POSTGRES):
        from poet.log.postgres import PostgresStore  # noqa: PLC0415 -- psycopg is optional

        return PostgresStore(place)
    if isinstance(place, str) and "://" in place:
        kind = place.partition("://")[0]
        raise LogError(f"no store is reached by {kind}://; give a folder, or postgresql://user@host/database")
    return EmbeddedStore(Path(place))
