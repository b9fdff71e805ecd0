"""Feedback on runs: their size, duration and failures, and the recoveries that helped."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from poet.learning.feedback_rows import FeedbackRow, Observation, round_down

SIZES: Final = tuple(step * 10**decade for decade in range(7) for step in (1, 2, 5))  # rows
_KINDS: Final = (
    ("timeout", ("timeout", "timed_out", "deadline", "hang")),
    ("memory", ("memory", "oom")),
    ("crash", ("crash", "segfault", "signal", "killed", "abort")),
    ("value", ("value", "type", "zero", "nan", "invalid", "arithmetic", "schema")),
    ("io", ("io_", "ioerror", "connection", "network", "disk", "file")),
)
_STRATEGIES: Final = (
    ("sampled", ("sampl",)),
    ("sparse", ("sparse", "imput")),
    ("by_feature", ("feature", "column", "partial")),
    ("retry", ("retry", "retri")),
)
_MISSING: Final = ("sparse", "missing", "null", "empty")
_SAMPLE_ROWS: Final = ("sample_rows", "sample_size", "target_size")


@dataclass(frozen=True, slots=True)
class Run(Observation):
    """A run of a monitor: rows, features (0: unknown), seconds (None: not completed), and any failure."""

    rows: int
    features: int
    computation: str
    seconds: float | None
    has_failed: bool  # due to time or memory, which may depend on size

    @property
    def size(self) -> int:
        """The largest size of the grid that is at most `rows`."""
        return round_down(self.rows)


@dataclass(frozen=True, slots=True)
class Recovery(Observation):
    """A recovery that was tried after an error."""

    error: str
    strategy: str
    value: float  # of the result, from 0 (no result) to 1 (as good as a full run)
    loss: float | None
    sample_rows: int | None


@dataclass(frozen=True, slots=True)
class Crash(Observation):
    """The share of missing values of a feature, and whether the monitor crashed on it."""

    missing_share: float
    has_crashed: bool


def runs(performance: Sequence[FeedbackRow], errors: Sequence[FeedbackRow]) -> list[Run]:
    """Return the runs of ``monitoring.performance`` and the errors of time and memory, by position.

    Errors count only if their source also reports runs: a source that logs only failures does not tell which
    sizes succeed.
    """
    reporting = {each.source for each in performance}
    found = [(each.position, _performed(each)) for each in performance if each["window_size"]]
    found += [
        (each.position, _failed(each))
        for each in errors
        if each.source in reporting
        and each["data_size"]
        and error_kind(each["error_type"]) in ("timeout", "memory")
    ]
    return [run for _, run in sorted(found, key=lambda pair: pair[0])]


def _performed(each: FeedbackRow) -> Run:
    count = each.context.get("feature_count")
    return Run(
        event_id=each.event_id,
        source=each.source,
        time=each.time,
        rows=each["window_size"],
        features=int(count) if isinstance(count, int | float) and count >= 1 else 0,
        computation=str(each.context.get("computation") or ""),
        seconds=each["computation_time_ms"] / 1000.0,
        has_failed=bool(each["timeout_occurred"]),
    )


def _failed(each: FeedbackRow) -> Run:
    return Run(
        event_id=each.event_id,
        source=each.source,
        time=each.time,
        rows=each["data_size"],
        features=each["feature_count"] or 0,
        computation=each["computation"] or "",
        seconds=None,
        has_failed=True,
    )


def recoveries(tried: Iterable[FeedbackRow], errors: Iterable[FeedbackRow]) -> Iterator[Recovery]:
    """Yield the recoveries of ``error.recovery`` with the kind of their error; "other" if it is unknown."""
    kinds = {each["error_id"]: error_kind(each["error_type"]) for each in errors if each["error_id"]}
    for each in tried:
        strategy = strategy_of(each["recovery_strategy"])
        if strategy is None:
            continue
        loss = each["quality_loss"]
        yield Recovery(
            event_id=each.event_id,
            source=each.source,
            time=each.time,
            error=kinds.get(each["error_id"], "other"),
            strategy=strategy,
            value=(1.0 - (loss or 0.0)) if each["success"] else 0.0,
            loss=loss if each["success"] else None,
            sample_rows=_sample_rows(each.context),
        )


def crashes(issues: Iterable[FeedbackRow]) -> Iterator[Crash]:
    """Yield the reports of missing values in ``data.quality_issue``."""
    for each in issues:
        if each["percent_missing"] is not None and _has_any(each["issue_type"], _MISSING):
            yield Crash(
                each.event_id, each.source, each.time, each["percent_missing"] / 100.0, each["caused_crash"]
            )


def error_kind(text: str) -> str:
    """Return the kind of an error described in free text; "other" if no keyword matches."""
    return next((kind for kind, words in _KINDS if _has_any(text, words)), "other")


def strategy_of(text: str) -> str | None:
    """Return the strategy described in free text; None if no keyword matches."""
    return next((name for name, words in _STRATEGIES if _has_any(text, words)), None)


def _has_any(text: str, words: Iterable[str]) -> bool:
    plain = text.lower().replace(" ", "_").replace("-", "_")
    return any(word in plain for word in words)


def _sample_rows(context: Mapping[str, object]) -> int | None:
    for name in _SAMPLE_ROWS:
        value = context.get(name)
        if isinstance(value, int | float) and value >= 1:
            return int(value)
    return None
