"""Summaries: the part of the log that learners read, as tables.

`query_summaries` computes all fields of `Summaries` with an engine. `prefix_digest` computes the digest of a
log prefix from the segments; it is the same chain as the digest of the feedback log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from poet.events import PAYLOADS
from poet.summaries import labels
from poet.summaries.columns import EXECUTION, SCORES, arrow_schema
from poet.summaries.engines import Bounded
from poet.summaries.epochs import LogWindow, count_events
from poet.summaries.segments import Index, read_consistently, read_index
from poet_runtime.errors import SummaryError

if TYPE_CHECKING:
    from pathlib import Path

    from poet.summaries.engines import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Summaries:
    """The content of the log up to `log_position`, in tables ordered by log position.

    The tables start with epoch `first_epoch`, counted from 1. An epoch is 65 536 log positions. Of a long
    log, only the newest epochs are read, so that the cost of learning depends on what is new. `epoch_index`
    counts the possible starts: 1 is the start of the log, 2 the first later epoch at which learners started,
    3 the epoch after that, and so on. `is_start_recorded` is false while the log has no record of the first
    later start.

    `votes`: one row per vote on an execution (``position, event_id, source, time, execution_id, feature,
    was_real, origin, reason, business_impact``, then ``policy_version, drifted, audit, propensity, kind,
    is_seasonal, n_current, n_reference`` of the execution, null where it was never recorded).
    `recorded`: one row per execution (``position, time, execution_id, feature``, then as above, then
    ``score, threshold``).
    `scores`: one row per execution and test (``execution_id, test, statistic, p_value, null_q90, null_max,
    null_mean, null_sd``). `delays`, `noise`, `performance`: one row per event; the velocity of a
    noise issue is the median of its feature, in points per hour, null when unknown.
    `feedback`: one table per feedback type, and ``alert.raised``; `events` returns them.
    `executions`: the denominators. Each execution counts once in ``recorded, drifted, silent, audited,
    voted, voted_drifted, voted_silent, voted_audited``; ``recordings`` counts repeats as well; ``votes``
    and ``votes_on_recorded`` count votes.
    """

    log_position: int
    log_prefix: str
    newest_time: float  # seconds since 1970, UTC; 0 without events
    counts: dict[str, int]  # events per type
    executions: dict[str, int]
    votes: pa.Table
    recorded: pa.Table
    scores: pa.Table
    delays: pa.Table
    noise: pa.Table
    performance: pa.Table
    feedback: Mapping[str, pa.Table] = field(default_factory=dict)
    first_epoch: int = 1
    epoch_index: int = 1
    is_start_recorded: bool = True

    def events(self, type_: str) -> pa.Table:
        """Return every event of one feedback type, in the columns of its segment.

        The columns are the envelope (``position, event_id, source, time, subject``) and the payload;
        `context` is canonical JSON, or null if missing. Executions are in the other tables.

        Raises
        ------
        SummaryError
            There is no such feedback type.
        """
        from poet.summaries.columns import EXECUTION, arrow_schema  # noqa: PLC0415 -- see `summarise`

        known = [name for name in sorted(PAYLOADS) if name != EXECUTION]
        if type_ not in known:
            raise SummaryError(f"learners have no feedback of type {type_!r}; use one of {known}")
        return self.feedback.get(type_, arrow_schema(type_).empty_table())


def summarise(folder: Path, *, engine: Engine | None = None, until: int | None = None) -> Summaries:
    """Return the summaries of the sealed events in a folder, up to log position `until` (default: all).

    Of a long log only the newest epochs are read: the last complete epoch, the open epoch after it, and
    earlier epochs until they contain 4096 feedback events.

    Raises
    ------
    SummaryError
        Nothing is sealed in the folder, or not as far as `until`; or no installed package knows one of its
        event types.
    """
    # pyarrow, ibis and DuckDB take a second to import; a command that does not learn must not wait for them
    from poet.summaries.backends import DuckDBEngine  # noqa: PLC0415
    from poet.summaries.engines import Bounded  # noqa: PLC0415
    from poet.summaries.epochs import log_window  # noqa: PLC0415

    def read() -> Summaries:
        index = sealed_index(folder, until)
        _require_known(index, folder)
        with nullcontext(engine) if engine else DuckDBEngine(folder) as used:
            position = index.position if until is None else until
            is_whole = position == index.position
            prefix = index.prefix if is_whole else prefix_digest(Bounded(used, position))
            return query_summaries(log_window(used, position), log_prefix=prefix)

    return read_consistently(folder, read, has_own_engine=engine is not None)


def sealed_index(folder: Path, until: int | None) -> Index:
    """Return the index; raise `SummaryError` if it is missing or does not reach `until`."""
    index = read_index(folder)
    if index is None:
        raise SummaryError(f"nothing is sealed in {folder}; call poet.summaries.seal(log, folder) first")
    if until is not None and not 0 <= until <= index.position:
        raise SummaryError(
            f"until={until} is outside the {index.position} log positions sealed in {folder}; "
            "seal the log, or use a smaller position"
        )
    return index


def _require_known(index: Index, folder: Path) -> None:
    """Raise `SummaryError` for unknown event types: summaries without them would pass for complete."""
    if unknown := [name for name in index.tables if name != SCORES and name not in PAYLOADS]:
        raise SummaryError(
            f"{folder} holds events of type {', '.join(unknown)}, which no installed package provides; "
            "install the package again"
        )


_EXECUTION: Final = [
    ("policy_version", pa.int64()),
    ("drifted", pa.bool_()),
    ("audit", pa.bool_()),
    ("propensity", pa.float64()),
    ("kind", pa.string()),
    ("is_seasonal", pa.bool_()),
    ("n_current", pa.int64()),
    ("n_reference", pa.int64()),
]
_DECIDED: Final = [("score", pa.float64()), ("threshold", pa.float64())]
_ENVELOPE: Final = [
    ("position", pa.int64()),
    ("event_id", pa.string()),
    ("source", pa.string()),
    ("time", pa.float64()),
]
_WINDOW: Final = [*_ENVELOPE, ("feature", pa.string()), ("window_size", pa.int64())]
_VOTES: Final = pa.schema(
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
_RECORDED: Final = pa.schema(
    [
        ("position", pa.int64()),
        ("time", pa.float64()),
        ("execution_id", pa.string()),
        ("feature", pa.string()),
        *_EXECUTION,
        *_DECIDED,
    ]
)
VOTES: Final = ("drift.validation", "drift.false_positive", "drift.detection_delay")
_MEASURES: Final = ("statistic", "p_value", "null_q90", "null_max", "null_mean", "null_sd")
_SCORES: Final = pa.schema(
    [("execution_id", pa.string()), ("test", pa.string()), *((name, pa.float64()) for name in _MEASURES)]
)
_DELAYS: Final = pa.schema([*_WINDOW, ("data_velocity", pa.float64()), ("delay_hours", pa.float64())])
_NOISE: Final = pa.schema([*_WINDOW, ("false_alarms_per_day", pa.float64()), ("data_velocity", pa.float64())])
_PERFORMANCE: Final = pa.schema(
    [
        *_WINDOW,
        ("computation_time_ms", pa.float64()),
        ("memory_usage_mb", pa.float64()),
        ("timeout_occurred", pa.bool_()),
    ]
)


def query_summaries(window: LogWindow, *, log_prefix: str) -> Summaries:
    """Return the summaries of a part of the log."""
    tables = window.tables
    executions, delayed = tables("execution.recorded"), tables("drift.detection_delay")
    cast_votes = labels.all_votes(tables("drift.validation"), tables("drift.false_positive"), delayed)
    counts, newest_time = count_events(tables)

    def run(expression: ir.Table, schema: pa.Schema, *needed: str) -> pa.Table:
        if not tables.has(*needed):  # a query over empty tables takes as long to compile as any other
            return schema.empty_table()
        return tables.engine.run(expression).select(schema.names).cast(schema).combine_chunks()

    denominators = tables.engine.run(labels.denominators(cast_votes, executions)).to_pylist()[0]
    return Summaries(
        log_position=tables.until,
        first_epoch=window.first_epoch,
        epoch_index=window.epoch_index,
        is_start_recorded=window.is_start_recorded,
        log_prefix=log_prefix,
        newest_time=newest_time,
        counts=counts,
        executions=denominators,
        votes=run(labels.votes(cast_votes, executions), _VOTES, *VOTES),
        recorded=run(labels.recorded(executions), _RECORDED, EXECUTION),
        scores=run(labels.scores(executions, tables(SCORES)), _SCORES, SCORES),
        delays=run(labels.delays(delayed), _DELAYS, "drift.detection_delay"),
        noise=run(
            labels.noise(tables("drift.noise_issue"), delayed, executions), _NOISE, "drift.noise_issue"
        ),
        performance=run(
            labels.performance(tables("monitoring.performance")), _PERFORMANCE, "monitoring.performance"
        ),
        feedback={
            name: run(tables(name).order_by("position"), arrow_schema(name), name)
            for name in sorted(counts)
            if name != EXECUTION
        },
    )


def prefix_digest(tables: Bounded) -> str:
    """Return the digest chain over source and id of every event; see `FeedbackLog.prefix_digest`."""
    digest = hashlib.sha256(b"").digest()
    names = tables.sealed(PAYLOADS)
    if not names:
        return digest.hex()
    listed = [tables(name).select("position", "source", "event_id") for name in names]
    rows = tables.engine.run(ibis.union(*listed).order_by("position"))
    for source, identity in zip(rows["source"].to_pylist(), rows["event_id"].to_pylist(), strict=True):
        link = hashlib.sha256(source.encode()).digest() + hashlib.sha256(identity.encode()).digest()
        digest = hashlib.sha256(digest + link).digest()
    return digest.hex()
