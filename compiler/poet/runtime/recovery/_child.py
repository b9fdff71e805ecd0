"""Run a function in a child process that ends at a deadline, whatever the function does.

A thread cannot be stopped and a signal is handled only between two byte codes, on the main thread. So the
function runs in a fork: it sees the caller's memory as it is, without a copy, and is ended with SIGKILL,
together with every process it started. Only the thread that calls goes on in the child; a lock that some
other thread held at that moment stays locked there. Such a child hangs, and ends at the deadline.
"""

import ctypes
import os
import pickle
import selectors
import signal
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["CAN_FORK", "Died", "NotInTimeError", "in_child"]

CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"  # macOS frameworks do not survive a fork
_LENGTH = struct.Struct("!Q")
_CHUNK = 1 << 20
_DIE_WITH_PARENT, _ADOPT_ORPHANS = 1, 36  # prctl(2)


class NotInTimeError(Exception):
    """The child was ended at its deadline."""


class Died(Exception):  # noqa: N818 -- a process did
    """The child ended without an answer, by this signal (0: it left by itself)."""

    def __init__(self, number: int) -> None:
        self.number = number
        by = signal.Signals(number).name if number else "leaving"
        super().__init__(f"the monitor's process died of {by}")


def in_child(work: Callable[[], Any], seconds: float) -> Any:
    """Call `work` in a child and give what it returns, which must be picklable.

    Raises
    ------
    NotInTimeError
        It did not come back within `seconds`.
    Died
        The child died.
    Exception
        Whatever `work` raised; one that cannot be pickled comes as a RuntimeError with its text.
    """
    end = time.monotonic() + seconds
    reading, writing = os.pipe()
    try:
        child = _fork(work, reading, writing)
    finally:
        os.close(writing)
    try:
        answer = _answer(reading, end)
    finally:
        os.close(reading)
        status = _ended(child)
    if answer is None:
        raise Died(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
    is_result, value = pickle.loads(answer)  # noqa: S301 -- our own child wrote it
    if is_result:
        return value
    raise value


def _fork(work: Callable[[], Any], reading: int, writing: int) -> int:
    parent = os.getpid()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads: see above
        child = os.fork()
    if child:
        return child
    try:  # nothing but `os._exit` may leave this block
        os.close(reading)
        os.setsid()
        _bind_to(parent)
        _tell(writing, work)
    finally:
        os._exit(0)


def _bind_to(parent: int) -> None:
    """Die with the parent, and adopt what descendants leave behind, so that it is found and ended."""
    if sys.platform.startswith("linux"):
        prctl = ctypes.CDLL(None).prctl
        prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(0)


def _tell(writing: int, work: Callable[[], Any]) -> None:
    try:
        answer = pickle.dumps((True, work()))
    except BaseException as error:  # noqa: BLE001 -- whatever it is, the parent is told
        answer = _pickled(error)
    view = memoryview(_LENGTH.pack(len(answer)) + answer)
    while view:
        view = view[os.write(writing, view[:_CHUNK]) :]


def _pickled(error: BaseException) -> bytes:
    try:
        answer = pickle.dumps((False, error))
        pickle.loads(answer)  # noqa: S301 -- some exceptions pickle and cannot be made again
    except Exception:  # noqa: BLE001
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    return answer


def _answer(reading: int, end: float) -> bytes | None:
    """Read one answer; None when the pipe closes before it is whole.

    Its length comes first: a process that the work left running would keep the pipe open.
    """
    received = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(reading, selectors.EVENT_READ)
        while len(received) < _LENGTH.size or len(received) < _LENGTH.size + _LENGTH.unpack_from(received)[0]:
            left = end - time.monotonic()
            if left <= 0.0:
                raise NotInTimeError
            if not selector.select(left):
                continue
            part = os.read(reading, _CHUNK)
            if not part:
                return None
            received += part
    return bytes(received[_LENGTH.size :])


def _ended(child: int) -> int:
    """End the child with all its descendants and wait for it."""
    status: int | None = None
    gone, found = os.waitpid(child, os.WNOHANG)
    if gone:
        status = found
    else:
        for descendant in _descendants(child):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(descendant, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    if status is None:
        _, status = os.waitpid(child, 0)
    return status


def _descendants(parent: int) -> Iterator[int]:
    """Give the processes under one, by what /proc says; nothing where there is none."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            told = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            children.setdefault(int(told[1]), []).append(int(entry.parent.name))
    waiting = list(children.get(parent, ()))
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(children.get(found, ()))
