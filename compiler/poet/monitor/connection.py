"""The connection of one process to one workspace, shared by its decorated functions and agents.

The module also validates the options of `@poet` at decoration, before anything runs.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from poet.monitor.feedback import Inbox
from poet.monitor.learner import Learner
from poet.spec import domains
from poet_runtime.background import call_after_fork_in_child
from poet_runtime.errors import MonitorError, needs_compiler

if TYPE_CHECKING:
    from poet.workspace.workspace import Workspace


_log = logging.getLogger("poet.monitor")


class Connection:
    """A workspace with its inbox and its learner, open until its last holder releases it."""

    def __init__(self, workspace: "Workspace", *, is_ours: bool) -> None:
        self.workspace = workspace
        self.holders = 0
        self._is_ours = is_ours
        self._failure_handlers: tuple[Callable[[Exception], None], ...] = ()
        self.inbox = Inbox(workspace, on_failure=self._failed)
        self.learner = Learner(workspace, on_failure=self._failed)

    def on_failure(self, handler: Callable[[Exception], None]) -> None:
        """Register a handler that is called with every background failure."""
        self._failure_handlers = (*self._failure_handlers, handler)

    def forget(self, handler: Callable[[Exception], None]) -> None:
        """Remove a failure handler."""
        self._failure_handlers = tuple(each for each in self._failure_handlers if each != handler)

    def _failed(self, error: Exception) -> None:
        _log.error("%s", error)
        for handler in self._failure_handlers:
            handler(error)

    def release(self) -> None:
        """Release one hold. The last release closes everything, but only closes a workspace opened here."""
        with _lock:
            self.holders -= 1
            if self.holders:
                return
            for key in [key for key, each in _open.items() if each is self]:
                del _open[key]
        self.inbox.close()
        self.learner.close()
        if self._is_ours:
            self.workspace.close()

    def follow_feedback(self, threshold: int | None) -> None:
        """Learn after `threshold` feedback events since the last compile; None uses poet.toml's value."""
        configured = self.workspace.configuration.learn.learning_threshold
        self.learner.follow(configured if threshold is None else threshold)

    def active(self, policy: str) -> int:
        """Return the number of the active version."""
        return self.workspace.registry.active(policy)


_open: dict[Path | int, Connection] = {}  # by folder if opened here, else by the id of the workspace
_lock = threading.RLock()


def connect(workspace: "Workspace | str | Path | None") -> Connection:
    """Return the process's connection to a workspace; the caller holds it until `release`.

    Raises
    ------
    WorkspaceError
        There is no workspace in this folder.
    CompilerMissingError
        Only the base install is present.
    """
    with needs_compiler():
        from poet.workspace.workspace import Workspace  # noqa: PLC0415 -- importing a decorator must not load it

    with _lock:
        if isinstance(workspace, Workspace):
            key: Path | int = id(workspace)
            found = _open.get(key) or Connection(workspace, is_ours=False)
        else:
            key = Path(workspace or ".").resolve()
            found = _open.get(key) or Connection(Workspace.open(key), is_ours=True)
        _open[key] = found
        found.holders += 1
        return found


def _in_child() -> None:
    global _lock  # noqa: PLW0603 -- another thread of the parent may have held it
    _lock = threading.RLock()


call_after_fork_in_child(_in_child)


Learning = Literal["continuous", "manual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a function or an agent learns."""

    domain: str = "ml_monitoring"
    learning: Learning = "continuous"
    learning_threshold: int | None = None  # None: the value in the workspace's poet.toml
    workspace: "Workspace | str | Path | None" = None  # None: the current folder


def checked(
    *,
    domain: str,
    learning: str,
    learning_threshold: int | None,
    workspace: "Workspace | str | Path | None",
    unknown: dict[str, object],
) -> Options:
    """Return the validated options of a decorator.

    Raises
    ------
    MonitorError
        A keyword, domain or learning mode is unknown, or the threshold is not a positive number of events.
    """
    if unknown:
        known = "domain, learning, learning_threshold, workspace, policy"
        raise MonitorError(f"@poet got unknown options {', '.join(sorted(unknown))}; known are {known}")
    if domain not in domains():
        raise MonitorError(f"unknown domain {domain!r}; known are {', '.join(domains())}")
    mode = next((each for each in get_args(Learning) if each == learning), None)
    if mode is None:
        raise MonitorError(f"unknown learning mode {learning!r}; known are {', '.join(get_args(Learning))}")
    number = learning_threshold
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
        raise MonitorError(f"learning_threshold is {number!r}; use a number of events, at least 1")
    return Options(domain=domain, learning=mode, learning_threshold=number, workspace=workspace)
