"""Feedback rows for learners: events as rows, the burst limit, sources and round sizes."""

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, cast

import msgspec
import pyarrow as pa

_HOUR: Final = 3600.0
_DOMINANT: Final = 8  # a source with less than an eighth of the rows cannot carry a rule alone


class Positioned(Protocol):
    """A row with a source and a position in the log."""

    @property
    def position(self) -> int:
        """The position in the log."""
        ...

    @property
    def source(self) -> str:
        """The event's source."""
        ...


class Sourced(Protocol):
    """A row with a source."""

    @property
    def source(self) -> str:
        """The event's source."""
        ...


S = TypeVar("S", bound=Sourced)
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Observation:
    """The first fields of every record that a learner reads from an event."""

    event_id: str
    source: str
    time: float  # seconds


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """One event: its envelope, payload and context."""

    position: int
    event_id: str
    source: str
    time: float  # seconds
    subject: str  # the model it concerns, or ""
    data: Mapping[str, Any]  # the payload's typed columns, None where a field is absent
    context: Mapping[str, Any]  # scalars

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    @property
    def setting(self) -> tuple[tuple[str, str], ...]:
        """The categorical part of the context: strings and booleans, sorted by key."""
        named = ((key, value) for key, value in self.context.items() if isinstance(value, str | bool))
        return tuple(sorted((key, str(value)) for key, value in named))


def cap_bursts(
    rows: Iterable[dict[str, Any]], burst_limit: int
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the rows within the burst limit, and the number of excluded rows by source.

    At most `burst_limit` rows of one source count per clock hour of event time: the first ones in the given
    order.
    """
    seen: Counter[tuple[str, int]] = Counter()
    counted: list[dict[str, Any]] = []
    excluded_by_source: Counter[str] = Counter()
    for row in rows:
        hour = (row["source"], int(row["time"] // _HOUR))
        seen[hour] += 1
        if seen[hour] <= burst_limit:
            counted.append(row)
        else:
            excluded_by_source[row["source"]] += 1
    return counted, dict(sorted(excluded_by_source.items()))


def feedback_rows(table: pa.Table, *, burst_limit: int) -> tuple[list[FeedbackRow], int]:
    """Return the rows of an event table by position, and the number that the burst limit excluded."""
    rows = sorted(table.to_pylist(), key=lambda row: row["position"])
    counted, _ = cap_bursts(rows, burst_limit)
    return [_feedback_row(row) for row in counted], len(rows) - len(counted)


def _feedback_row(row: dict[str, Any]) -> FeedbackRow:
    context = row.get("context")
    return FeedbackRow(
        position=row["position"],
        event_id=row["event_id"],
        source=row["source"],
        time=row["time"],
        subject=row.get("subject") or "",
        data=row,
        context=msgspec.json.decode(context) if isinstance(context, str) else {},
    )


def dominant_sources(*tables: Sequence[Sourced]) -> list[str]:
    """Return the sources with at least an eighth of a table's rows: enough to carry a rule alone."""
    dominant: set[str] = set()
    for rows in tables:
        counts = Counter(row.source for row in rows)
        dominant |= {source for source, n in counts.items() if n * _DOMINANT >= len(rows)}
    return sorted(dominant)


def sources_by_first_event(*tables: Sequence[Positioned]) -> list[str]:
    """Return all sources, ordered by their first event."""
    first: dict[str, int] = {}
    for row in (row for rows in tables for row in rows):
        first[row.source] = min(first.get(row.source, row.position), row.position)
    return sorted(first, key=lambda source: (first[source], source))


def rows_excluding(rows: Iterable[S], sources: Collection[str]) -> list[S]:
    """Return the rows of all other sources."""
    return [row for row in rows if row.source not in sources]


def excluding(tables: E, sources: Iterable[str]) -> E:
    """Return a dataclass of row sequences without the rows of these sources."""
    excluded = frozenset(sources)
    if not excluded:
        return tables
    kept = {
        field.name: rows_excluding(getattr(tables, field.name), excluded)
        for field in dataclasses.fields(cast("Any", tables))
    }
    return cast("E", dataclasses.replace(cast("Any", tables), **kept))


def round_down(size: int) -> int:
    """Return the largest size 1, 2 or 5 times a power of ten that is at most `size` (>= 1).

    Sizes lie on a fixed grid, so that no boundary is chosen by looking at outcomes.
    """
    return max(each for each in round_sizes(size) if each <= size)


def round_sizes(size: int) -> tuple[int, ...]:
    """Return the round sizes of the decade of `size` (>= 1), and the first of the next decade."""
    decade: int = 10 ** (len(str(size)) - 1)
    return decade, 2 * decade, 5 * decade, 10 * decade
