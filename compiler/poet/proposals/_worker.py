"""Plans are made and applied one at a time, in a process of low priority, while everything else goes on."""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from poet.errors import ProposalError
from poet.events import new_id
from poet.files import FileLock
from poet.proposals._store import Proposals
from poet.turns import TURN

__all__ = ["Work", "Worker"]

TURN_POLL_S = 0.1
MADE = {"plan": "made", "apply": "applied"}
SHOWN = 2000  # characters of what a process said at its end


class Work(NamedTuple):
    """What the worker does, or did last."""

    kind: Literal["plan", "apply"]
    proposal: str
    who: str
    says: str = "waiting for its turn"
    is_done: bool = False
    problem: str = ""


class Worker:
    """Makes plans and applies them, for one workspace."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._proposals = Proposals(workspace)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self.work: Work | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is under way."""
        return self.work is not None and not self.work.is_done

    def plan(self, who: str) -> Work:
        """Have a plan made; gives the work at once, with the id that the plan will have."""
        return self._begin(lambda: Work("plan", new_id(), who))

    def apply(self, identity: str, who: str, comment: str) -> Work:
        """Have a plan applied that somebody agreed to.

        Raises
        ------
        ProposalError
            There is none, it was decided on already, or something is under way.
        """

        def agreed() -> Work:
            at = datetime.now(UTC).isoformat(timespec="seconds")
            self._proposals.move(identity, "applying", decided_by=who, decided_at=at, comment=comment)
            return Work("apply", identity, who)

        return self._begin(agreed)

    def wait(self) -> None:
        """Return when nothing is under way."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """End what is under way: a compile that is ended leaves the old versions or the new ones."""
        self._closing.set()
        if self._process is not None:
            self._process.terminate()
        self.wait()

    def _begin(self, work: Callable[[], Work]) -> Work:
        with self._lock:
            if self.is_busy and self.work is not None:
                raise ProposalError(
                    f"a plan is being {MADE[self.work.kind]} for {self.work.who}; "
                    "wait until that is done, then try again"
                )
            self.work = begun = work()
            self._thread = threading.Thread(target=self._run, name="poet-plans", daemon=True)
            self._thread.start()
        return begun

    def _run(self) -> None:
        work = self.work
        assert work is not None  # noqa: S101 -- begun by `_begin`
        problem = ""
        try:
            with closing(FileLock(self._workspace / TURN)) as turn:
                while not turn.try_acquire():
                    if self._closing.is_set():
                        return
                    time.sleep(TURN_POLL_S)
                problem = self._process_of(work, turn)
        except OSError as error:
            problem = f"no process could be started ({error})"
        finally:
            self.work = work._replace(says="done", is_done=True, problem=problem)

    def _process_of(self, work: Work, turn: FileLock) -> str:
        # -P: the folder that the server runs in must not lend its modules to ours
        command = [sys.executable, "-P", "-m", "poet.proposals._process", work.kind]
        with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
            with subprocess.Popen(  # noqa: S603 -- our own module
                [*command, str(self._workspace), work.who, work.proposal],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                pass_fds=turn.descriptors(),  # if this process is killed, the child keeps the turn
            ) as process:
                self._process = process
                self.work = work._replace(says="reading the log and learning")
                for stage in process.stdout or ():
                    self.work = work._replace(says=stage.strip()[:200])
            self._process = None
            errors.seek(0)
            said = errors.read().strip()[-SHOWN:]
        return said or "the process was ended" if process.returncode else ""
