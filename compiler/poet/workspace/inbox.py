"""Which executions a person was asked about and nobody has answered, kept up with the log as it grows.

What a person says of an execution, as the event that says so.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from poet.events import DetectionDelay, Event, ExecutionRecorded, FalsePositive, Validation, make
from poet.log import FeedbackLog

LOOK_BACK: Final = 200_000  # log positions read when it starts: what is older is no longer asked about
REMEMBERED: Final = 10_000  # executions, waiting or answered, the oldest forgotten first
REASONS: Final = ("seasonal_pattern", "deployment", "data_quality", "known_event", "too_small_to_matter")


class Asked(NamedTuple):
    """An execution that waits: an alert, or a silence picked at random."""

    position: int
    execution_id: str
    policy: str
    version: int
    feature: str
    drifted: bool
    time: float


class Waiting:
    """The open questions of a log; `refresh` reads what is new, from any thread."""

    def __init__(self, log: FeedbackLog) -> None:
        self._log = log
        self._reading = threading.Lock()
        self._upto = max(0, log.position() - LOOK_BACK)
        self._asked: OrderedDict[str, Asked] = OrderedDict()
        self._answered: OrderedDict[str, None] = OrderedDict()
        self._reasons: Counter[str] = Counter()

    def refresh(self) -> None:
        """Read what came since the last time."""
        with self._reading:
            for stored in self._log.read(after=self._upto):
                self._take(stored.position, stored.event)
                self._upto = stored.position

    def all(self) -> list[Asked]:
        """Give what waits, newest first."""
        with self._reading:
            return list(reversed(self._asked.values()))

    def reasons(self, count: int = 5) -> tuple[str, ...]:
        """Give the reasons for false alarms that people give most, filled up with common ones."""
        with self._reading:
            given = [reason for reason, _ in self._reasons.most_common(count)]
        return tuple(dict.fromkeys((*given, *REASONS)))[:count]

    def _take(self, position: int, event: Event) -> None:
        data = event.data
        if isinstance(data, ExecutionRecorded):
            if (data.drifted or data.audit) and data.execution_id not in self._answered:
                self._asked[data.execution_id] = Asked(
                    position,
                    data.execution_id,
                    data.policy,
                    data.version,
                    data.feature,
                    data.drifted,
                    event.time,
                )
                _forget(self._asked)
        elif isinstance(data, Validation | FalsePositive | DetectionDelay) and data.execution_id:
            self._asked.pop(data.execution_id, None)
            self._answered[data.execution_id] = None
            _forget(self._answered)
            if isinstance(data, FalsePositive) and data.reason and len(data.reason) <= 40:
                self._reasons[data.reason] += 1


def _forget(remembered: OrderedDict[str, Asked] | OrderedDict[str, None]) -> None:
    while len(remembered) > REMEMBERED:
        remembered.popitem(last=False)


def verdict(
    execution_id: str,
    *,
    was_real: bool,
    who: str,
    now: Callable[[], float],
    reason: str = "",
    feature: str = "",
    identity: str | None = None,
) -> Event:
    """Make the event: a validation, or a false positive where a reason is given for one.

    Raises
    ------
    EventError
        The execution has no name, or a text is no Unicode.
    """
    if reason and not was_real:
        data: dict[str, object] = {"execution_id": execution_id, "reason": reason}
        return make("drift.false_positive", data, source=who, id=identity, now=now)
    data = {"execution_id": execution_id, "was_real_drift": was_real}
    if feature:
        data["feature"] = feature
    if reason:
        data["root_cause"] = reason
    return make("drift.validation", data, source=who, id=identity, now=now)
