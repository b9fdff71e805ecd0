"""The log in columns: sealed segments, the summaries that learners read, and mergeable aggregates."""

from poet.summaries.aggregates import Aggregates, aggregate, aggregate_range, merge
from poet.summaries.engines import Engine, open_engine, spark_session
from poet.summaries.segments import seal
from poet.summaries.summaries import Summaries, summarise

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
