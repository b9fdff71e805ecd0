"""The same expressions as SQL for the engines a company has: PostgreSQL and Spark beside DuckDB."""

import ibis
import ibis.expr.types as ir
import pytest
from ibis.config import Config

from poet.events import PAYLOADS
from poet.summaries import _counts, _votes, _windows
from poet.summaries._cells import count_cells
from poet.summaries._columns import columns_of

DIALECTS = ("duckdb", "postgres", "pyspark")


class SparkOptions(Config):  # type: ignore[misc]  # ibis ships no types for it
    """What ibis registers when it loads Spark."""

    treat_nan_as_null: bool = False


@pytest.fixture(autouse=True)
def spark_without_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give ibis the one option that its Spark compiler reads, which loading the engine would set."""
    monkeypatch.setattr(ibis.options, "pyspark", SparkOptions())


def table(name: str) -> ir.Table:
    """Give the table of an event type, or scores, without any engine behind it."""
    return ibis.table({column.name: column.type for column in columns_of(name)}, name=name.replace(".", "_"))


def expressions() -> dict[str, ir.Table]:
    """Name every expression that a learner's summaries are made of."""
    executions, delays = table("execution.recorded"), table("drift.detection_delay")
    cast_votes = _votes.ballots(table("drift.validation"), table("drift.false_positive"), delays)
    return {
        "votes": _votes.votes(cast_votes, executions),
        "recorded": _votes.recorded(executions),
        "scores": _votes.scores(executions, table("scores")),
        "denominators": _counts.denominators(cast_votes, executions),
        "events": _counts.events({name: table(name) for name in sorted(PAYLOADS)}),
        "delays": _windows.delays(delays),
        "noise": _windows.noise(table("drift.noise_issue"), delays, executions),
        "performance": _windows.performance(table("monitoring.performance")),
        "cells": count_cells(table, after=10, until=20),
    }


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", sorted(expressions()))
def test_every_expression_compiles_to_plain_sql(name: str, dialect: str) -> None:
    """No JSON operator, no approximate quantile: what all engines answer alike."""
    sql = str(ibis.to_sql(expressions()[name], dialect=dialect)).upper()
    assert sql.startswith(("SELECT", "WITH"))
    for word in ("JSON", "APPROX", "PERCENTILE", "QUANTILE", "RANDOM"):
        assert word not in sql


@pytest.mark.parametrize("dialect", ["postgres", "pyspark"])
def test_the_median_is_taken_by_rank(dialect: str) -> None:
    """Engines interpolate quantiles with different roundings; ranks are the same everywhere."""
    seen = ibis.table({"position": "int64", "feature": "string", "data_velocity": "float64"}, name="seen")
    sql = " ".join(str(ibis.to_sql(_windows.median_velocities(seen), dialect=dialect)).split())
    assert "ROW_NUMBER() OVER ( PARTITION BY" in sql.replace("OVER (PARTITION", "OVER ( PARTITION")
    assert "COUNT(*) OVER" in sql
