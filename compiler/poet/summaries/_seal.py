"""Seal the log: what came since the last time becomes Parquet segments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poet.errors import SummaryError
from poet.summaries._columns import rows_of
from poet.summaries._index import Index, Segment, read_index, sealing_lock, tidy, write_index

if TYPE_CHECKING:
    from pathlib import Path

    from poet.log import FeedbackLog

__all__ = ["seal"]


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
    from poet.summaries._writer import SegmentWriter  # noqa: PLC0415

    writers: dict[str, SegmentWriter] = {}
    for stored in log.read(after=index.position, until=position):
        for table, row in rows_of(stored):
            if table not in writers:
                writers[table] = SegmentWriter(folder, table, index.tables.get(table, ()))
            writers[table].add(row)
    return {table: writer.finish() for table, writer in writers.items()}
