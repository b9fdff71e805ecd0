"""The log in columns: sealed segments, what learners read of them, and sums that can be added."""

from poet.summaries._aggregates import Aggregates, aggregate, aggregate_range, merge
from poet.summaries._engine import Engine
from poet.summaries._engines import open_engine, spark_session
from poet.summaries._seal import seal
from poet.summaries._summaries import Summaries, summarise

__all__ = [
    "Aggregates",
    "Engine",
    "Summaries",
    "aggregate",
    "aggregate_range",
    "merge",
    "open_engine",
    "seal",
    "spark_session",
    "summarise",
]
