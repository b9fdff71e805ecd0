"""Summaries: what learners see of the log.

Ask an engine everything that `Summaries` holds.

The digest of a log prefix, from the segments: the same chain as the feedback log's own.
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
from poet.summaries.epochs import Window, count_events
from poet.summaries.segments import Index, read_consistently, read_index
from poet_runtime.errors import SummaryError

if TYPE_CHECKING:
    from pathlib import Path

    from poet.summaries.engines import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Summaries:
    """What the log says up to `log_position`, in tables ordered by log position.

    It begins with page `first_page`, counted from 1: a page is 65 536 log positions, and of a long log the
    newest are read, so that learning costs what is new. `beginning` is the number of that page among all at
    which learners may begin: 1 is the start of the log, 2 where they first began elsewhere. `has_begun` is
    false where the log does not tell of that first time yet.

    `votes`: one row per vote on an execution (``position, event_id, source, time, execution_id, feature,
    was_real, origin, reason, business_impact``, then ``policy_version, drifted, audit, propensity, kind,
    is_seasonal, n_current, n_reference`` of the execution, null where it was never recorded).
    `recorded`: one row per execution (``position, time, execution_id, feature``, then as above, then
    ``score, threshold``).
    `scores`: one row per execution and test (``execution_id, test, statistic, p_value, own_q90, own_max,
    own_mean, own_sd``). `delays`, `noise`, `performance`: one row per event; the velocity of a
    noise issue is the median of its feature, in points per hour, null when unknown.
    `feedback`: one table per type of feedback, and ``alert.raised``; read them with `events`.
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
    first_page: int = 1
    beginning: int = 1
    has_begun: bool = True

    def events(self, type_: str) -> pa.Table:
        """Give every event of one type of feedback, in the columns of its segment.

        The envelope (``position, event_id, source, time, subject``), then the payload; `context` is canonical
        JSON, null where none was given. Executions are told of by the other tables.

        Raises
        ------
        SummaryError
            There is no such type of feedback.
        """
        from poet.summaries.columns import EXECUTION, arrow_schema  # noqa: PLC0415 -- see `summarise`

        known = [name for name in sorted(PAYLOADS) if name != EXECUTION]
        if type_ not in known:
            raise SummaryError(f"no feedback of type {type_!r} is kept for learners; ask for one of {known}")
        return self.feedback.get(type_, arrow_schema(type_).empty_table())


def summarise(folder: Path, *, engine: Engine | None = None, until: int | None = None) -> Summaries:
    """Summarise what is sealed in a folder, up to log position `until` (default: all of it).

    Of a long log the newest pages are read: the last whole one and the open one after it, and earlier ones
    until they hold 4096 events of feedback.

    Raises
    ------
    SummaryError
        Nothing was sealed here, or not as far as `until`; or no installed package knows a type in it.
    """
    # pyarrow, ibis and DuckDB take a second to import; a command that learns nothing must not wait for them
    from poet.summaries.backends import DuckDBEngine  # noqa: PLC0415
    from poet.summaries.engines import Bounded  # noqa: PLC0415
    from poet.summaries.epochs import window_of  # noqa: PLC0415

    def read() -> Summaries:
        index = sealed_index(folder, until)
        _require_known(index, folder)
        with nullcontext(engine) if engine else DuckDBEngine(folder) as used:
            position = index.position if until is None else until
            is_whole = position == index.position
            prefix = index.prefix if is_whole else prefix_digest(Bounded(used, position))
            return answer(window_of(used, position), log_prefix=prefix)

    return read_consistently(folder, read, has_own_engine=engine is not None)


def sealed_index(folder: Path, until: int | None) -> Index:
    """Give the index, which must reach as far as `until`."""
    index = read_index(folder)
    if index is None:
        raise SummaryError(f"nothing is sealed in {folder}: call poet.summaries.seal(log, folder) first")
    if until is not None and not 0 <= until <= index.position:
        raise SummaryError(
            f"until={until} is outside the {index.position} log positions sealed in {folder}; "
            "seal the log, or ask for less"
        )
    return index


def _require_known(index: Index, folder: Path) -> None:
    """Refuse to summarise a part of the log as if it were the whole."""
    if unknown := [name for name in index.tables if name != SCORES and name not in PAYLOADS]:
        raise SummaryError(
            f"{folder} holds events of type {', '.join(unknown)}, which no installed package brings; "
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
_MEASURES: Final = ("statistic", "p_value", "own_q90", "own_max", "own_mean", "own_sd")
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


def answer(window: Window, *, log_prefix: str) -> Summaries:
    """Summarise a part of the log."""
    tables = window.tables
    executions, delayed = tables("execution.recorded"), tables("drift.detection_delay")
    cast_votes = labels.ballots(tables("drift.validation"), tables("drift.false_positive"), delayed)
    counts, newest_time = count_events(tables)

    def ask(expression: ir.Table, schema: pa.Schema, *needed: str) -> pa.Table:
        if not tables.has(*needed):  # an answer about nothing takes as long to compile as any other
            return schema.empty_table()
        return tables.engine.run(expression).select(schema.names).cast(schema).combine_chunks()

    denominators = tables.engine.run(labels.denominators(cast_votes, executions)).to_pylist()[0]
    return Summaries(
        log_position=tables.until,
        first_page=window.first_page,
        beginning=window.beginning,
        has_begun=window.has_begun,
        log_prefix=log_prefix,
        newest_time=newest_time,
        counts=counts,
        executions=denominators,
        votes=ask(labels.votes(cast_votes, executions), _VOTES, *VOTES),
        recorded=ask(labels.recorded(executions), _RECORDED, EXECUTION),
        scores=ask(labels.scores(executions, tables(SCORES)), _SCORES, SCORES),
        delays=ask(labels.delays(delayed), _DELAYS, "drift.detection_delay"),
        noise=ask(
            labels.noise(tables("drift.noise_issue"), delayed, executions), _NOISE, "drift.noise_issue"
        ),
        performance=ask(
            labels.performance(tables("monitoring.performance")), _PERFORMANCE, "monitoring.performance"
        ),
        feedback={
            name: ask(tables(name).order_by("position"), arrow_schema(name), name)
            for name in sorted(counts)
            if name != EXECUTION
        },
    )


def prefix_digest(tables: Bounded) -> str:
    """Chain source and id of every event up to the bound; see `poet.log.FeedbackLog.prefix_digest`."""
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
