"""The engine of a data lake: Spark over the same Parquet segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poet.summaries._columns import columns_of
from poet.summaries._index import read_index

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import ibis.expr.types as ir
    import pyarrow as pa

__all__ = ["SparkEngine"]

_TYPES = {
    "boolean": "boolean",
    "int64": "bigint",
    "float64": "double",
    "string": "string",
    "array<string>": "array<string>",
}
_AS_OTHERS_DO = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}


class SparkEngine:
    """Reads the segments that the folder's index names, which every Spark worker must reach.

    Parameters
    ----------
    folder
        Where the log was sealed.
    session
        A Spark session, which stays open.
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
        """Give the table of an event type (or ``scores``); columns that old segments lack are null."""
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
        """Name the tables that have segments."""
        return frozenset(self._index.tables) if self._index else frozenset()

    def run(self, expression: ir.Table) -> pa.Table:
        """Answer an expression.

        Through Arrow alone: a data frame of pandas knows no null integers.
        """
        found = self._session.sql(self._connection.compile(expression)).toArrow()
        return found.cast(expression.schema().to_pyarrow())
