"""Aggregates: the log in exact sums that can be added, kept up to date at the cost of what is new."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poet.summaries._index import Index, read_consistently, read_index, sealing_lock
from poet.summaries._summaries import sealed_index

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from poet.summaries._engine import Engine

__all__ = ["Aggregates", "aggregate", "aggregate_range", "merge"]


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
    from poet.summaries._duckdb import DuckDBEngine  # noqa: PLC0415
    from poet.summaries._state import read_state  # noqa: PLC0415

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
    from poet.summaries._state import write_state  # noqa: PLC0415

    with suppress(PermissionError), sealing_lock(folder):  # in a folder that is only read, nothing is kept
        if read_index(folder) == index:
            write_state(folder, index.position, whole.cells)


def aggregate_range(engine: Engine, *, after: int, until: int) -> Aggregates:
    """Aggregate what log positions ``after + 1 … until`` add to the positions before them.

    Parts of any cut of the log merge to the whole, in any order: a vote and its execution count at the
    later of their two positions, and a replaced vote is taken back where its replacement stands.
    """
    from poet.summaries._bounded import Bounded  # noqa: PLC0415
    from poet.summaries._cells import add, count_cells  # noqa: PLC0415

    return Aggregates(add(engine.run(count_cells(Bounded(engine, until), after=after, until=until))))


def merge(*parts: Aggregates) -> Aggregates:
    """Add aggregates: exact, in whatever order and grouping."""
    from poet.summaries._cells import add, no_cells  # noqa: PLC0415

    return Aggregates(add(no_cells(), *(part.cells for part in parts)))
