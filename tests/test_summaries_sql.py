"""The expressions of the summaries as SQL for PostgreSQL and Spark in addition to DuckDB."""

from functools import cache

import ibis
import ibis.expr.types as ir
import pytest
from ibis.config import Config

from poet.events import PAYLOADS
from poet.summaries import labels as _counts
from poet.summaries import labels as _votes
from poet.summaries import labels as _windows
from poet.summaries.aggregates import count_cells
from poet.summaries.columns import columns_of

DIALECTS = ("duckdb", "postgres", "pyspark")


class SparkOptions(Config):  # type: ignore[misc]  # ibis ships no types for it
    """The options that ibis registers when it loads Spark."""

    treat_nan_as_null: bool = False


@pytest.fixture(autouse=True)
def spark_without_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the one option that ibis's Spark compiler reads, without loading Spark."""
    monkeypatch.setattr(ibis.options, "pyspark", SparkOptions())


def table(name: str) -> ir.Table:
    """Return the table of an event type, or of scores, without an engine."""
    return ibis.table({column.name: column.type for column in columns_of(name)}, name=name.replace(".", "_"))


@cache
def expressions() -> dict[str, ir.Table]:
    """Return all expressions of the summaries by name."""
    executions, delays = table("execution.recorded"), table("drift.detection_delay")
    cast_votes = _votes.all_votes(table("drift.validation"), table("drift.false_positive"), delays)
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
    """There are no JSON operators and no approximate quantiles, so all engines give the same result."""
    sql = str(ibis.to_sql(expressions()[name], dialect=dialect)).upper()
    assert sql.startswith(("SELECT", "WITH"))
    for word in ("JSON", "APPROX", "PERCENTILE", "QUANTILE", "RANDOM"):
        assert word not in sql


def test_the_median_in_postgresql_is_taken_by_rank() -> None:
    """Engines interpolate quantiles with different rounding but agree on ranks."""
    assert median_sql("postgres") == POSTGRES_MEDIAN


def test_the_median_in_spark_is_taken_by_rank() -> None:
    """The SQL is the same in Spark's dialect."""
    assert median_sql("pyspark") == SPARK_MEDIAN


def median_sql(dialect: str) -> str:
    """Return the SQL of the medians of a table of velocities, with a newline at its end."""
    seen = ibis.table({"position": "int64", "feature": "string", "data_velocity": "float64"}, name="seen")
    return f"{ibis.to_sql(_windows.median_velocities(seen), dialect=dialect)}\n"


POSTGRES_MEDIAN = """\
SELECT
  "t2"."feature",
  CAST((
    MIN("t2"."data_velocity") + MAX("t2"."data_velocity")
  ) AS DOUBLE PRECISION) / 2.0 AS "data_velocity"
FROM (
  SELECT
    *
  FROM (
    SELECT
      "t0"."position",
      "t0"."feature",
      "t0"."data_velocity",
      ROW_NUMBER() OVER (
        PARTITION BY "t0"."feature"
        ORDER BY "t0"."data_velocity" ASC, "t0"."position" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) - 1 AS "rank",
      COUNT(*) OVER (
        PARTITION BY "t0"."feature"
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) AS "n"
    FROM "seen" AS "t0"
  ) AS "t1"
  WHERE
    (
      "t1"."rank" * 2
    ) >= (
      "t1"."n" - 2
    ) AND (
      "t1"."rank" * 2
    ) <= "t1"."n"
) AS "t2"
GROUP BY
  1
"""

SPARK_MEDIAN = """\
SELECT
  `t2`.`feature`,
  (
    MIN(`t2`.`data_velocity`) + MAX(`t2`.`data_velocity`)
  ) / 2.0 AS `data_velocity`
FROM (
  SELECT
    *
  FROM (
    SELECT
      `t0`.`position`,
      `t0`.`feature`,
      `t0`.`data_velocity`,
      ROW_NUMBER() OVER (
        PARTITION BY `t0`.`feature`
        ORDER BY `t0`.`data_velocity` ASC NULLS LAST, `t0`.`position` ASC NULLS LAST
      ) - 1 AS `rank`,
      COUNT(*) OVER (
        PARTITION BY `t0`.`feature`
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) AS `n`
    FROM `seen` AS `t0`
  ) AS `t1`
  WHERE
    (
      `t1`.`rank` * 2
    ) >= (
      `t1`.`n` - 2
    ) AND (
      `t1`.`rank` * 2
    ) <= `t1`.`n`
) AS `t2`
GROUP BY
  1
"""
