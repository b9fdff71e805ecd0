"""Append events from a Dana program: ``dana_events.emit("drift.validation", {…})``.

Dana imports Python modules by name; see docs/dana.md. This module does not import Dana, so the same two
functions work in any Python program.
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
    """Return the workspace that receives events; a `path` selects the one in that folder from now on.

    If no path was ever given, it is the workspace named by the variable ``POET_WORKSPACE``, or else the one
    in the current folder.

    Raises
    ------
    WorkspaceError
        The folder is not a workspace.
    """
    global _opened  # noqa: PLW0603 -- a Dana module consists of functions, without an object to store it
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
    """Append one event, and return its id when it is on disk.

    `payload` is a dictionary or a struct. Unresolved Dana promises in it are awaited.

    Raises
    ------
    EventError
        The event is invalid. The error names the field, the expected value and the value received.
    WorkspaceError
        The folder is not a workspace.
    """
    name, data = _plain(type), _plain(payload)
    if not isinstance(name, str):
        raise EventError(event="new event", path="type", expected="a text", got=repr(name)[:80])
    if not isinstance(data, dict):
        raise EventError(event=name, path="data", expected="a dictionary or a struct", got=f"{data!r:.80}")
    return workspace().emit(name, data, source=source, durable=True).id


def _plain(value: Any) -> Any:
    """Return a Dana value as dictionaries and lists, with promises resolved and structs unpacked."""
    dana = sys.modules.get("dana.core.concurrency")
    if dana is not None:  # Dana functions return promises, which only Dana can distinguish from values
        value = dana.resolve_if_promise(value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(map(_plain, value), key=repr)  # independent of the insertion order
    if hasattr(type(value), "struct_type"):
        return _plain(value.to_dict())
    return value
