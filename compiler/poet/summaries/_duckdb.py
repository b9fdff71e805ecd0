"""The embedded engine: DuckDB over the Parquet segments, in this process."""

from pathlib import Path
from types import TracebackType
from typing import Self

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from poet.summaries._columns import columns_of
from poet.summaries._index import read_index

__all__ = ["DuckDBEngine"]


class DuckDBEngine:
    """Reads the segments that the folder's index names. Use it in a ``with`` statement, or close it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index = read_index(folder)
        self._connection = ibis.duckdb.connect()
        self._connection.raw_sql("SET enable_progress_bar = false")
        self._connection.raw_sql("SET autoinstall_known_extensions = false")  # never reaches for the network

    def table(self, name: str, *, after: int = 0) -> ir.Table:
        """Give the table of an event type (or ``scores``); columns that old segments lack are null."""
        schema = ibis.schema({column.name: column.type for column in columns_of(name)})
        files = self._index.files(self._folder, name, after=after) if self._index else []
        if not files:
            return self._connection.create_table(ibis.util.gen_name("empty"), schema=schema, temp=True)
        found = self._connection.read_parquet(files, union_by_name=True)
        return found.select(
            **{
                column: found[column].cast(type_) if column in found.columns else ibis.null(type_)
                for column, type_ in schema.items()
            }
        )

    def sealed(self) -> frozenset[str]:
        """Name the tables that have segments."""
        return frozenset(self._index.tables) if self._index else frozenset()

    def run(self, expression: ir.Table) -> pa.Table:
        """Answer an expression."""
        return self._connection.to_pyarrow(expression)

    def close(self) -> None:
        """Close the connection; tables it gave are of no use afterwards."""
        self._connection.disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
