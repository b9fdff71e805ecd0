"""What any feedback log owes, whatever stores it."""

# pyright: reportReturnType=false
# the bodies of a protocol are its docstrings

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from poet.events import Event

__all__ = ["FeedbackLog", "StoredEvent"]


class StoredEvent(NamedTuple):
    """An event with its place in the log."""

    position: int
    event: Event


class FeedbackLog(Protocol):
    """An append-only log of events, one per (source, id).

    Positions grow and are never given twice. Whoever has read up to a position never finds a new event
    at or before it: a position is given inside its commit, and one commit ends before the next begins.
    """

    def append(self, events: Iterable[Event], *, durable: bool = False) -> None:
        """Take events; `durable` returns when they are on disk, else a kill may lose the last 50 ms.

        An event whose (source, id) the log holds already changes nothing.

        Raises
        ------
        LogError
            The log is closed, an event cannot be stored, or a commit failed: a durable one's own, else one
            of what was taken before. What was taken is kept and tried again; to emit it again is harmless.
        """

    def flush(self) -> None:
        """Return when everything taken so far is on disk; raises as `append`."""

    def close(self) -> None:
        """Flush and let go of the store; closing twice changes nothing."""

    def read(self, *, after: int = 0, until: int | None = None) -> Iterator[StoredEvent]:
        """Give the durable events in order, from the one after position `after` to `until`."""

    def position(self) -> int:
        """Give the position of the newest durable event; 0 when there is none."""

    def prefix_digest(self, position: int) -> str:
        """Give the sha256 chain over (source, id) of all events up to a position.

        With d(0) the digest of nothing, d(n) = sha256(d(n-1) · sha256(source) · sha256(id)), in hex. It does
        not depend on how events were grouped into commits.
        """

    def count_by_type(self, *, after: int = 0) -> dict[str, int]:
        """Count the durable events after a position, by type, sorted by type."""
