"""Sealed segments: the log as Parquet files, their index, and the only functions that change the folder.

    folder/
      segments.json                         the index: what is sealed, up to which log position
      segments.lock                         locked to change the folder; readers take no lock
      aggregates.parquet                    mergeable aggregates of a sealed prefix
      segments/<type>/<first>-<last>.parquet

`seal` writes the events since the last call to Parquet segments. The newest segment of a table grows until it
is large; then another one starts.

Every file is written under another name, synchronized and renamed. A file that the index does not name is
left over from an earlier index or from a killed run. New readers do not see it; `seal` removes it.

Segments never change, so readers need neither a lock nor write permission. Only a reader that started from an
older index can find a segment missing. It then detects that the index has changed and starts again: see
`read_consistently`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from poet.summaries.columns import Column, arrow_schema, columns_of, rows_of
from poet_runtime.errors import SummaryError
from poet_runtime.files import (
    JsonDocument,
    atomic_write,
    fsync_directory,
    lock,
    open_atomic,
    remove,
    remove_unfinished,
    to_json,
)

if TYPE_CHECKING:
    from pathlib import Path

    from poet.log import FeedbackLog


FORMAT: Final = 2
OPTIMISTIC_ATTEMPTS: Final = 5
T = TypeVar("T")


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file with the events of a table from log position `first` to `last`."""

    file: str  # relative to the folder
    first: int
    last: int
    rows: int


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """All segments, by table, of the first `position` events of the log."""

    position: int
    prefix: str
    tables: dict[str, tuple[Segment, ...]] = {}
    format: int = FORMAT

    def files(self, folder: Path, table: str, *, after: int = 0) -> list[Path]:
        """Return the files of one table that reach beyond log position `after`, oldest first."""
        return [folder / segment.file for segment in self.tables.get(table, ()) if segment.last > after]


_OTHER_COLUMNS: Final = -1  # the position of segments that must be sealed again
_DOCUMENT: Final = JsonDocument(
    type=Index,
    name="an index of segments",
    next_step="remove it to seal the log again",
    error=SummaryError,
    format=FORMAT,
    former={1: lambda _: {"position": _OTHER_COLUMNS, "prefix": "", "format": FORMAT}},
)


@contextmanager
def sealing_lock(folder: Path) -> Iterator[None]:
    """Lock the folder for changes, waiting for the process that has locked it."""
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder, timeout_s=math.inf, file_name="segments.lock", error=SummaryError):
        yield


def read_index(folder: Path) -> Index | None:
    """Return the index, or None if nothing was ever sealed in the folder by a release with these columns.

    Raises
    ------
    SummaryError
        The file is not an index, or a newer release wrote it.
    """
    index = _DOCUMENT.read_if_exists(folder / "segments.json")
    return None if index is None or index.position == _OTHER_COLUMNS else index


def read_consistently(folder: Path, read: Callable[[], T], *, has_own_engine: bool) -> T:
    """Return the result of `read`, which opens the index and its segments; retry if they were replaced.

    After `OPTIMISTIC_ATTEMPTS` failures, the last attempt runs under the lock, which prevents sealing. A
    reader with its own engine takes the lock immediately: its engine knows only one index, so a retry would
    not help.
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
    """Replace the index; from then on its segments are valid."""
    atomic_write(folder / "segments.json", to_json(index, indent=1))


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file that is too large to build in memory; see `atomic_write`."""
    is_new = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_atomic(path) as handle:
        write(handle)
    if is_new:
        fsync_directory(path.parent.parent)


def tidy(folder: Path, index: Index | None) -> None:
    """Remove files that the index does not name; the caller must hold the sealing lock."""
    tables = index.tables.values() if index else ()
    kept = {folder / segment.file for segments in tables for segment in segments}
    for path in (folder / "segments").glob("*/*"):
        if path not in kept:
            remove(path)
    remove_unfinished(folder)
    for path in folder.glob("*.partial"):  # unfinished files of earlier releases
        if path.name.startswith(("segments.json.", "aggregates.parquet.")):
            remove(path)
    if index is None:  # aggregates of removed segments
        remove(folder / "aggregates.parquet")


def seal(log: FeedbackLog, folder: Path) -> int:
    """Write the new events of the log to segments in a folder, and return the sealed log position.

    After a kill at any time, the previously sealed segments remain readable, and the next call completes the
    work. Of several callers, one seals and the others wait.

    Raises
    ------
    SummaryError
        The folder contains the segments of another log.
    """
    with sealing_lock(folder):
        index = read_index(folder)
        tidy(folder, index)
        position = log.position()
        if index is not None:
            _require_same_log(log, folder, index, position)
            if position == index.position:
                return position
        before = index or Index(position=0, prefix="")
        tables = before.tables | _write(log, folder, before, position)
        sealed = Index(position=position, prefix=log.prefix_digest(position), tables=tables)
        write_index(folder, sealed)
        tidy(folder, sealed)  # a small segment that grew has a new file name
    return position


def _require_same_log(log: FeedbackLog, folder: Path, index: Index, position: int) -> None:
    if position < index.position or log.prefix_digest(index.position) != index.prefix:
        raise SummaryError(
            f"the segments in {folder} hold {index.position} events of another log (this one ends at "
            f"{position} or begins differently); remove {folder / 'segments.json'} to seal this one again"
        )


def _write(log: FeedbackLog, folder: Path, index: Index, position: int) -> dict[str, tuple[Segment, ...]]:
    writers: dict[str, SegmentWriter] = {}
    for stored in log.read(after=index.position, until=position):
        for table, row in rows_of(stored):
            if table not in writers:
                writers[table] = SegmentWriter(folder, table, index.tables.get(table, ()))
            writers[table].add(row)
    return {table: writer.finish() for table, writer in writers.items()}


ROWS_PER_SEGMENT: Final = 500_000
GROWS_BELOW: Final = (
    20_000  # a segment with fewer rows is rewritten with the new rows, to limit the number of files
)
ROWS_PER_BATCH: Final = 20_000  # Python rows collected before conversion to columns


class SegmentWriter:
    """A writer of the new rows of one table, after its existing segments."""

    def __init__(self, folder: Path, table: str, sealed: tuple[Segment, ...]) -> None:
        self._folder = folder
        self._table = table
        self._columns = columns_of(table)
        self._schema = arrow_schema(table)
        self._rows: list[tuple[object, ...]] = []
        self._batches: list[pa.RecordBatch] = []
        self._n_batched = 0
        self._segments = list(sealed)
        if sealed and sealed[-1].rows < GROWS_BELOW:
            self._reopen(self._segments.pop())

    def add(self, row: tuple[object, ...]) -> None:
        """Add one row; it may be written immediately or later."""
        self._rows.append(row)
        if len(self._rows) >= ROWS_PER_BATCH:
            self._make_batch()
            if self._n_batched >= ROWS_PER_SEGMENT:
                self._write()

    def finish(self) -> tuple[Segment, ...]:
        """Write the remaining rows, and return all segments of the table, oldest first."""
        self._make_batch()
        if self._n_batched:
            self._write()
        return tuple(self._segments)

    def _reopen(self, segment: Segment) -> None:
        old = pq.read_table(self._folder / segment.file)
        columns = [_column(old, column, self._schema) for column in self._columns]
        table = pa.Table.from_arrays(columns, schema=self._schema)
        self._batches = table.to_batches()
        self._n_batched = table.num_rows

    def _make_batch(self) -> None:
        if self._rows:
            arrays = [
                pa.array(values, type=field.type)
                for values, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
            ]
            self._batches.append(pa.record_batch(arrays, schema=self._schema))
            self._n_batched += len(self._rows)
            self._rows = []

    def _write(self) -> None:
        table = pa.Table.from_batches(self._batches, schema=self._schema)
        positions = table.column("position")
        first, last = positions[0].as_py(), positions[-1].as_py()
        file = f"segments/{self._table}/{first:012d}-{last:012d}.parquet"
        replace_file(self._folder / file, lambda handle: pq.write_table(table, handle, compression="zstd"))
        self._segments.append(Segment(file=file, first=first, last=last, rows=table.num_rows))
        self._batches, self._n_batched = [], 0


def _column(table: pa.Table, column: Column, schema: pa.Schema) -> pa.ChunkedArray:
    """Return a column of an older segment; null if the release that wrote it did not have the column."""
    type_ = schema.field(column.name).type
    if column.name in table.column_names:
        return table.column(column.name).cast(type_)
    return pa.chunked_array([pa.nulls(table.num_rows, type_)])
