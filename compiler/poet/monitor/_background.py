"""Learning behind a program's back: in a process of its own, one at a time a workspace.

A compile takes many seconds of computing. In a thread it would hold up every call of the program it runs
in, as both share the interpreter; so it runs in another process, of low priority. The registry takes up
what that process publishes.
"""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from poet.errors import MonitorError, PoetError
from poet.files import FileLock
from poet.turns import TURN, NewFeedback, learned_until, was_refused

if TYPE_CHECKING:
    from poet.workspace import Workspace

__all__ = ["Learner"]

TURN_POLL_S = 0.1
SHOWN = 2000  # characters of what a compile said at its end
LOOK_S = 1.0  # between two counts of the feedback that came
_log = logging.getLogger("poet.monitor")


class Learner:
    """Compiles one workspace on request; requests that come during a compile are one request after it."""

    def __init__(self, workspace: "Workspace", *, on_failure: Callable[[Exception], None]) -> None:
        self._workspace = workspace
        self._on_failure = on_failure
        self._threshold: int | None = None  # of feedback in the log, for those who follow it
        self.begin_anew()

    def begin_anew(self) -> None:
        """Start without a thread: also in a forked child, which follows the log as its parent does."""
        self._changed = threading.Condition()
        self._is_wanted = False
        self._is_working = False
        self._closing = threading.Event()
        if self._threshold is not None:
            threading.Thread(target=self._look, name="poet-feedback", daemon=True).start()

    def request(self) -> None:
        """Have everything that is in the log by now learned; returns at once."""
        with self._changed:
            if self._closing.is_set():
                return
            self._is_wanted = True
            if not self._is_working:
                self._is_working = True
                threading.Thread(target=self._work, name="poet-learner", daemon=True).start()

    def follow(self, threshold: int) -> None:
        """Learn whenever so many feedback events came since the last compile, whoever emitted them."""
        with self._changed:
            is_first = self._threshold is None
            self._threshold = threshold if self._threshold is None else min(self._threshold, threshold)
            if is_first:
                threading.Thread(target=self._look, name="poet-feedback", daemon=True).start()

    def wait(self) -> None:
        """Return when no learning is under way or wanted."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_working)

    def close(self) -> None:
        """Take no more requests, and wait for the learning under way."""
        with self._changed:
            self._closing.set()
        self.wait()

    def _look(self) -> None:
        new, said = NewFeedback(self._workspace.path, self._workspace.log), ""
        while not self._closing.wait(LOOK_S):
            try:
                if self._threshold is not None and new.count() >= self._threshold:
                    self.request()
                    self.wait()
                said = ""
            except PoetError as error:
                if str(error) != said:  # a log that cannot be read is told of once, and tried again
                    said = str(error)
                    self._on_failure(error)

    def _work(self) -> None:
        while self._has_work():
            try:
                self._learn()
            except Exception as error:  # noqa: BLE001 -- told to whom it concerns; the champion goes on
                self._on_failure(error)

    def _has_work(self) -> bool:
        with self._changed:
            if not self._is_wanted:
                self._is_working = False
                self._changed.notify_all()
                return False
            self._is_wanted = False
            return True

    def _learn(self) -> None:
        workspace = self._workspace
        # The feedback has to be on disk. Executions still being scored come with the next compile: under a
        # steady stream there are always some.
        workspace.log.flush()
        upto = workspace.log.position()
        with closing(FileLock(workspace.path / TURN)) as turn:
            while not turn.try_acquire():
                if self._is_covered(upto):
                    break
                time.sleep(TURN_POLL_S)
            if not self._is_covered(upto):  # somebody else's compile may have ended just before our turn
                self._compile(turn)
            elif refused := was_refused(workspace.path):
                raise self._failed(refused)
        workspace.registry.refresh()

    def _is_covered(self, upto: int) -> bool:
        return learned_until(self._workspace.path, self._workspace.log.position()) >= upto

    def _compile(self, turn: FileLock) -> None:
        # -P: a program's folder must not lend its modules to ours
        command = [sys.executable, "-P", "-m", "poet.monitor._compile", str(self._workspace.path)]
        ended = subprocess.run(  # noqa: S603 -- our own module
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            pass_fds=turn.descriptors(),  # if this process is killed, the compile keeps the turn
        )
        if ended.returncode != 0:
            raise self._failed(ended.stderr.strip()[-SHOWN:])
        _log.info("learned in %s: %s", self._workspace.path, ended.stdout.strip() or "nothing new")

    def _failed(self, said: str) -> MonitorError:
        return MonitorError(
            f"learning in {self._workspace.path} failed: {said}; "
            "the versions that answered go on, `poet compile` shows the whole story"
        )
