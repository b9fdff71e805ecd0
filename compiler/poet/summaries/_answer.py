"""Ask an engine everything that `Summaries` holds."""

import ibis.expr.types as ir
import pyarrow as pa

from poet.summaries import _counts, _votes, _windows
from poet.summaries._columns import EXECUTION, SCORES, arrow_schema
from poet.summaries._count_events import count_events
from poet.summaries._pages import Window
from poet.summaries._summaries import Summaries

__all__ = ["answer"]

_EXECUTION = [
    ("policy_version", pa.int64()),
    ("drifted", pa.bool_()),
    ("audit", pa.bool_()),
    ("propensity", pa.float64()),
    ("kind", pa.string()),
    ("is_seasonal", pa.bool_()),
    ("n_current", pa.int64()),
    ("n_reference", pa.int64()),
]
_DECIDED = [("score", pa.float64()), ("threshold", pa.float64())]
_ENVELOPE = [
    ("position", pa.int64()),
    ("event_id", pa.string()),
    ("source", pa.string()),
    ("time", pa.float64()),
]
_WINDOW = [*_ENVELOPE, ("feature", pa.string()), ("window_size", pa.int64())]
_VOTES = pa.schema(
    [
        *_ENVELOPE,
        ("execution_id", pa.string()),
        ("feature", pa.string()),
        ("was_real", pa.bool_()),
        ("origin", pa.string()),
        ("reason", pa.string()),
        ("business_impact", pa.string()),
        *_EXECUTION,
    ]
)
_RECORDED = pa.schema(
    [
        ("position", pa.int64()),
        ("time", pa.float64()),
        ("execution_id", pa.string()),
        ("feature", pa.string()),
        *_EXECUTION,
        *_DECIDED,
    ]
)
VOTES = ("drift.validation", "drift.false_positive", "drift.detection_delay")
_MEASURES = ("statistic", "p_value", "own_q90", "own_max", "own_mean", "own_sd")
_SCORES = pa.schema(
    [("execution_id", pa.string()), ("test", pa.string()), *((name, pa.float64()) for name in _MEASURES)]
)
_DELAYS = pa.schema([*_WINDOW, ("data_velocity", pa.float64()), ("delay_hours", pa.float64())])
_NOISE = pa.schema([*_WINDOW, ("false_alarms_per_day", pa.float64()), ("data_velocity", pa.float64())])
_PERFORMANCE = pa.schema(
    [
        *_WINDOW,
        ("computation_time_ms", pa.float64()),
        ("memory_usage_mb", pa.float64()),
        ("timeout_occurred", pa.bool_()),
    ]
)


def answer(window: Window, *, log_prefix: str) -> Summaries:
    """Summarise a part of the log."""
    tables = window.tables
    executions, delayed = tables("execution.recorded"), tables("drift.detection_delay")
    cast_votes = _votes.ballots(tables("drift.validation"), tables("drift.false_positive"), delayed)
    counts, newest_time = count_events(tables)

    def ask(expression: ir.Table, schema: pa.Schema, *needed: str) -> pa.Table:
        if not tables.has(*needed):  # an answer about nothing takes as long to compile as any other
            return schema.empty_table()
        return tables.engine.run(expression).select(schema.names).cast(schema).combine_chunks()

    denominators = tables.engine.run(_counts.denominators(cast_votes, executions)).to_pylist()[0]
    return Summaries(
        log_position=tables.until,
        first_page=window.first_page,
        beginning=window.beginning,
        has_begun=window.has_begun,
        log_prefix=log_prefix,
        newest_time=newest_time,
        counts=counts,
        executions=denominators,
        votes=ask(_votes.votes(cast_votes, executions), _VOTES, *VOTES),
        recorded=ask(_votes.recorded(executions), _RECORDED, EXECUTION),
        scores=ask(_votes.scores(executions, tables(SCORES)), _SCORES, SCORES),
        delays=ask(_windows.delays(delayed), _DELAYS, "drift.detection_delay"),
        noise=ask(
            _windows.noise(tables("drift.noise_issue"), delayed, executions), _NOISE, "drift.noise_issue"
        ),
        performance=ask(
            _windows.performance(tables("monitoring.performance")), _PERFORMANCE, "monitoring.performance"
        ),
        feedback={
            name: ask(tables(name).order_by("position"), arrow_schema(name), name)
            for name in sorted(counts)
            if name != EXECUTION
        },
    )
