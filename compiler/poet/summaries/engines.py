"""The interface of engines, which provide the sealed tables and evaluate expressions over them.

`open_engine` opens the embedded engine or an existing Spark installation. `Bounded` restricts the tables of
an engine to a range of log positions; all summaries are computed from these tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

import ibis.expr.types as ir

from poet_runtime.errors import SummaryError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    import ibis.expr.types as ir
    import pyarrow as pa


class Engine(Protocol):
    """An engine that evaluates portable ibis expressions where the sealed events are stored.

    The expressions use only comparisons, exact arithmetic, conditional counts, joins, unions and window
    functions, for which DuckDB, Spark and PostgreSQL return identical results.
    """

    def table(self, name: str, *, after: int = 0) -> ir.Table:
        """Return the table of an event type (or ``scores``) with all its columns, empty if never sealed.

        Rows up to log position `after` are not needed: files without later rows may be omitted.
        """
        ...

    def sealed(self) -> Collection[str]:
        """Return the names of the tables with sealed rows; all other tables are empty."""
        ...

    def run(self, expression: ir.Table) -> pa.Table:
        """Return the result of an expression, with rows in the order that the expression defines."""
        ...


_QUIET: Final = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
_LOCAL: Final = {
    "spark.driver.host": "127.0.0.1",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",  # each query runs once: compiling it to Java takes
    "spark.sql.codegen.wholeStage": "false",  # … three times as long as running it on the data of one machine
    "spark.sql.shuffle.partitions": "4",
}


@contextmanager
def open_engine(folder: Path, name: str = "duckdb", master: str = "local[*]") -> Iterator[Engine]:
    """Yield an engine over the segments in a folder, and close it afterwards.

    Parameters
    ----------
    name
        ``duckdb`` or ``spark``; the results are the same.
    master
        The Spark master: ``local[n]``, ``yarn``, ``spark://…``, ``k8s://…``, or ``sc://…`` for Spark Connect.

    Raises
    ------
    SummaryError
        Spark is requested but is not installed or does not start.
    """
    # both take a second to import; a command that does not learn must not wait for them
    if name == "duckdb":
        from poet.summaries.backends import DuckDBEngine  # noqa: PLC0415

        with DuckDBEngine(folder) as engine:
            yield engine
        return
    with spark_session(master) as session:
        from poet.summaries.backends import SparkEngine  # noqa: PLC0415

        yield SparkEngine(folder, session)


@contextmanager
def spark_session(master: str) -> Iterator[Any]:
    """Yield the active Spark session of this process, or a new one that is stopped afterwards."""
    try:
        sessions: Any = import_module("pyspark.sql").SparkSession
    except ImportError as error:
        raise SummaryError(
            f"the engine spark needs pyspark ({error}); install it: pip install 'poet-policy-compiler[spark]'"
        ) from error
    found = sessions.getActiveSession()
    if found is not None:
        yield found
        return
    session = _started(sessions.builder, master)
    try:
        yield session
    finally:
        session.stop()


def _started(builder: Any, master: str) -> Any:
    is_remote = master.startswith("sc://")
    builder = builder.appName("poet")
    builder = builder.remote(master) if is_remote else builder.master(master)
    settings = {} if is_remote else _QUIET | (_LOCAL if master.startswith("local") else {})
    for name, value in settings.items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:  # py4j, gRPC and pyspark each raise their own errors
        first = str(error).strip().partition("\n")[0]
        raise SummaryError(
            f"Spark does not start at {master!r} ({first}); it needs Java 17 or 21 in PATH or JAVA_HOME, "
            "or a reachable cluster; correct [engine] in poet.toml"
        ) from error
    if not is_remote:
        session.sparkContext.setLogLevel("ERROR")
    return session


# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis creates its operators at run time, and its annotations are incomplete. mypy checks the rest.


class Bounded:
    """The tables of an engine, restricted to the log positions ``after + 1 … until``, each created once."""

    def __init__(self, engine: Engine, until: int, *, after: int = 0) -> None:
        self.engine = engine
        self.until = until
        self.after = after
        self._sealed = frozenset(engine.sealed())
        self._tables: dict[str, ir.Table] = {}

    def has(self, *names: str) -> bool:
        """Return whether one of these tables has sealed rows."""
        return not self._sealed.isdisjoint(names)

    def sealed(self, names: Iterable[str]) -> list[str]:
        """Return those of these tables that have sealed rows, sorted."""
        return sorted(self._sealed.intersection(names))

    def __call__(self, name: str) -> ir.Table:
        """Return the table of an event type, or ``scores``."""
        if name not in self._tables:
            table = self.engine.table(name, after=self.after)
            within = table.position <= self.until
            if self.after:
                within &= table.position > self.after
            self._tables[name] = table.filter(within)
        return self._tables[name]
