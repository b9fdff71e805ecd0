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

Seal the log: what came since the last time becomes Parquet segments.

Rows into Parquet segments: the newest one of a table grows until it is large, then another starts.
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


FORMAT: Final = 1
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


def seal(log: FeedbackLog, folder: Path) -> int:
    """Write the log's new events to segments in a folder, and give the log position sealed.

    A kill at any moment leaves what was sealed before, readable; the next call does the rest. Of several
    callers one seals and the others wait.

    Raises
    ------
    SummaryError
        The folder holds another log's segments.
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
        tidy(folder, sealed)  # a small segment that grew was written under a new name
    return position


def _require_same_log(log: FeedbackLog, folder: Path, index: Index, position: int) -> None:
    if position < index.position or log.prefix_digest(index.position) != index.prefix:
        raise SummaryError(
            f"the segments in {folder} hold {index.position} events of another log (this one ends at "
            f"{position} or begins otherwise); remove {folder / 'segments.json'} to seal this one anew"
        )


def _write(log: FeedbackLog, folder: Path, index: Index, position: int) -> dict[str, tuple[Segment, ...]]:
    # pyarrow takes half a second to import; a command that seals nothing must not wait for it

    writers: dict[str, SegmentWriter] = {}
    for stored in log.read(after=index.position, until=position):
        for table, row in rows_of(stored):
            if table not in writers:
                writers[table] = SegmentWriter(folder, table, index.tables.get(table, ()))
            writers[table].add(row)
    return {table: writer.finish() for table, writer in writers.items()}


ROWS_PER_SEGMENT: Final = 500_000
GROWS_BELOW: Final = (
    20_000  # a segment smaller than this is written again with what is new, so that files stay few
)
ROWS_PER_BATCH: Final = 20_000  # Python rows held before they become columns


class SegmentWriter:
    """Writes the new rows of one table behind the segments that it has."""

    def __init__(self, folder: Path, table: str, sealed: tuple[Segment, ...]) -> None:
        self._folder = folder
        self._table = table
        self._columns = columns_of(table)
        self._schema = arrow_schema(table)
        self._rows: list[tuple[object, ...]] = []
        self._batches: list[pa.RecordBatch] = []
        self._held = 0
        self._segments = list(sealed)
        if sealed and sealed[-1].rows < GROWS_BELOW:
            self._reopen(self._segments.pop())

    def add(self, row: tuple[object, ...]) -> None:
        """Take one row; it may be written at once or later."""
        self._rows.append(row)
        if len(self._rows) >= ROWS_PER_BATCH:
            self._make_batch()
            if self._held >= ROWS_PER_SEGMENT:
                self._write()

    def finish(self) -> tuple[Segment, ...]:
        """Write what is left and give all segments of the table, oldest first."""
        self._make_batch()
        if self._held:
            self._write()
        return tuple(self._segments)

    def _reopen(self, segment: Segment) -> None:
        old = pq.read_table(self._folder / segment.file)
        columns = [_column(old, column, self._schema) for column in self._columns]
        table = pa.Table.from_arrays(columns, schema=self._schema)
        self._batches = table.to_batches()
        self._held = table.num_rows

    def _make_batch(self) -> None:
        if self._rows:
            arrays = [
                pa.array(values, type=field.type)
                for values, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
            ]
            self._batches.append(pa.record_batch(arrays, schema=self._schema))
            self._held += len(self._rows)
            self._rows = []

    def _write(self) -> None:
        table = pa.Table.from_batches(self._batches, schema=self._schema)
        positions = table.column("position")
        first, last = positions[0].as_py(), positions[-1].as_py()
        file = f"segments/{self._table}/{first:012d}-{last:012d}.parquet"
        replace_file(self._folder / file, lambda handle: pq.write_table(table, handle, compression="zstd"))
        self._segments.append(Segment(file=file, first=first, last=last, rows=table.num_rows))
        self._batches, self._held = [], 0


def _column(table: pa.Table, column: Column, schema: pa.Schema) -> pa.ChunkedArray:
    """Give a column of an older segment; null where the release that wrote it did not know the column."""
    type_ = schema.field(column.name).type
    if column.name in table.column_names:
        return table.column(column.name).cast(type_)
    return pa.chunked_array([pa.nulls(table.num_rows, type_)])
