"""What is tried after a run that failed: the same again, or feature by feature."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from poet.runtime.recovery._faults import Answer, Fault
from poet.runtime.recovery._message import attempt
from poet.runtime.recovery._views import by_feature

__all__ = ["Tried", "listed", "once", "one_by_one"]

Call = Callable[[Any, float | None], Answer | Fault]  # data and seconds left
_LISTED = 10  # names in a warning


@dataclass(frozen=True, slots=True)
class Tried:
    """What was found, what there is to say of it, and which share of the features is not in it."""

    found: Answer | Fault
    notes: tuple[str, ...] = ()
    lost: float = 0.0


def once(call: Call, data: Any, left: float | None) -> Tried:
    """Run the monitor over all of the data."""
    return Tried(call(data, left))


def one_by_one(call: Call, data: Any, left: float | None) -> Tried:
    """Run the monitor feature by feature, and leave out those on which it fails.

    A feature may take an equal share of the time that is left.
    """
    end = None if left is None else time.monotonic() + left
    parts = attempt(lambda: list(by_feature(data)))
    if isinstance(parts, Fault):
        return Tried(parts)
    results: dict[str, Any] = {}
    faults: dict[str, Fault] = {}
    waiting = len(parts.results)
    for name, part in parts.results:
        found = call(part, None if end is None else (end - time.monotonic()) / waiting)
        waiting -= 1
        if isinstance(found, Fault):
            faults[name] = found
        else:
            results[name] = _own(found.results, name)
    if not results:
        return Tried(Fault(next(iter(faults.values())).kind, f"every feature failed: {_told(faults)}"))
    notes = (f"left out: {_told(faults)}",) if faults else ()
    return Tried(Answer(results), notes, lost=len(faults) / len(parts.results))


def listed(texts: Iterable[str]) -> str:
    """Give the first ten, and how many more there are."""
    held = list(texts)
    more = f" and {len(held) - _LISTED} more" if len(held) > _LISTED else ""
    return ", ".join(held[:_LISTED]) + more


def _told(faults: Mapping[str, Fault]) -> str:
    return listed(f"{name} ({fault.text})" for name, fault in faults.items())


def _own(results: Any, name: str) -> Any:
    """Give a feature's own result where a monitor answers by feature."""
    return results[name] if isinstance(results, Mapping) and name in results else results
