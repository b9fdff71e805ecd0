"""Whose turn it is to learn, and up to where the last one read.

Learning is one process's at a time: whoever holds `TURN` compiles, the others wait until what they want
learned is covered, and take up the new versions from the registry.

Where the last compile stopped stands in a file beside the log it read. Manifests cannot tell: a compile
that changes nothing publishes nothing, and those that came with a checkout speak of another machine's log.
A file that is lost, or that belongs to a log since replaced, costs one compile too many and no event.
"""

from pathlib import Path
from typing import Final

import msgspec

from poet.events import TELEMETRY
from poet.log import FeedbackLog
from poet_runtime.errors import LogError
from poet_runtime.files import JsonDocument, atomic_write, to_json

TURN: Final = Path("feedback_log") / "learning.lock"
WATCH: Final = Path("feedback_log") / "watch.lock"
STATE: Final = Path("feedback_log") / "learned.json"
PATIENCE: Final = 5  # looks at a log that does not stand still


class _State(msgspec.Struct, frozen=True, kw_only=True):
    log_position: int
    refused: str = ""  # why the compile up to there published nothing: it would be refused again
    format: int = 1


_DOCUMENT: Final = JsonDocument(
    type=_State,
    name="a compile's checkpoint",
    next_step="delete it; one more compile follows",
    error=LogError,
)


def learned_until(workspace: Path, newest: int) -> int:
    """Give the log position up to which the last compile read; `newest` is the log's own.

    0 when nobody knows.
    """
    position = _state(workspace).log_position
    return position if position <= newest else 0


def was_refused(workspace: Path) -> str:
    """Say why the last compile published nothing; empty when it was not refused."""
    return _state(workspace).refused


def remember(workspace: Path, log_position: int, *, refused: str = "") -> None:
    """Write down up to where a compile read."""
    atomic_write(workspace / STATE, to_json(_State(log_position=log_position, refused=refused)))


def _state(workspace: Path) -> _State:
    path = workspace / STATE
    try:
        return _DOCUMENT.read_if_exists(path) or _State(log_position=0)
    except LogError:
        return _State(log_position=0)


class NewFeedback:
    """How many feedback events came since the last compile; a look costs the same however long the log is."""

    def __init__(self, workspace: Path, log: FeedbackLog) -> None:
        self._workspace = workspace
        self._log = log
        self._since = -1
        self._before = 0  # feedback events up to there

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
        total, looks = self._feedback(after=0), 1
        while True:
            since, again = self._feedback(after=position), self._feedback(after=0)
            if again == total or looks == PATIENCE:
                # if something arrived between the counts it counts twice: a compile comes early, never late
                return total - since
            total, looks = again, looks + 1

    def _feedback(self, *, after: int) -> int:
        counts = self._log.count_by_type(after=after)
        return sum(count for type_, count in counts.items() if type_ not in TELEMETRY)
