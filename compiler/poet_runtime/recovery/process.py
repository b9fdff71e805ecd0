"""Runs a call in a process of its own, from which the caller comes back in time and nothing is left.

Three processes. The caller forks a *keeper*, the keeper forks a *worker*, the worker makes the call and
sends the answer home through a pipe. The keeper runs none of the monitor's code. It waits for the worker's
end, or for the caller to pull the *leash* (a pipe that also breaks when the caller dies), then kills all
that the worker started. On Linux it is the worker's subreaper (prctl(2)): what left the worker's process
group, or was orphaned on purpose, becomes the keeper's child and is killed as well.

Fork from a program with several threads: in the worker only the calling thread goes on, and a lock that
another thread held stays held. numpy's BLAS and the interpreter reset theirs; a monitor that needs another
such lock hangs, and the deadline ends it (libraries of macOS do not all survive a fork: there such a monitor
may crash, which is told as a crash). What a monitor changes in memory it changes in its copy: only what it
returns comes home. Connections and open files are shared with the caller and must not be used by both at a
time. Starting takes two forks: some milliseconds, more where the caller's memory is large.

What a child process sends home: a result, a fault, or the wish to end the program.

What went wrong with a run, as a kind that a rule can speak of and a text that people can read.
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
STOPS: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)  # somebody wants the program to end: no fault
_LONGEST: Final = 500  # characters of a text
_VALUE: Final = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, AssertionError)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no result."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a monitor found."""

    results: Any


def kind_of(error: BaseException) -> str:
    """Give the kind of an error."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return "memory"
    if isinstance(error, OSError | EOFError):
        return "io"
    return "value" if isinstance(error, _VALUE) else "other"


def told(error: BaseException) -> str:
    """Write an error down, also one that cannot speak for itself."""
    try:
        text = repr(error)
    except Exception:  # noqa: BLE001 -- whatever its repr raises is no reason to lose the error
        text = type(error).__name__
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def ended_by(status: int) -> Fault:
    """Say how a process ended that gave no answer, by its wait status.

    Nobody but the system's guard of memory kills without a warning.
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
    """Call, and give what it raises as a fault; what asks the program to end is raised as it is."""
    try:
        return Answer(call())
    except STOPS:
        raise
    except BaseException as error:  # noqa: BLE001 -- a monitor may raise what it likes and not stop us
        return Fault(kind_of(error), told(error))


def written(call: Callable[[], Any]) -> bytes:
    """Call, and write down what came of it."""
    found: Answer | Fault | _Stop
    try:
        found = attempt(call)
    except STOPS as stop:
        found = _Stop(stop)
    try:
        body = _pickled(found)
    except STOPS:
        raise
    except BaseException as error:  # noqa: BLE001 -- a result may refuse in any way
        text = f"the result cannot leave the monitor's process: {told(error)}; give plain data instead"
        body = _pickled(Fault(kind_of(error), text))
    return _HEAD.pack(_MAGIC, len(body)) + body


class Inbox:
    """The bytes of one message as they come."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._size = _HEAD.size

    def add(self, chunk: bytes) -> bool:
        """Take more bytes, and tell whether the message is there."""
        self._bytes += chunk
        if self._size == _HEAD.size and len(self._bytes) >= _HEAD.size:
            magic, length = _HEAD.unpack_from(self._bytes)
            self._size += length if magic == _MAGIC else 0
        return len(self._bytes) >= self._size

    def read(self) -> Answer | Fault:
        """Give what came.

        Raises
        ------
        KeyboardInterrupt, SystemExit, GeneratorExit
            The monitor raised it.
        """
        if not self._bytes.startswith(_MAGIC):
            return Fault("crash", "the monitor wrote over its own answer")
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
        """Give it as it was raised there."""
        return next(stop for stop in STOPS if stop.__name__ == self._name)(*self._code)


class _Pickler(pickle.Pickler):
    """Pickles what results of this package hold: read-only mappings too."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is MappingProxyType:
            return _read_only, (dict(obj),)
        return NotImplemented


def _read_only(held: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    """Make the mapping again; its own type has no name that pickle could find."""
    return MappingProxyType(held)


def _pickled(found: object) -> bytes:
    body = io.BytesIO()
    _Pickler(body, protocol=pickle.HIGHEST_PROTOCOL).dump(found)
    return body.getvalue()


CAN_FORK: Final = hasattr(os, "fork") and sys.platform not in ("win32", "emscripten", "wasi")
_CHUNK: Final = 1 << 20  # bytes read at once
_TICK_MS: Final = 10  # between two looks after the worker
_LONGEST_MS: Final = 60_000  # of one wait
_GRACE_S: Final = 1.0  # for the keeper to clear up; it needs milliseconds, unless the kernel holds a process
_WORD: Final = struct.Struct("=q")  # the worker's pid, then its wait status
_MOST_FILES: Final = 1 << 16
_DIE_WITH_PARENT, _ADOPT_ORPHANS = 1, 36  # prctl(2)
_PRCTL: Final = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None

_starting = threading.Lock()
_ours: set[int] = set()  # the ends of pipes that belong to this process alone


def _forget() -> None:
    """Begin anew in a forked child: it has no call under way, and whoever held the lock is not there."""
    global _starting  # noqa: PLW0603 -- a lock that another thread held can only be replaced
    _starting = threading.Lock()
    while _ours:
        os.close(_ours.pop())


call_after_fork_in_child(_forget)


def call_apart(call: Callable[[], Any], *, seconds: float | None, late: str = "") -> Answer | Fault:
    """Make a call in another process and give its answer, or the fault for which there is none.

    `seconds` from now it is killed, whatever it does, and the fault says that it is `late`; None: it may
    take as long as it likes.

    Raises
    ------
    KeyboardInterrupt, SystemExit, GeneratorExit
        The call raised it, or it came to this process while waiting: the call is killed.
    """
    end = math.inf if seconds is None else time.monotonic() + seconds
    try:
        apart = _begin(call)
    except (OSError, RuntimeError) as error:  # no process to be had, or an interpreter that is ending
        return Fault(kind_of(error), f"no process could be started for the monitor: {told(error)}")
    try:
        found = apart.wait(end)
    finally:
        apart.end()
    if found is None:
        return Fault("timeout", late or f"it did not come back within {seconds:g} s")
    return found if isinstance(found, Fault) else found.read()


@dataclass(slots=True)
class _Apart:
    """A call under way: the keeper, and this process's ends of the three pipes."""

    keeper: int
    answers: int
    words: int
    leash: int
    heard: list[int] = field(default_factory=list)  # the worker's pid, then its wait status

    def wait(self, end: float) -> Inbox | Fault | None:
        """Wait until the answer is there, or the worker ended without one; None: time is over."""
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
        """Hear the next word of the keeper, and tell whether the worker and all of its kind are dead."""
        word = os.read(self.words, _WORD.size)
        self.heard += _WORD.unpack(word) if word else ()
        return not word or len(self.heard) == 2

    def _why(self) -> Fault:
        if len(self.heard) == 2:
            return ended_by(self.heard[1])
        if self.heard:  # the keeper itself was killed, and with a reason like that the worker might be
            return ended_by(signal.SIGKILL)
        return Fault("memory", "no process could be started for the monitor")

    def _rest(self, inbox: Inbox) -> bool:
        """Read what a worker wrote before it ended."""
        poll = select.poll()
        poll.register(self.answers, select.POLLIN)
        while poll.poll(0) and (chunk := os.read(self.answers, _CHUNK)):
            if inbox.add(chunk):
                return True
        return False

    def end(self) -> None:
        """Kill whatever still runs and wait for it, so that nothing is left."""
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
            with contextlib.suppress(ChildProcessError):  # where the program ignores SIGCHLD
                os.waitpid(self.keeper, 0)

    def _is_cleared(self) -> bool:
        """Wait for the keeper's last word; it falls silent when something killed it."""
        poll, end = select.poll(), time.monotonic() + _GRACE_S
        poll.register(self.words, select.POLLIN)
        while len(self.heard) < 2 and (left := end - time.monotonic()) > 0.0:
            if poll.poll(math.ceil(left * 1000.0)) and self._has_ended():
                break
        return len(self.heard) == 2


def _begin(call: Callable[[], Any]) -> _Apart:
    """Fork the keeper, who forks the worker.

    No signal is taken between a fork and the place where the child is safe: raised in it, an interrupt of
    the caller's would let the child go on in the caller's place.
    """
    _flush()  # or each process would print what waits
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
    """Fork without the warning about threads that newer interpreters give: this module says what holds."""
    warnings.filterwarnings(
        "ignore", message=r".*use of fork\(\)", category=DeprecationWarning, module=rf"{__name__}\Z"
    )
    with forking_a_helper():
        return os.fork()


def _keep(call: Callable[[], Any], answers: int, words: int, leash: int, mask: set[Any]) -> NoReturn:
    """Be the keeper: start the worker, wait, clear up. It takes no signals, so only SIGKILL ends it."""
    try:
        _leave()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if _PRCTL is not None:
            _PRCTL(_ADOPT_ORPHANS, 1, 0, 0, 0)
        worker = os.fork()  # where it fails the caller hears nothing, and knows by that
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
    """Wait for the worker's end and give its status; None when the leash is pulled before."""
    poll = select.poll()
    poll.register(leash, select.POLLIN)
    while not poll.poll(_TICK_MS):
        pid, status = os.waitpid(worker, os.WNOHANG)
        if pid:
            return status
    return None


def _clear(worker: int, *, is_dead: bool) -> None:
    """Kill the worker, its group, and whoever became an orphan by that, until there is nobody."""
    _kill_group(worker)
    if not is_dead:
        _kill(worker)  # it may have no group of its own yet
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in _children():
                _kill(pid)
            os.waitpid(-1, 0)


def _children() -> list[int]:
    """Give the children of this process, which has one thread."""
    try:
        number = os.open("/proc/thread-self/children", os.O_RDONLY)
    except OSError:  # no such file system: then what left the group is not ours either
        return []
    pids = os.read(number, _CHUNK).split()
    os.close(number)
    return [int(pid) for pid in pids]


def _work(call: Callable[[], Any], answers: int, mask: set[Any]) -> NoReturn:
    """Be the worker: make the call and send what came of it."""
    try:
        own = os.getpid()
        if _PRCTL is not None:
            _PRCTL(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        _leave()
        _forget()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        message = memoryview(written(call))
        _flush()
        while message and os.getpid() == own:  # a fork that the monitor made ends here and says nothing
            message = message[os.write(answers, message) :]
    finally:
        os._exit(0)


def _leave() -> None:
    """Go into a session and group of one's own; signals are no longer passed on to the caller's loop."""
    os.setsid()
    signal.set_wakeup_fd(-1)


def _close_all_but(*kept: int) -> None:
    """Hold no file of the caller's: a pipe or a connection that it closes would not end."""
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
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses a group of the dead
        os.killpg(leader, signal.SIGKILL)
