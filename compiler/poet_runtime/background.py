"""Background threads that start on demand, stop within bounds, and are safe across forks and at exit.

This is the only module that registers with `os.register_at_fork` and `atexit`.

Fork: a forked child inherits the locks of threads that do not exist in it. Before a fork, every worker
pauses between two steps, so that none is inside an import or holds a lock, and then runs its
`before_fork`. In the child, every worker starts empty with `reset_after_fork`. A step that takes longer than
`FORK_S` (a callback of the program, for example) does not delay the fork further.

Exit: during interpreter shutdown, CPython before 3.14 ends a daemon thread with `pthread_exit` as soon as the
thread requests the GIL. In a C++ frame (pyarrow, DuckDB, scipy) this unwinding calls `std::terminate`: the
program prints "terminate called without an active exception" and aborts with status 134. Therefore every
worker is stopped and joined before the interpreter shuts down. Together the workers have `EXIT_S` to finish
pending work.
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

FORK_S: Final = 5.0  # a fork waits this long for running steps; an import on a busy machine takes seconds
EXIT_S: Final = 20.0  # for all workers together, to finish pending work when the program ends
LAST_STEP_S: Final = 5.0  # in addition, for the step that is running at that time

Reset = Callable[[], None]


class BackgroundWorker:
    """Base class of every object with a background thread.

    A subclass implements `_run`, wraps code that a fork must not interrupt in ``with self._step()``, and
    overrides the hooks that it needs. Its `__init__` calls this one last, when the object is complete.
    """

    _thread_name: ClassVar[str] = "poet"
    _exit_order: ClassVar[int] = 0  # workers with a higher number are closed first

    def __init__(self) -> None:
        self._reset_thread()
        with _forking:
            _workers.add(self)

    def before_fork(self) -> None:
        """Acquire every lock and close resources that must not be carried across a fork."""

    def after_fork_in_parent(self) -> None:
        """Undo `before_fork`."""

    def reset_after_fork(self) -> None:
        """Start empty in a forked child, because the parent keeps its pending work."""

    def close_at_exit(self, deadline: float) -> None:
        """Finish pending work before the deadline (of `time.monotonic`) when the process ends."""
        self._stop_thread(deadline)

    def _run(self) -> None:
        """Run the thread's work until `_is_stopping`."""
        raise NotImplementedError

    def _wake_thread(self) -> None:
        """End the wait of the thread."""
        self._woken.set()

    def _reset_thread(self) -> None:
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._stepping = threading.Lock()
        self._is_in_step = False  # only the thread itself writes it
        self._woken = threading.Event()
        self._is_stopping = False
        self._deadline = inf  # of a stop; after it the thread ends with the running step

    def _start_thread(self) -> bool:
        """Start the thread if there is none; return False if the process cannot start threads any more."""
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
        """Stop the thread and wait for it; return False if it is still busy after the deadline."""
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
        """Seconds until the deadline of a stop; None if there is no deadline."""
        return None if self._deadline == inf else max(self._deadline - time.monotonic(), 0.0)

    @property
    def _is_late(self) -> bool:
        return self._deadline != inf and time.monotonic() >= self._deadline

    def _sleep(self, seconds: float | None) -> None:
        """Wait until the thread is woken or the time has passed."""
        self._woken.wait(seconds)
        self._woken.clear()

    @contextmanager
    def _step(self) -> Iterator[None]:
        """Delay forks while the thread is inside the block."""
        self._stepping.acquire()
        self._is_in_step = True
        try:
            yield
        finally:
            if self._is_in_step:  # false in a child that was forked inside the step
                self._is_in_step = False
                self._stepping.release()

    @contextmanager
    def _rest(self) -> Iterator[None]:
        """Allow forks inside a step, while a callback of the program runs."""
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
_forking: Final = threading.RLock()  # two simultaneous forks would wait for each other's workers
_resting: Final[list[BackgroundWorker]] = []  # paused between two steps for the current fork
_held: Final[list[BackgroundWorker]] = []
_exiting: Final = threading.Event()
_helper: Final = threading.Event()  # set in a short-lived child process
_local: Final = threading.local()
_finalizers: Final[set[int]] = set()  # ids of `multiprocessing` processes with a registered finalizer


def call_after_fork_in_child(reset: Reset) -> None:
    """Register a function that every forked child calls before its workers are reset."""
    _resets.append(reset)


def hold_while_forking(lock: "threading.RLock") -> None:
    """Register a lock that every fork acquires first. It is released in the parent and in the child."""
    _held_locks.append(lock)


@contextmanager
def forking_a_helper() -> Iterator[None]:
    """Mark children forked inside the block as short-lived, so that no worker starts in them on its own."""
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
    for worker in own:  # another forking thread may be waiting for this step
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
    for worker in workers:  # only now, so that a worker that starts its thread finds all others ready
        worker.reset_after_fork()
    _forking.release()


def _close_all() -> None:
    """Stop every worker. If one fails, the others are still closed."""
    _exiting.set()
    deadline = time.monotonic() + EXIT_S
    with ExitStack() as closing:
        for worker in sorted(_workers, key=lambda each: -each._exit_order):  # noqa: SLF001
            closing.callback(worker.close_at_exit, deadline)


def _close_at_end_of_worker_process() -> None:
    """Register a finalizer in a `multiprocessing` process, which does not run `atexit` handlers."""
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
