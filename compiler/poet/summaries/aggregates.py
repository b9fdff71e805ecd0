"""Aggregates: exact, mergeable sums over the log, updated at a cost that depends only on new events.

A cell is the sum of observations with the same key and bin, in integers, so the result depends neither on the
order nor on the engine. A number is counted in millionths in a 64-bit integer, its square as a 38-digit
decimal. Both are exact, and exact sums are the same in any order.

The aggregates of a sealed prefix are stored on disk together with the log position that they reach.
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

    `cells` has the keys ``measure, feature, test, kind, occasion, was_real, window, velocity`` (null if a key
    does not apply), ``bin`` (see `bin_range`), and the sums: ``n``, ``total`` and ``squares`` of the values
    in millionths.
    """

    cells: pa.Table


def aggregate(folder: Path, *, engine: Engine | None = None, until: int | None = None) -> Aggregates:
    """Return the aggregates of the sealed events up to log position `until` (default: all).

    The aggregates of an earlier call are stored next to the segments; only later positions are counted.

    Raises
    ------
    SummaryError
        Nothing is sealed in the folder, or not as far as `until`.
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
        _store(folder, index, whole)
    return whole


def _store(folder: Path, index: Index, whole: Aggregates) -> None:
    """Write the aggregates of an index for the next call, unless the folder was sealed again meanwhile."""
    with suppress(PermissionError), sealing_lock(folder):  # in a read-only folder, nothing is stored
        if read_index(folder) == index:
            write_state(folder, index.position, whole.cells)


def aggregate_range(engine: Engine, *, after: int, until: int) -> Aggregates:
    """Return what the log positions ``after + 1 … until`` add to the aggregates of earlier positions.

    The parts of any partition of the log merge to the whole, in any order: a vote and its execution count at
    the later of their two positions, and a replaced vote is subtracted at the position of its replacement.
    """
    from poet.summaries.engines import Bounded  # noqa: PLC0415

    return Aggregates(add(engine.run(count_cells(Bounded(engine, until), after=after, until=until))))


def merge(*parts: Aggregates) -> Aggregates:
    """Return the sum of aggregates, exact in any order and grouping."""
    return Aggregates(add(no_cells(), *(part.cells for part in parts)))


# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis creates its operators at run time, and its annotations are incomplete. mypy checks the rest.


SCALE: Final = 1_000_000
LIMIT: Final = 1e9  # larger numbers are clipped: a sum of a hundred million squares still fits

_WHOLE: Final = "decimal(38, 0)"
_NOTHING: Final = pa.scalar(
    Decimal(0), pa.decimal128(38, 0)
)  # Arrow compares decimals only at equal precision
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
    """Return the sums of the observations at ``after + 1 … until``, one row per cell, unordered."""
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
    """Return the empty sum."""
    return SCHEMA.empty_table()


def add(*parts: pa.Table) -> pa.Table:
    """Return the sum of cells by key, in canonical order, without cells whose sums are all zero."""
    keys = [*KEYS, "bin"]
    together = pa.concat_tables([part.select(SCHEMA.names).cast(SCHEMA) for part in parts])
    summed = together.group_by(keys, use_threads=False).aggregate(
        [("n", "sum"), ("total", "sum"), ("squares", "sum")]
    )
    named = (
        summed.select([*keys, "n_sum", "total_sum", "squares_sum"]).rename_columns(SCHEMA.names).cast(SCHEMA)
    )
    # a part may subtract what another part added: n is then 0 while the sums still contain the difference
    kept = named.filter((field("n") != 0) | (field("total") != _NOTHING) | (field("squares") != _NOTHING))
    return kept.sort_by([(key, "ascending") for key in keys]).combine_chunks()


_POSITION: Final = b"poet.position"
_FORMAT: Final = {b"poet.format": b"2"}


class State(NamedTuple):
    """Cells of the first `position` events."""

    position: int
    cells: pa.Table


def read_state(folder: Path, *, at_most: int) -> State:
    """Return the stored cells; empty (position 0) if they reach past `at_most` or have another format."""
    path = folder / "aggregates.parquet"
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        return State(0, no_cells())
    except pa.ArrowInvalid as error:
        raise SummaryError(f"{path} is not readable ({error}); remove it to count again") from error
    metadata = table.schema.metadata or {}
    position = int(metadata.get(_POSITION, b"0"))
    if position > at_most or not _FORMAT.items() <= metadata.items():
        return State(0, no_cells())
    return State(position, table.cast(SCHEMA))


def write_state(folder: Path, position: int, cells: pa.Table) -> None:
    """Write the cells of the first `position` events."""
    table = cells.replace_schema_metadata({**_FORMAT, _POSITION: str(position).encode()})
    replace_file(folder / "aggregates.parquet", lambda handle: pq.write_table(table, handle))
