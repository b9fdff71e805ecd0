"""Aggregates: the log in exact sums that can be added, kept up to date at the cost of what is new.

Cells: observations added up by key and bin, in integers, so that no order and no engine shows.

A number enters as millionths in a 64-bit integer, its square as a 38-digit decimal. Both are exact, and
exact sums are the same in whatever order they are taken.

The aggregates of a sealed prefix on disk, with the log position that they reach.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.compute import field

from poet.summaries.observations import KEYS, Tables, bin_number, observations
from poet.summaries.segments import Index, read_consistently, read_index, replace_file, sealing_lock
from poet.summaries.summaries import sealed_index
from poet_runtime.errors import SummaryError

if TYPE_CHECKING:
    from poet.summaries.engines import Engine


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Integer counts and sums by key and bin; equal contents have equal rows in equal order.

    `cells` has the keys ``measure, feature, test, kind, asked, was_real, window, velocity`` (null where a
    key does not apply), ``bin`` (see `bin_range`), and what is added up: ``n``, ``total`` and ``squares``
    of the values in millionths.
    """

    cells: pa.Table


def aggregate(folder: Path, *, engine: Engine | None = None, until: int | None = None) -> Aggregates:
    """Aggregate what is sealed up to log position `until` (default: all of it).

    What an earlier call found is kept beside the segments; only later positions are counted again.

    Raises
    ------
    SummaryError
        Nothing was sealed here, or not as far as `until`.
    """
    from poet.summaries.backends import DuckDBEngine  # noqa: PLC0415

    def read() -> tuple[Index, int, Aggregates]:
        index = sealed_index(folder, until)
        position = index.position if until is None else until
        with nullcontext(engine) if engine else DuckDBEngine(folder) as used:
            known = read_state(folder, at_most=position)
            new = aggregate_range(used, after=known.position, until=position)
        return index, known.position, merge(Aggregates(known.cells), new)

    index, known, whole = read_consistently(folder, read, has_own_engine=engine is not None)
    if until is None and index.position > known:
        _keep(folder, index, whole)
    return whole


def _keep(folder: Path, index: Index, whole: Aggregates) -> None:
    """Write the aggregates of an index for the next call, unless the folder was sealed again since."""
    with suppress(PermissionError), sealing_lock(folder):  # in a folder that is only read, nothing is kept
        if read_index(folder) == index:
            write_state(folder, index.position, whole.cells)


def aggregate_range(engine: Engine, *, after: int, until: int) -> Aggregates:
    """Aggregate what log positions ``after + 1 … until`` add to the positions before them.

    Parts of any cut of the log merge to the whole, in any order: a vote and its execution count at the
    later of their two positions, and a replaced vote is taken back where its replacement stands.
    """
    from poet.summaries.engines import Bounded  # noqa: PLC0415

    return Aggregates(add(engine.run(count_cells(Bounded(engine, until), after=after, until=until))))


def merge(*parts: Aggregates) -> Aggregates:
    """Add aggregates: exact, in whatever order and grouping."""
    return Aggregates(add(no_cells(), *(part.cells for part in parts)))


# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis builds its operators at run time; its annotations promise less than it does. mypy checks the rest.


SCALE: Final = 1_000_000
LIMIT: Final = 1e9  # larger numbers count as this: a square still leaves room for a hundred million of them

_WHOLE: Final = "decimal(38, 0)"
_NOTHING: Final = pa.scalar(Decimal(0), pa.decimal128(38, 0))  # Arrow compares decimals only at one precision
_COLUMNS: Final = {"string": pa.string(), "boolean": pa.bool_(), "int64": pa.int64()}
SCHEMA: Final = pa.schema(
    [(name, _COLUMNS[type_]) for name, type_ in KEYS.items()]
    + [
        ("bin", pa.int64()),
        ("n", pa.int64()),
        ("total", pa.decimal128(38, 0)),
        ("squares", pa.decimal128(38, 0)),
    ]
)


def count_cells(tables: Tables, *, after: int, until: int) -> ir.Table:
    """Add up the observations that log positions ``after + 1 … until`` tell; one row a cell, in no order."""
    seen = observations(tables)
    seen = seen.filter(seen.counted_at > after, seen.counted_at <= until)
    inside = ibis.least(ibis.greatest(seen.value, -LIMIT), LIMIT)
    scaled = seen.mutate(
        bin=bin_number(seen.value),
        whole=(inside * float(SCALE) + 0.5).floor().cast("int64").cast("decimal(19, 0)"),
    )
    adds = scaled.sign > 0
    square = (scaled.whole * scaled.whole).cast(_WHOLE)
    return scaled.group_by(*KEYS, "bin").aggregate(
        n=scaled.sign.sum().cast("int64"),
        total=adds.ifelse(scaled.whole, -scaled.whole).cast(_WHOLE).sum().cast(_WHOLE),
        squares=adds.ifelse(square, -square).cast(_WHOLE).sum().cast(_WHOLE),
    )


def no_cells() -> pa.Table:
    """Give the sum of nothing."""
    return SCHEMA.empty_table()


def add(*parts: pa.Table) -> pa.Table:
    """Add cells key by key, in canonical order; cells that add up to nothing are dropped."""
    keys = [*KEYS, "bin"]
    together = pa.concat_tables([part.select(SCHEMA.names).cast(SCHEMA) for part in parts])
    summed = together.group_by(keys, use_threads=False).aggregate(
        [("n", "sum"), ("total", "sum"), ("squares", "sum")]
    )
    named = (
        summed.select([*keys, "n_sum", "total_sum", "squares_sum"]).rename_columns(SCHEMA.names).cast(SCHEMA)
    )
    # a part may take back what another part added: n is 0 there while the sums still carry the difference
    kept = named.filter((field("n") != 0) | (field("total") != _NOTHING) | (field("squares") != _NOTHING))
    return kept.sort_by([(key, "ascending") for key in keys]).combine_chunks()


_POSITION: Final = b"poet.position"
_FORMAT: Final = {b"poet.format": b"1"}


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
