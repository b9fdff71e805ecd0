"""The engines over the Parquet segments: DuckDB, embedded in this process, and Spark for a data lake."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from poet.summaries.columns import columns_of
from poet.summaries.segments import read_index

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import ibis.expr.types as ir
    import pyarrow as pa


class DuckDBEngine:
    """A DuckDB engine over the segments in the folder's index; use it in a ``with`` statement or close it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index = read_index(folder)
        self._connection = ibis.duckdb.connect()
        self._connection.raw_sql("SET enable_progress_bar = false")
        self._connection.raw_sql("SET autoinstall_known_extensions = false")  # never access the network

    def table(self, name: str, *, after: int = 0) -> ir.Table:
        """Return the table of an event type (or ``scores``); columns that old segments lack are null."""
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
        """Return the names of the tables that have segments."""
        return frozenset(self._index.tables) if self._index else frozenset()

    def run(self, expression: ir.Table) -> pa.Table:
        """Return the result of an expression."""
        return self._connection.to_pyarrow(expression)

    def close(self) -> None:
        """Close the connection; its tables cannot be used afterwards."""
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


_TYPES: Final = {
    "boolean": "boolean",
    "int64": "bigint",
    "float64": "double",
    "string": "string",
    "array<string>": "array<string>",
}
_AS_OTHERS_DO: Final = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}


class SparkEngine:
    """A Spark engine over the segments in the folder's index, which every Spark worker must be able to read.

    Parameters
    ----------
    folder
        The folder with the sealed segments.
    session
        A Spark session; the engine does not close it.
    """

    def __init__(self, folder: Path, session: Any) -> None:
        import ibis  # noqa: PLC0415

        self._folder = folder.absolute()
        self._index = read_index(folder)
        self._session = session
        for name, value in _AS_OTHERS_DO.items():
            session.conf.set(name, value)
        self._connection = ibis.pyspark.connect(session)
        self._views = 0

    def table(self, name: str, *, after: int = 0) -> ir.Table:
        """Return the table of an event type (or ``scores``); columns that old segments lack are null."""
        schema = ", ".join(f"`{column.name}` {_TYPES[column.type]}" for column in columns_of(name))
        files = self._index.files(self._folder, name, after=after) if self._index else []
        frame = (
            self._session.read.schema(schema).parquet(*(file.as_uri() for file in files))
            if files
            else self._session.createDataFrame([], schema)
        )
        self._views += 1
        view = f"poet_{name.replace('.', '_')}_{id(self):x}_{self._views}"
        frame.createOrReplaceTempView(view)
        return self._connection.table(view)

    def sealed(self) -> Collection[str]:
        """Return the names of the tables that have segments."""
        return frozenset(self._index.tables) if self._index else frozenset()

    def run(self, expression: ir.Table) -> pa.Table:
        """Return the result of an expression.

        The result is converted only through Arrow, because a pandas data frame has no null integers.
        """
        found = self._session.sql(self._connection.compile(expression)).toArrow()
        return found.cast(expression.schema().to_pyarrow())
