"""Which engine summarises: the embedded one, or the Spark that a company has."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from poet.errors import SummaryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from poet.summaries._engine import Engine

__all__ = ["open_engine", "spark_session"]

_QUIET = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
_LOCAL = {
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
        from poet.summaries._duckdb import DuckDBEngine  # noqa: PLC0415

        with DuckDBEngine(folder) as engine:
            yield engine
        return
    with spark_session(master) as session:
        from poet.summaries._spark import SparkEngine  # noqa: PLC0415

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
