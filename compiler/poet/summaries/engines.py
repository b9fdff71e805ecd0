"""What an engine owes: the sealed tables, and answers to expressions over them.

Which engine summarises: the embedded one, or the Spark that a company has.

The sealed tables between two log positions: what every answer is made from.
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
    """Runs portable ibis expressions where the sealed events are.

    The expressions use comparisons, exact arithmetic, conditional counts, joins, unions and window
    functions only: what DuckDB, Spark and PostgreSQL answer alike.
    """

    def table(self, name: str, *, after: int = 0) -> ir.Table:
        """Give the table of an event type (or ``scores``) with all its columns, empty if never sealed.

        Nobody will look at rows up to log position `after`: files that hold nothing else may be left out.
        """
        ...

    def sealed(self) -> Collection[str]:
        """Name the tables of which anything was sealed; nobody need ask for the others."""
        ...

    def run(self, expression: ir.Table) -> pa.Table:
        """Answer an expression; rows come in the order the expression states."""
        ...


_QUIET: Final = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
_LOCAL: Final = {
    "spark.driver.host": "127.0.0.1",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",  # each question is asked once: compiling it to Java takes
    "spark.sql.codegen.wholeStage": "false",  # … three times as long as its answer from one machine's data
    "spark.sql.shuffle.partitions": "4",
}


@contextmanager
def open_engine(folder: Path, name: str = "duckdb", master: str = "local[*]") -> Iterator[Engine]:
    """Give an engine over the segments in a folder, and close what was opened for it.

    Parameters
    ----------
    name
        ``duckdb`` or ``spark``; the answers are the same.
    master
        Of Spark: ``local[n]``, ``yarn``, ``spark://…``, ``k8s://…``, or ``sc://…`` for Spark Connect.

    Raises
    ------
    SummaryError
        Spark is asked for, and is not installed or does not start.
    """
    # both take a second to import; a command that learns nothing must not wait for them
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
    """Give the Spark session that is open in this process, or one that is stopped afterwards."""
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
    except Exception as error:  # py4j, gRPC and pyspark each have errors of their own
        first = str(error).strip().partition("\n")[0]
        raise SummaryError(
            f"Spark does not start at {master!r} ({first}); it needs Java 17 or 21 in PATH or JAVA_HOME, "
            "or a cluster that answers: correct [engine] in poet.toml"
        ) from error
    if not is_remote:
        session.sparkContext.setLogLevel("ERROR")
    return session


# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis builds its operators at run time; its annotations promise less than it does. mypy checks the rest.


class Bounded:
    """Gives each table of an engine once, with the log positions ``after + 1 … until`` alone."""

    def __init__(self, engine: Engine, until: int, *, after: int = 0) -> None:
        self.engine = engine
        self.until = until
        self.after = after
        self._sealed = frozenset(engine.sealed())
        self._tables: dict[str, ir.Table] = {}

    def has(self, *names: str) -> bool:
        """Tell whether anything was sealed of one of these tables."""
        return not self._sealed.isdisjoint(names)

    def sealed(self, names: Iterable[str]) -> list[str]:
        """Give those of these tables of which anything was sealed, sorted."""
        return sorted(self._sealed.intersection(names))

    def __call__(self, name: str) -> ir.Table:
        """Give the table of an event type, or ``scores``."""
        if name not in self._tables:
            table = self.engine.table(name, after=self.after)
            within = table.position <= self.until
            if self.after:
                within &= table.position > self.after
            self._tables[name] = table.filter(within)
        return self._tables[name]
