"""The inbox: executions that people are asked to label and that have no label yet.

The inbox follows the log as it grows. A person's label is converted into the event that records it.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from poet.events import DetectionDelay, Event, ExecutionRecorded, FalsePositive, Validation, make
from poet.log import FeedbackLog

LOOK_BACK: Final = 200_000  # log positions read at the start; older executions are not listed
REMEMBERED: Final = 10_000  # executions, labeled or not; the oldest are dropped first
REASONS: Final = ("seasonal_pattern", "deployment", "data_quality", "known_event", "too_small_to_matter")


class InboxItem(NamedTuple):
    """An execution without a label: an alert, or a randomly audited non-alert."""

    position: int
    execution_id: str
    policy: str
    version: int
    feature: str
    drifted: bool
    time: float


class Inbox:
    """The unlabeled executions of a log; any thread may call `refresh` to read new events."""

    def __init__(self, log: FeedbackLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._position = max(0, log.position() - LOOK_BACK)
        self._unlabeled: OrderedDict[str, InboxItem] = OrderedDict()
        self._labeled: OrderedDict[str, None] = OrderedDict()
        self._reasons: Counter[str] = Counter()

    def refresh(self) -> None:
        """Read the events since the last call."""
        with self._lock:
            for stored in self._log.read(after=self._position):
                self._update(stored.position, stored.event)
                self._position = stored.position

    def all(self) -> list[InboxItem]:
        """Return the unlabeled executions, newest first."""
        with self._lock:
            return list(reversed(self._unlabeled.values()))

    def reasons(self, count: int = 5) -> tuple[str, ...]:
        """Return the most frequent reasons for false alarms, completed with common ones."""
        with self._lock:
            given = [reason for reason, _ in self._reasons.most_common(count)]
        return tuple(dict.fromkeys((*given, *REASONS)))[:count]

    def _update(self, position: int, event: Event) -> None:
        data = event.data
        if isinstance(data, ExecutionRecorded):
            if (data.drifted or data.audit) and data.execution_id not in self._labeled:
                self._unlabeled[data.execution_id] = InboxItem(
                    position,
                    data.execution_id,
                    data.policy,
                    data.version,
                    data.feature,
                    data.drifted,
                    event.time,
                )
                _drop_oldest(self._unlabeled)
        elif isinstance(data, Validation | FalsePositive | DetectionDelay) and data.execution_id:
            self._unlabeled.pop(data.execution_id, None)
            self._labeled[data.execution_id] = None
            _drop_oldest(self._labeled)
            if isinstance(data, FalsePositive) and data.reason and len(data.reason) <= 40:
                self._reasons[data.reason] += 1


def _drop_oldest(remembered: OrderedDict[str, InboxItem] | OrderedDict[str, None]) -> None:
    while len(remembered) > REMEMBERED:
        remembered.popitem(last=False)


def label_event(
    execution_id: str,
    *,
    was_real: bool,
    who: str,
    now: Callable[[], float],
    reason: str = "",
    feature: str = "",
    identity: str | None = None,
) -> Event:
    """Build the event of a label: a validation, or a false positive if it has a reason.

    Raises
    ------
    EventError
        The execution has no id, or a text is not valid Unicode.
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
