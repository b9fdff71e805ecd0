"""Statements: events as learners read them, bursts capped."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

__all__ = ["Spoken", "Statement", "statements", "voices", "weighted_median", "weighty_sources"]

_HOUR = 3600.0
_WEIGHTY = 8  # who says less than an eighth cannot carry a rule alone


class Placed(Protocol):
    """Whatever has a speaker and a place in the log."""

    @property
    def position(self) -> int:
        """The log position."""
        ...

    @property
    def source(self) -> str:
        """Who said it."""
        ...


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a learner reads out of an event begins with who said it, when, and in which event."""

    event_id: str
    source: str
    time: float  # seconds


@dataclass(frozen=True, slots=True)
class Statement:
    """One event: who said what when, and under which circumstances."""

    position: int
    event_id: str
    source: str
    time: float  # seconds
    subject: str  # the model it is about, or ""
    data: Mapping[str, Any]  # the payload's typed columns, None where nothing was said
    context: Mapping[str, Any]  # scalars

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    @property
    def setting(self) -> tuple[tuple[str, str], ...]:
        """The circumstances that have a name: texts and truth values, sorted."""
        named = ((key, value) for key, value in self.context.items() if isinstance(value, str | bool))
        return tuple(sorted((key, str(value)) for key, value in named))


def statements(table: pa.Table, *, burst_limit: int) -> tuple[list[Statement], int]:
    """Give the rows of an event table by position, and how many were set aside.

    Of one source at most `burst_limit` events count in one clock hour of event time.
    """
    rows = sorted(table.to_pylist(), key=lambda row: row["position"])
    taken: Counter[tuple[str, int]] = Counter()
    found: list[Statement] = []
    for row in rows:
        hour = (row["source"], int(row["time"] // _HOUR))
        taken[hour] += 1
        if taken[hour] <= burst_limit:
            found.append(_statement(row))
    return found, len(rows) - len(found)


def _statement(row: dict[str, Any]) -> Statement:
    context = row.get("context")
    return Statement(
        position=row["position"],
        event_id=row["event_id"],
        source=row["source"],
        time=row["time"],
        subject=row.get("subject") or "",
        data=row,
        context=msgspec.json.decode(context) if isinstance(context, str) else {},
    )


def weighty_sources(*said: Sequence[Statement]) -> list[str]:
    """Give the sources that say enough somewhere to carry a rule alone: an eighth of one kind of event."""
    weighty: set[str] = set()
    for kind in said:
        spoken = Counter(each.source for each in kind)
        weighty |= {source for source, n in spoken.items() if n * _WEIGHTY >= len(kind)}
    return sorted(weighty)


def voices(*said: Sequence[Placed]) -> list[str]:
    """Give all sources in the order in which they first spoke."""
    first: dict[str, int] = {}
    for each in (each for kind in said for each in kind):
        first[each.source] = min(first.get(each.source, each.position), each.position)
    return sorted(first, key=lambda source: (first[source], source))


def weighted_median(values: ArrayLike, weights: Iterable[float]) -> float:
    """Give the lowest value at which half of the weight is reached; NaN without values."""
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        return float("nan")
    order = np.argsort(x, kind="stable")
    shares = np.cumsum(np.asarray(list(weights), dtype=np.float64)[order])
    return float(x[order][np.searchsorted(shares, shares[-1] / 2.0)])
