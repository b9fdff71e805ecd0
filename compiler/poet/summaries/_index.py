"""What is sealed: the index of segments, and the only ways to change the folder.

    folder/
      segments.json                         the truth: what is sealed, up to which log position
      segments.lock                         held shared by readers, alone by the one who seals
      aggregates.parquet                    mergeable aggregates of a sealed prefix
      segments/<type>/<first>-<last>.parquet

Every file is written beside its name, synchronised and renamed. A file that the index does not name is
a leftover of a run that was killed: readers do not see it, the next `seal` removes it.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from poet.errors import SummaryError

__all__ = ["Index", "Segment", "lock", "read_index", "replace_file", "tidy", "write_index"]

FORMAT = 1


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


@contextmanager
def lock(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold the folder: shared to read, alone to seal. Waits for whoever holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "segments.lock").open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def read_index(folder: Path) -> Index | None:
    """Read the index; None when nothing was ever sealed here.

    Raises
    ------
    SummaryError
        The index is not one, or a newer release wrote it.
    """
    path = folder / "segments.json"
    try:
        document = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        index = msgspec.json.decode(document, type=Index)
    except msgspec.DecodeError as error:
        raise SummaryError(
            f"{path} is not an index of segments ({error}); remove it to have the log sealed again"
        ) from error
    if index.format != FORMAT:
        raise SummaryError(
            f"{path} has format {index.format}, this release reads {FORMAT}; remove it to seal the log again"
        )
    return index


def write_index(folder: Path, index: Index) -> None:
    """Replace the index: from here on its segments count."""
    document = msgspec.json.format(msgspec.json.encode(index, order="sorted"), indent=1) + b"\n"
    replace_file(folder / "segments.json", lambda handle: handle.write(document))


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that a kill leaves the old one or the new one, never a part."""
    is_new = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
    with partial.open("wb") as handle:
        write(handle)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(path)
    _synchronise(path.parent)  # the rename itself is on disk only with its folder
    if is_new:
        _synchronise(path.parent.parent)


def _synchronise(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def tidy(folder: Path, index: Index | None) -> None:
    """Remove what the index does not name. Call it while holding the folder alone."""
    tables = index.tables.values() if index else ()
    kept = {folder / segment.file for segments in tables for segment in segments}
    for path in (folder / "segments").glob("*/*"):
        if path not in kept:
            path.unlink()
    for path in folder.glob("*.partial"):
        if path.name.startswith(("segments.json.", "aggregates.parquet.")):
            path.unlink()
    if index is None:  # aggregates of segments that are gone
        (folder / "aggregates.parquet").unlink(missing_ok=True)
