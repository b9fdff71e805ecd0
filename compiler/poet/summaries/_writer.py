"""Rows into Parquet segments: the newest one of a table grows until it is large, then another starts."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from poet.summaries._columns import Column, arrow_schema, columns_of
from poet.summaries._index import Segment, replace_file

__all__ = ["SegmentWriter"]

ROWS_PER_SEGMENT = 500_000
GROWS_BELOW = 20_000  # a segment smaller than this is written again with what is new, so that files stay few
ROWS_PER_BATCH = 20_000  # Python rows held before they become columns


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
