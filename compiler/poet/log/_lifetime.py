"""What ends or doubles a process: its exit, and a fork.

Before a fork every open log comes to rest and closes its connections (SQLite forbids to carry one across,
and an inherited descriptor would share the parent's file lock). Parent and child open their own later.
"""

import atexit
import os
import sys
import threading
import weakref
from contextlib import ExitStack
from typing import Protocol

__all__ = ["close_at_end_of_worker", "register"]


class _Log(Protocol):
    def hold(self) -> None: ...
    def go_on(self) -> None: ...
    def begin_anew(self) -> None: ...
    def close(self) -> None: ...


_OPEN: "weakref.WeakSet[_Log]" = weakref.WeakSet()
_FORKING = threading.Lock()  # two forks at once would wait for each other's logs
_HELD: list[_Log] = []


def register(log: _Log) -> None:
    """Close this log when the process ends, and bring it through forks."""
    _OPEN.add(log)


def _close_all() -> None:
    with ExitStack() as closing:  # one that fails does not keep the others from closing
        for log in list(_OPEN):
            closing.callback(log.close)


def close_at_end_of_worker() -> None:
    """Close at the end of a process of `multiprocessing`, which ends past `atexit`."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        multiprocessing.util.Finalize(None, _close_all, exitpriority=100)


def _before_fork() -> None:
    _FORKING.acquire()
    _HELD.extend(_OPEN)
    for log in _HELD:
        log.hold()


def _in_parent() -> None:
    for log in _HELD:
        log.go_on()
    _HELD.clear()
    _FORKING.release()


def _in_child() -> None:
    for log in _HELD:
        log.begin_anew()
    _HELD.clear()
    _FORKING.release()


atexit.register(_close_all)
os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
