"""The aggregates of a sealed prefix on disk, with the log position that they reach."""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from poet.errors import SummaryError
from poet.summaries._cells import SCHEMA, no_cells
from poet.summaries._index import replace_file

__all__ = ["State", "read_state", "write_state"]

_POSITION = b"poet.position"
_FORMAT = {b"poet.format": b"1"}


class State(NamedTuple):
    """Cells of the first `position` events."""

    position: int
    cells: pa.Table


def read_state(folder: Path, *, at_most: int) -> State:
    """Read what was kept; nothing (position 0) if it reaches past `at_most` or is of another format."""
    path = folder / "aggregates.parquet"
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        return State(0, no_cells())
    except pa.ArrowInvalid as error:
        raise SummaryError(f"{path} is not readable ({error}); remove it to have it counted again") from error
    metadata = table.schema.metadata or {}
    position = int(metadata.get(_POSITION, b"0"))
    if position > at_most or not _FORMAT.items() <= metadata.items():
        return State(0, no_cells())
    return State(position, table.cast(SCHEMA))


def write_state(folder: Path, position: int, cells: pa.Table) -> None:
    """Keep the cells of the first `position` events."""
    table = cells.replace_schema_metadata({**_FORMAT, _POSITION: str(position).encode()})
    replace_file(folder / "aggregates.parquet", lambda handle: pq.write_table(table, handle))
