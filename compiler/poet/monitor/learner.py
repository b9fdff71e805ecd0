"""Learning while a program runs: in a separate process, one at a time per workspace.

The registry of the running program picks up the versions that this process publishes.
"""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final

from poet.workspace import jobs
from poet.workspace.compile_lock import NewFeedback, last_refusal, learned_until
from poet_runtime.background import BackgroundWorker, is_helper
from poet_runtime.errors import MonitorError, PoetError
from poet_runtime.files import FileLock

if TYPE_CHECKING:
    from poet.workspace.workspace import Workspace


LOOK_S: Final = 1.0  # between two counts of new feedback
_log = logging.getLogger("poet.monitor")


class Learner(BackgroundWorker):
    """A background compiler of one workspace; requests during a compile merge into one request after it."""

    _thread_name: ClassVar[str] = "poet-learner"

    def __init__(self, workspace: "Workspace", *, on_failure: Callable[[Exception], None]) -> None:
        from poet.workspace.watch import compile_job  # noqa: PLC0415 -- importing a decorator must not load the compiler

        self._workspace = workspace
        self._job = jobs.job(compile_job, workspace.path)
        self._on_failure = on_failure
        self._threshold: int | None = None  # None: do not follow the log
        self._is_closed = False
        self._reset()
        super().__init__()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._is_wanted = False
        self._is_working = False

    def reset_after_fork(self) -> None:
        """Follow the log in a forked child as in its parent."""
        self._reset()
        if self._threshold is not None and not self._is_closed and not is_helper():
            self._start_thread()

    def request(self) -> None:
        """Request learning from everything in the log so far; return immediately."""
        with self._changed:
            if self._is_closed:
                return
            self._is_wanted = self._start_thread()
        self._wake_thread()

    def follow(self, threshold: int) -> None:
        """Learn whenever `threshold` feedback events from any source arrived since the last compile."""
        with self._changed:
            self._threshold = threshold if self._threshold is None else min(self._threshold, threshold)
            if not self._is_closed:
                self._start_thread()
        self._wake_thread()

    def wait(self) -> None:
        """Return when no learning is running or requested."""
        with self._changed:
            self._changed.wait_for(lambda: not self.is_busy)

    @property
    def is_busy(self) -> bool:
        """Return whether learning is running or requested."""
        return self._is_wanted or self._is_working

    def close(self) -> None:
        """Reject further requests and wait for running learning."""
        with self._changed:
            self._is_closed = True
        self.wait()
        self._stop_thread()

    def _run(self) -> None:
        new, last_error = NewFeedback(self._workspace.path, self._workspace.log), ""
        while not self._is_stopping:
            try:
                if self._is_due(new):
                    self._work()
                last_error = ""
            except PoetError as error:
                if str(error) != last_error:  # an unreadable log is reported once and retried
                    last_error = str(error)
                    self._on_failure(error)
            if not self._is_wanted:
                self._sleep(None if self._threshold is None else LOOK_S)

    def _is_due(self, new: NewFeedback) -> bool:
        """Return whether a compile was requested or enough feedback has arrived."""
        if self._is_wanted or self._threshold is None or self._is_closed:
            return self._is_wanted
        with self._step():
            return new.count() >= self._threshold

    def _work(self) -> None:
        with self._changed:
            self._is_wanted, self._is_working = False, True
        try:
            self._learn()
        except Exception as error:  # noqa: BLE001 -- reported; the active version keeps answering
            self._on_failure(error)
        finally:
            with self._changed:
                self._is_working = False
                self._changed.notify_all()

    def _learn(self) -> None:
        workspace = self._workspace
        # The feedback has to be on disk. Executions that are still being scored are left to the next compile:
        # under a steady stream there are always some.
        workspace.log.flush()
        upto = workspace.log.position()
        with jobs.compile_lock(workspace.path) as lock:
            is_ours = jobs.acquire_compile_lock(
                lock, is_given_up=lambda: self._is_stopping or self._is_covered(upto)
            )
            if self._is_stopping:
                return
            if is_ours and not self._is_covered(upto):  # another compile may have finished just before
                self._compile(lock)
            elif refused := last_refusal(workspace.path):
                raise self._failed(refused)
        with self._step():
            workspace.registry.refresh()

    def _is_covered(self, upto: int) -> bool:
        return learned_until(self._workspace.path, self._workspace.log.position()) >= upto

    def _compile(self, lock: FileLock) -> None:
        """Compile in another process, which continues if this program ends meanwhile."""
        path = self._workspace.path
        outcome = jobs.run(self._job, lock, jobs.Control(is_left=lambda: self._is_stopping))
        if outcome is None:
            return
        if outcome.error is not None:
            raise self._failed(outcome.error.message)
        published = (f"{policy} version {number}" for policy, number in sorted(outcome.versions.items()))
        _log.info("learned in %s: %s", path, ", ".join(published) or "nothing new")

    def _failed(self, reason: str) -> MonitorError:
        return MonitorError(
            f"learning in {self._workspace.path} failed: {reason}; "
            "the active versions stay active; run `poet compile` to see the full report"
        )
