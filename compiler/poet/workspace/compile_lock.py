"""The compile lock of a workspace, and the log position up to which the last compile read.

One process learns at a time: the holder of `LOCK_FILE` compiles. The others wait until the feedback that they
want learned is covered, and read the new versions from the registry.

The position where the last compile stopped is stored in a file next to the log it read. Manifests cannot
provide it: a compile that changes nothing publishes nothing, and the manifests of a checkout refer to
another machine's log. A lost file, or one of a log since replaced, costs one redundant compile and no event.
"""

from pathlib import Path
from typing import Final

import msgspec

from poet.events import TELEMETRY
from poet.log import FeedbackLog
from poet_runtime.errors import LogError
from poet_runtime.files import JsonDocument, atomic_write, to_json

LOCK_FILE: Final = Path("feedback_log") / "learning.lock"
WATCH_LOCK_FILE: Final = Path("feedback_log") / "watch.lock"
CHECKPOINT_FILE: Final = Path("feedback_log") / "learned.json"
MOST_COUNTS: Final = 5  # counts of a log that keeps growing


class _Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    log_position: int
    refused: str = ""  # why that compile published nothing: it would be refused again
    format: int = 1


_DOCUMENT: Final = JsonDocument(
    type=_Checkpoint,
    name="a compile's checkpoint",
    next_step="delete it; this costs one more compile",
    error=LogError,
)


def learned_until(workspace: Path, newest: int) -> int:
    """Return the log position up to which the last compile read; 0 if unknown.

    `newest` is the position of the log itself.
    """
    position = _checkpoint(workspace).log_position
    return position if position <= newest else 0


def last_refusal(workspace: Path) -> str:
    """Return why the last compile published nothing; empty if it was not refused."""
    return _checkpoint(workspace).refused


def save_checkpoint(workspace: Path, log_position: int, *, refused: str = "") -> None:
    """Store the log position up to which a compile read."""
    atomic_write(
        workspace / CHECKPOINT_FILE, to_json(_Checkpoint(log_position=log_position, refused=refused))
    )


def _checkpoint(workspace: Path) -> _Checkpoint:
    path = workspace / CHECKPOINT_FILE
    try:
        return _DOCUMENT.read_if_exists(path) or _Checkpoint(log_position=0)
    except LogError:
        return _Checkpoint(log_position=0)


class NewFeedback:
    """A counter of the feedback events since the last compile; its cost does not grow with the log."""

    def __init__(self, workspace: Path, log: FeedbackLog) -> None:
        self._workspace = workspace
        self._log = log
        self._since = -1
        self._before = 0  # feedback events up to that position

    def count(self) -> int:
        """Count the durable events that are not telemetry."""
        since = learned_until(self._workspace, self._log.position())
        total = self._feedback(after=0)
        if since != self._since or total < self._before:
            self._since, self._before = since, self._feedback_before(since)
        return total - self._before

    def _feedback_before(self, position: int) -> int:
        if position == 0:
            return 0
        total, counts = self._feedback(after=0), 1
        while True:
            since, again = self._feedback(after=position), self._feedback(after=0)
            if again == total or counts == MOST_COUNTS:
                # an event that arrives between the counts counts twice: a compile is early, never late
                return total - since
            total, counts = again, counts + 1

    def _feedback(self, *, after: int) -> int:
        by_type = self._log.count_by_type(after=after)
        return sum(count for type_, count in by_type.items() if type_ not in TELEMETRY)
