"""Calls in a separate process, which return in time and leave no processes behind.

There are three processes. The caller forks a *keeper*, the keeper forks a *worker*, and the worker makes the
call and sends the answer to the caller through a pipe. The keeper runs none of the monitor's code. It waits
until the worker ends or the caller closes the *leash* (a pipe that also breaks when the caller dies). Then it
kills all processes that the worker started. On Linux the keeper is the worker's subreaper (prctl(2)):
processes that left the worker's process group, or were orphaned on purpose, become the keeper's children and
are killed too.

Fork from a program with several threads: in the worker only the calling thread continues, and a lock that
another thread held stays locked. numpy's BLAS and the interpreter reset their locks. A monitor that needs
another such lock hangs until the deadline ends it. Not all macOS libraries survive a fork, so there such a
monitor may crash, which is reported as a crash. Changes in memory are made in the worker's copy; only the
return value reaches the caller. Connections and open files are shared with the caller, and the two processes
must not use them at the same time. Starting takes two forks, which is a few milliseconds, or more if the
caller uses a lot of memory.

A child process sends one of three messages: a result (`Answer`), an error (`Fault`), or a request to end the
program. A fault has a kind for rules and a text for people.
"""

import contextlib
import ctypes
import errno
import io
import math
import os
import pickle
import select
import signal
import struct
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NoReturn

from poet_runtime.background import call_after_fork_in_child, forking_a_helper

KINDS: Final = ("timeout", "memory", "crash", "value", "io", "other")
STOPS: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)  # requests to end the program, not faults
_LONGEST: Final = 500  # characters of a text
_VALUE: Final = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, AssertionError)


@dataclass(frozen=True, slots=True)
class Fault:
    """The reason why there is no result."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a monitor."""

    results: Any


def kind_of(error: BaseException) -> str:
    """Return the kind of an error, one of `KINDS`."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return "memory"
    if isinstance(error, OSError | EOFError):
        return "io"
    return "value" if isinstance(error, _VALUE) else "other"


def told(error: BaseException) -> str:
    """Return a text for an error, even if its ``repr`` fails."""
    try:
        text = repr(error)
    except Exception:  # noqa: BLE001 -- a failing repr must not hide the error
        text = type(error).__name__
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def ended_by(status: int) -> Fault:
    """Return the fault of a process that ended without an answer, from its wait status.

    SIGKILL counts as lack of memory, because usually only the system's out-of-memory killer sends it.
    """
    if (number := status & 0x7F) == 0:
        return Fault("crash", f"the monitor's process ended with status {status >> 8} and no answer")
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if name == "SIGKILL":
        return Fault("memory", "the monitor's process was killed (SIGKILL), as happens when memory runs out")
    return Fault("crash", f"the monitor's process died of {name}")


_HEAD: Final = struct.Struct("=8sQ")
_MAGIC: Final = b"poet run"


def attempt(call: Callable[[], Any]) -> Answer | Fault:
    """Return the answer of a call, or a fault if it raises. Requests to end the program propagate."""
    try:
        return Answer(call())
    except STOPS:
        raise
    except BaseException as error:  # noqa: BLE001 -- a monitor may raise anything
        return Fault(kind_of(error), told(error))


def written(call: Callable[[], Any]) -> bytes:
    """Return the outcome of a call as the bytes of a message."""
    found: Answer | Fault | _Stop
    try:
        found = attempt(call)
    except STOPS as stop:
        found = _Stop(stop)
    try:
        body = _pickled(found)
    except STOPS:
        raise
    except BaseException as error:  # noqa: BLE001 -- pickling a result may raise anything
        text = f"the monitor's result cannot be pickled: {told(error)}; return plain data instead"
        body = _pickled(Fault(kind_of(error), text))
    return _HEAD.pack(_MAGIC, len(body)) + body


class Inbox:
    """Buffer for the bytes of one message."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._size = _HEAD.size

    def add(self, chunk: bytes) -> bool:
        """Add more bytes, and return whether the message is complete."""
        self._bytes += chunk
        if self._size == _HEAD.size and len(self._bytes) >= _HEAD.size:
            magic, length = _HEAD.unpack_from(self._bytes)
            self._size += length if magic == _MAGIC else 0
        return len(self._bytes) >= self._size

    def read(self) -> Answer | Fault:
        """Return the answer or the fault in the message.

        Raises
        ------
        KeyboardInterrupt, SystemExit, GeneratorExit
            The monitor raised it.
        """
        if not self._bytes.startswith(_MAGIC):
            return Fault("crash", "the monitor overwrote its own answer")
        body = memoryview(self._bytes)[_HEAD.size : self._size]
        found = attempt(lambda: pickle.loads(body))  # noqa: S301 -- our own child wrote it
        if isinstance(found, Fault):
            return Fault(found.kind, f"the result cannot be read outside the monitor's process: {found.text}")
        sent: Answer | Fault | _Stop = found.results
        if isinstance(sent, _Stop):
            raise sent.again()
        return sent


class _Stop:
    """A KeyboardInterrupt, SystemExit or GeneratorExit of a monitor."""

    def __init__(self, stop: BaseException) -> None:
        self._name = type(stop).__name__
        self._code = (stop.code,) if isinstance(stop, SystemExit) else ()

    def again(self) -> BaseException:
        """Return the exception as the monitor raised it."""
        return next(stop for stop in STOPS if stop.__name__ == self._name)(*self._code)


class _Pickler(pickle.Pickler):
    """Pickler that supports the read-only mappings in results of this package."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is MappingProxyType:
            return _read_only, (dict(obj),)
        return NotImplemented


def _read_only(held: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    """Return the read-only mapping; pickle cannot find its type by name."""
    return MappingProxyType(held)


def _pickled(found: object) -> bytes:
    body = io.BytesIO()
    _Pickler(body, protocol=pickle.HIGHEST_PROTOCOL).dump(found)
    return body.getvalue()


CAN_FORK: Final = hasattr(os, "fork") and sys.platform not in ("win32", "emscripten", "wasi")
_CHUNK: Final = 1 << 20  # bytes read at once
_TICK_MS: Final = 10  # between two checks of the worker
_LONGEST_MS: Final = 60_000  # of one wait
_GRACE_S: Final = 1.0  # for the keeper's cleanup, which takes milliseconds unless the kernel blocks a process
_WORD: Final = struct.Struct("=q")  # the worker's pid, then its wait status
_MOST_FILES: Final = 1 << 16
_DIE_WITH_PARENT, _ADOPT_ORPHANS = 1, 36  # prctl(2)
_PRCTL: Final = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None

_starting = threading.Lock()
_ours: set[int] = set()  # the pipe ends that belong to this process only


def _forget() -> None:
    """Reset the state in a forked child, which has no running call and not the thread that held the lock."""
    global _starting  # noqa: PLW0603 -- a lock that another thread held can only be replaced
    _starting = threading.Lock()
    while _ours:
        os.close(_ours.pop())


call_after_fork_in_child(_forget)


def call_apart(call: Callable[[], Any], *, seconds: float | None, late: str = "") -> Answer | Fault:
    """Make a call in another process and return its answer, or the fault if there is none.

    Parameters
    ----------
    call
        The function to call.
    seconds
        The time limit, after which the process is killed; None for no limit.
    late
        The text of the fault in that case.

    Raises
    ------
    KeyboardInterrupt, SystemExit, GeneratorExit
        The call raised it, or it was raised in this process while waiting; then the call is killed.
    """
    end = math.inf if seconds is None else time.monotonic() + seconds
    try:
        apart = _begin(call)
    except (OSError, RuntimeError) as error:  # no more processes, or the interpreter is shutting down
        return Fault(kind_of(error), f"no process could be started for the monitor: {told(error)}")
    try:
        found = apart.wait(end)
    finally:
        apart.end()
    if found is None:
        return Fault("timeout", late or f"it did not return within {seconds:g} s")
    return found if isinstance(found, Fault) else found.read()


@dataclass(slots=True)
class _Apart:
    """A running call, with the keeper and this process's ends of the three pipes."""

    keeper: int
    answers: int
    words: int
    leash: int
    heard: list[int] = field(default_factory=list)  # the worker's pid, then its wait status

    def wait(self, end: float) -> Inbox | Fault | None:
        """Wait for the answer, or for the worker to end without one. Returns None if the time is over."""
        inbox, poll = Inbox(), select.poll()
        poll.register(self.answers, select.POLLIN)
        poll.register(self.words, select.POLLIN)
        while (left := end - time.monotonic()) > 0.0:
            ready = [number for number, _ in poll.poll(math.ceil(min(left * 1000.0, _LONGEST_MS)))]
            if self.answers in ready:
                chunk = os.read(self.answers, _CHUNK)
                if inbox.add(chunk):
                    return inbox
                if not chunk:
                    poll.unregister(self.answers)
            elif self.words in ready and self._has_ended():
                return inbox if self._rest(inbox) else self._why()
        return None

    def _has_ended(self) -> bool:
        """Read the keeper's next message, and return whether the worker and its descendants are dead."""
        word = os.read(self.words, _WORD.size)
        self.heard += _WORD.unpack(word) if word else ()
        return not word or len(self.heard) == 2

    def _why(self) -> Fault:
        if len(self.heard) == 2:
            return ended_by(self.heard[1])
        if self.heard:  # the keeper itself was killed, probably for the same reason
            return ended_by(signal.SIGKILL)
        return Fault("memory", "no process could be started for the monitor")

    def _rest(self, inbox: Inbox) -> bool:
        """Read the rest of the worker's output, and return whether the message is complete."""
        poll = select.poll()
        poll.register(self.answers, select.POLLIN)
        while poll.poll(0) and (chunk := os.read(self.answers, _CHUNK)):
            if inbox.add(chunk):
                return True
        return False

    def end(self) -> None:
        """Kill and wait for all remaining processes."""
        try:
            _ours.discard(self.leash)
            os.close(self.leash)
            if not self._is_cleared():
                _kill(self.keeper)
                for worker in self.heard[:1]:
                    _kill_group(worker)
        finally:
            _ours.difference_update((self.answers, self.words))
            for number in (self.answers, self.words):
                os.close(number)
            with contextlib.suppress(ChildProcessError):  # if the program ignores SIGCHLD
                os.waitpid(self.keeper, 0)

    def _is_cleared(self) -> bool:
        """Wait for the keeper's last message, and return whether it arrived; none does if it was killed."""
        poll, end = select.poll(), time.monotonic() + _GRACE_S
        poll.register(self.words, select.POLLIN)
        while len(self.heard) < 2 and (left := end - time.monotonic()) > 0.0:
            if poll.poll(math.ceil(left * 1000.0)) and self._has_ended():
                break
        return len(self.heard) == 2


def _begin(call: Callable[[], Any]) -> _Apart:
    """Fork the keeper, which forks the worker.

    Signals are blocked between the fork and the point where the child is safe. Otherwise an interrupt raised
    in the child would make it continue with the caller's code.
    """
    _flush()  # otherwise each process would print the buffered output
    with _starting, contextlib.ExitStack() as undo:
        (answers, to_answers), (words, to_words), (held, leash) = (_pipe(undo) for _ in range(3))
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            _ours.update((answers, words, leash))
            keeper = _fork()
            if keeper == 0:
                _keep(call, to_answers, to_words, held, mask)
            undo.pop_all()
        except BaseException:
            _ours.difference_update((answers, words, leash))
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number in (to_answers, to_words, held):
            os.close(number)
    return _Apart(keeper, answers, words, leash)


def _pipe(undo: contextlib.ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for number in ends:
        undo.callback(os.close, number)
    return ends


def _fork() -> int:
    """Fork without the warning of newer interpreters about threads; see the module docstring."""
    warnings.filterwarnings(
        "ignore", message=r".*use of fork\(\)", category=DeprecationWarning, module=rf"{__name__}\Z"
    )
    with forking_a_helper():
        return os.fork()


def _keep(call: Callable[[], Any], answers: int, words: int, leash: int, mask: set[Any]) -> NoReturn:
    """Run the keeper: start the worker, wait and clean up. Signals are blocked, so only SIGKILL ends it."""
    try:
        _leave()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if _PRCTL is not None:
            _PRCTL(_ADOPT_ORPHANS, 1, 0, 0, 0)
        worker = os.fork()  # if it fails, the caller gets no message, which reports the failure
        if worker == 0:
            _ours.update((words, leash))
            _work(call, answers, mask)
        os.write(words, _WORD.pack(worker))
        _close_all_but(words, leash)
        status = _status(worker, leash)
        _clear(worker, is_dead=status is not None)
        os.write(words, _WORD.pack(status or 0))
    finally:
        os._exit(0)


def _status(worker: int, leash: int) -> int | None:
    """Wait for the worker to end and return its status; None if the leash is closed before."""
    poll = select.poll()
    poll.register(leash, select.POLLIN)
    while not poll.poll(_TICK_MS):
        pid, status = os.waitpid(worker, os.WNOHANG)
        if pid:
            return status
    return None


def _clear(worker: int, *, is_dead: bool) -> None:
    """Kill the worker, its group, and all processes orphaned by that, until none is left."""
    _kill_group(worker)
    if not is_dead:
        _kill(worker)  # it may not have its own group yet
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in _children():
                _kill(pid)
            os.waitpid(-1, 0)


def _children() -> list[int]:
    """Return the children of this process, which has one thread."""
    try:
        number = os.open("/proc/thread-self/children", os.O_RDONLY)
    except OSError:  # no /proc, so processes that left the group cannot be found
        return []
    pids = os.read(number, _CHUNK).split()
    os.close(number)
    return [int(pid) for pid in pids]


def _work(call: Callable[[], Any], answers: int, mask: set[Any]) -> NoReturn:
    """Run the worker: make the call and send its outcome."""
    try:
        own = os.getpid()
        if _PRCTL is not None:
            _PRCTL(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        _leave()
        _forget()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        message = memoryview(written(call))
        _flush()
        while message and os.getpid() == own:  # a process forked by the monitor ends here and sends nothing
            message = message[os.write(answers, message) :]
    finally:
        os._exit(0)


def _leave() -> None:
    """Start a new session and process group, and stop passing signals to the caller's event loop."""
    os.setsid()
    signal.set_wakeup_fd(-1)


def _close_all_but(*kept: int) -> None:
    """Close the caller's files; otherwise a pipe or connection that the caller closes would stay open."""
    least = 3
    for number in sorted(kept):
        os.closerange(least, number)
        least = number + 1
    os.closerange(least, min(os.sysconf("SC_OPEN_MAX"), _MOST_FILES))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or none
            stream.flush()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _kill_group(leader: int) -> None:
    with contextlib.suppress(
        ProcessLookupError, PermissionError
    ):  # macOS refuses to signal a group of dead processes
        os.killpg(leader, signal.SIGKILL)
