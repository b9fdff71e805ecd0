"""What is sealed: the index of segments, and the only ways to change the folder.

    folder/
      segments.json                         the truth: what is sealed, up to which log position
      segments.lock                         held to change the folder; readers hold nothing
      aggregates.parquet                    mergeable aggregates of a sealed prefix
      segments/<type>/<first>-<last>.parquet

Every file is written under another name, synchronized and renamed. A file that the index does not name is
left from an earlier index or from a run that was killed. Readers that start now do not see it; `seal` removes
it.

Segments never change, so readers need no lock and no right to write. Only a reader that started from an older
index can find a segment missing. It sees that the index has changed since, and starts again: see
`read_consistently`.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

import msgspec

from poet.errors import SummaryError
from poet.files import (
    JsonDocument,
    atomic_write,
    fsync_directory,
    lock,
    open_atomic,
    remove,
    remove_unfinished,
    to_json,
)

__all__ = [
    "Index",
    "Segment",
    "read_consistently",
    "read_index",
    "replace_file",
    "sealing_lock",
    "tidy",
    "write_index",
]

FORMAT = 1
OPTIMISTIC_ATTEMPTS: Final = 5
T = TypeVar("T")


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file: the events of a table from log position `first` to `last`."""

    file: str  # relative to the folder
    first: int
    last: int
    rows: int


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """Every segment, by table, of the log's first `position` events."""

    position: int
    prefix: str
    tables: dict[str, tuple[Segment, ...]] = {}
    format: int = FORMAT

    def files(self, folder: Path, table: str, *, after: int = 0) -> list[Path]:
        """Name the files of one table that reach beyond log position `after`, oldest first."""
        return [folder / segment.file for segment in self.tables.get(table, ()) if segment.last > after]


_DOCUMENT: Final = JsonDocument(
    type=Index,
    name="an index of segments",
    next_step="remove it to have the log sealed again",
    error=SummaryError,
    format=FORMAT,
)


@contextmanager
def sealing_lock(folder: Path) -> Iterator[None]:
    """Hold the folder to change it. Waits for the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder, timeout_s=math.inf, file_name="segments.lock", error=SummaryError):
        yield


def read_index(folder: Path) -> Index | None:
    """Read the index; None when nothing was ever sealed here.

    Raises
    ------
    SummaryError
        The index is not one, or a newer release wrote it.
    """
    return _DOCUMENT.read_if_exists(folder / "segments.json")


def read_consistently(folder: Path, read: Callable[[], T], *, has_own_engine: bool) -> T:
    """Return what `read` returns, which opens the index and its segments; start again if they were replaced.

    A reader that is overtaken every time keeps others from sealing in its last attempt. So does a reader with
    an engine of its own, which knows one index only: starting again would not help it.
    """
    for _ in range(0 if has_own_engine else OPTIMISTIC_ATTEMPTS):
        before = read_index(folder)
        try:
            return read()
        except Exception:
            if read_index(folder) == before:
                raise
    with sealing_lock(folder):
        return read()


def write_index(folder: Path, index: Index) -> None:
    """Replace the index: from here on its segments count."""
    atomic_write(folder / "segments.json", to_json(index, indent=1))


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file that is too large to hold as bytes; see `atomic_write`."""
    is_new = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_atomic(path) as handle:
        write(handle)
    if is_new:
        fsync_directory(path.parent.parent)


def tidy(folder: Path, index: Index | None) -> None:
    """Remove what the index does not name. Call it while holding the folder alone."""
    tables = index.tables.values() if index else ()
    kept = {folder / segment.file for segments in tables for segment in segments}
    for path in (folder / "segments").glob("*/*"):
        if path not in kept:
            remove(path)
    remove_unfinished(folder)
    for path in folder.glob("*.partial"):  # as earlier releases named unfinished files
        if path.name.startswith(("segments.json.", "aggregates.parquet.")):
            remove(path)
    if index is None:  # aggregates of segments that are gone
        remove(folder / "aggregates.parquet")
