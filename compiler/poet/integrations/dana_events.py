"""Events from a Dana program: ``dana_events.emit("drift.validation", {…})``.

Dana imports Python modules by name; see docs/dana.md. Nothing here imports Dana, so the same two functions
serve any Python program.
"""

import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from poet_runtime.errors import EventError

if TYPE_CHECKING:
    from poet.workspace.workspace import Workspace


_VARIABLE: Final = "POET_WORKSPACE"
_opening = threading.Lock()
_opened: "Workspace | None" = None


def workspace(path: str | Path | None = None) -> "Workspace":
    """Give the workspace that events go to; with a path, the one in that folder from now on.

    Without a path ever given it is the one that the variable ``POET_WORKSPACE`` names, else the one in
    the current folder.

    Raises
    ------
    WorkspaceError
        There is none.
    """
    global _opened  # noqa: PLW0603 -- a Dana module has functions, no object to keep it in
    from poet.workspace.workspace import Workspace  # noqa: PLC0415 -- importing the module must not load the compiler

    with _opening:
        if path is not None or _opened is None:
            folder = os.environ.get(_VARIABLE) or "." if path is None else str(_plain(path))
            found = Workspace.open(folder)
            if _opened is not None:
                _opened.close()
            _opened = found
        return _opened


def emit(type: str, payload: Any, *, source: str | None = None) -> str:  # noqa: A002 -- CloudEvents' own word
    """Append one event, and give its id once it is on disk.

    `payload` is a dictionary or a struct; what Dana still computes is waited for.

    Raises
    ------
    EventError
        The event was refused: says the field, what was expected and what came.
    WorkspaceError
        There is no workspace.
    """
    name, data = _plain(type), _plain(payload)
    if not isinstance(name, str):
        raise EventError(event="new event", path="type", expected="a text", got=repr(name)[:80])
    if not isinstance(data, dict):
        raise EventError(event=name, path="data", expected="a dictionary or a struct", got=f"{data!r:.80}")
    return workspace().emit(name, data, source=source, durable=True).id


def _plain(value: Any) -> Any:
    """Give dictionaries and lists of what a Dana program holds: promises kept, structs taken apart."""
    dana = sys.modules.get("dana.core.concurrency")
    if dana is not None:  # a Dana function's answer is a promise, which only Dana can tell from its value
        value = dana.resolve_if_promise(value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(map(_plain, value), key=repr)  # the same event however the set was filled
    if hasattr(type(value), "struct_type"):
        return _plain(value.to_dict())
    return value
