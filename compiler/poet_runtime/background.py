"""Background threads: started on demand, stopped within bounds, safe across forks and at exit.

This is the only module that registers with `os.register_at_fork` and `atexit`.

Fork: a forked child inherits the locks of threads that do not exist in it. Before a fork every worker comes
to rest between two steps, so that none is inside an import or holds a lock, and then runs its
`before_fork`. In the child every worker starts empty with `reset_after_fork`. A step that takes longer than
`FORK_S` (a callback of the program, for example) does not hold up the fork any longer.

Exit: while the interpreter ends, CPython before 3.14 ends a daemon thread with `pthread_exit` as soon as it
asks for the GIL. In a frame of C++ (pyarrow, DuckDB, scipy) this unwinding calls `std::terminate`: the
program prints "terminate called without an active exception" and aborts with status 134. So every worker is
stopped and joined before the interpreter ends. Together they have `EXIT_S` for what is pending.
"""

import atexit
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from math import inf
from typing import ClassVar, Final

FORK_S: Final = 5.0  # a fork waits this long for steps under way; an import on a busy machine takes seconds
EXIT_S: Final = 20.0  # all workers together, for what is pending when the program ends
LAST_STEP_S: Final = 5.0  # on top of it, for the step that is under way then

Reset = Callable[[], None]


class BackgroundWorker:
    """Base of every object with a background thread.

    A subclass implements `_run`, puts what must not be interrupted by a fork into ``with self._step()``, and
    overrides the hooks that it needs. Its `__init__` calls this one last, when the object is complete.
    """

    _thread_name: ClassVar[str] = "poet"
    _exit_order: ClassVar[int] = 0  # lower ones end first; what they write to ends after them

    def __init__(self) -> None:
        self._reset_thread()
        with _forking:
            _workers.add(self)

    def before_fork(self) -> None:
        """Hold every lock and close what must not be carried across a fork."""

    def after_fork_in_parent(self) -> None:
        """Undo `before_fork`."""

    def reset_after_fork(self) -> None:
        """Start empty in a forked child: the parent keeps what it took over."""

    def close_at_exit(self, deadline: float) -> None:
        """Finish what is pending until the deadline (of `time.monotonic`), when the process ends."""
        self._stop_thread(deadline)

    def _run(self) -> None:
        """Work until `_is_stopping`; this is what the thread runs."""
        raise NotImplementedError

    def _wake_thread(self) -> None:
        """End the wait of the thread."""
        self._woken.set()

    def _reset_thread(self) -> None:
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._stepping = threading.Lock()
        self._is_in_step = False  # written by the thread alone
        self._woken = threading.Event()
        self._is_stopping = False
        self._deadline = inf  # of a stop: then the thread ends after the step under way

    def _start_thread(self) -> bool:
        """Start the thread if there is none; return False where the process can start none any more."""
        with self._starting:
            if self._thread is not None:
                return True
            if _exiting.is_set():
                return False
            self._is_stopping, self._deadline = False, inf
            thread = threading.Thread(target=self._run, name=self._thread_name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is ending, or the system is out of threads
                return False
            self._thread = thread
        _close_at_end_of_worker_process()
        return True

    def _stop_thread(self, deadline: float = inf) -> bool:
        """Ask the thread to end and wait for it; return False if it was still busy after the deadline."""
        self._is_stopping, self._deadline = True, deadline
        self._wake_thread()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        left = self._time_left
        thread.join(None if left is None else left + LAST_STEP_S)
        if thread.is_alive():
            return False
        self._thread = None
        return True

    @property
    def _time_left(self) -> float | None:
        """Seconds until the deadline of a stop; None where there is none."""
        return None if self._deadline == inf else max(self._deadline - time.monotonic(), 0.0)

    @property
    def _is_late(self) -> bool:
        return self._deadline != inf and time.monotonic() >= self._deadline

    def _sleep(self, seconds: float | None) -> None:
        """Wait until woken, or for this long."""
        self._woken.wait(seconds)
        self._woken.clear()

    @contextmanager
    def _step(self) -> Iterator[None]:
        """Keep forks waiting while the thread is inside."""
        self._stepping.acquire()
        self._is_in_step = True
        try:
            yield
        finally:
            if self._is_in_step:  # not in a child that was forked inside the step
                self._is_in_step = False
                self._stepping.release()

    @contextmanager
    def _rest(self) -> Iterator[None]:
        """Let forks happen inside a step, for a callback of the program."""
        is_needed = self._is_in_step and self._thread is threading.current_thread()
        if is_needed:
            self._is_in_step = False
            self._stepping.release()
        try:
            yield
        finally:
            if is_needed and self._thread is threading.current_thread():
                self._stepping.acquire()
                self._is_in_step = True


_workers: Final["weakref.WeakSet[BackgroundWorker]"] = weakref.WeakSet()
_resets: Final[list[Reset]] = []
_held_locks: Final[list["threading.RLock"]] = []
_forking: Final = threading.RLock()  # two forks at once would wait for each other's workers
_resting: Final[list[BackgroundWorker]] = []  # between two steps, for the fork under way
_held: Final[list[BackgroundWorker]] = []
_exiting: Final = threading.Event()
_helper: Final = threading.Event()  # set in a short-lived child
_local: Final = threading.local()
_finalizers: Final[set[int]] = set()  # processes of `multiprocessing` that close their workers at their end


def call_after_fork_in_child(reset: Reset) -> None:
    """Register what every forked child calls first, before its workers are reset."""
    _resets.append(reset)


def hold_while_forking(lock: "threading.RLock") -> None:
    """Register a lock that every fork waits for. It is free again in the parent and in the child."""
    _held_locks.append(lock)


@contextmanager
def forking_a_helper() -> Iterator[None]:
    """Mark the children forked inside as short-lived: no worker starts in them on its own."""
    _local.is_forking_a_helper = True
    try:
        yield
    finally:
        _local.is_forking_a_helper = False


def is_helper() -> bool:
    """Return whether this process was forked by `forking_a_helper`, or by such a process."""
    return _helper.is_set()


def _before_fork() -> None:
    current = threading.current_thread()
    own = [each for each in list(_workers) if each._thread is current and each._is_in_step]  # noqa: SLF001
    for worker in own:  # another thread that forks may be waiting for this step
        worker._stepping.release()  # noqa: SLF001
    _forking.acquire()
    deadline = time.monotonic() + FORK_S
    workers = sorted(_workers, key=lambda each: each._exit_order)  # noqa: SLF001
    for worker in workers:
        if worker._stepping.acquire(timeout=max(deadline - time.monotonic(), 0.0)) and worker not in own:  # noqa: SLF001
            _resting.append(worker)
    for worker in workers:
        worker.before_fork()
        _held.append(worker)
    for lock in _held_locks:
        lock.acquire()


def _after_fork_in_parent() -> None:
    for lock in reversed(_held_locks):
        lock.release()
    for worker in reversed(_held):
        worker.after_fork_in_parent()
    for worker in _resting:
        worker._stepping.release()  # noqa: SLF001
    _held.clear()
    _resting.clear()
    _forking.release()


def _after_fork_in_child() -> None:
    for lock in reversed(_held_locks):
        lock.release()
    workers = list(_held)
    _held.clear()
    _resting.clear()
    if getattr(_local, "is_forking_a_helper", False):
        _helper.set()
    for reset in _resets:
        reset()
    for worker in workers:
        worker._reset_thread()  # noqa: SLF001
    for worker in workers:  # one that starts its thread here finds all others ready
        worker.reset_after_fork()
    _forking.release()


def _close_all() -> None:
    """Stop every worker; one that fails does not keep the others from closing."""
    _exiting.set()
    deadline = time.monotonic() + EXIT_S
    with ExitStack() as closing:
        for worker in sorted(_workers, key=lambda each: -each._exit_order):  # noqa: SLF001
            closing.callback(worker.close_at_exit, deadline)


def _close_at_end_of_worker_process() -> None:
    """Close at the end of a process of `multiprocessing` too, which skips `atexit`."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None or multiprocessing.parent_process() is None or os.getpid() in _finalizers:
        return
    _finalizers.add(os.getpid())
    multiprocessing.util.Finalize(None, _close_all, exitpriority=100)


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
