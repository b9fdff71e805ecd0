"""Makes plans and applies them one at a time, in a process of low priority."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from poet import jobs
from poet.background import BackgroundWorker
from poet.errors import ProposalError
from poet.events import new_id
from poet.files import FileLock
from poet.proposals import _process
from poet.proposals._store import Proposals

__all__ = ["Work", "Worker"]

MADE = {"plan": "made", "apply": "applied"}
SHOWN = 200  # characters of a stage


class Work(NamedTuple):
    """What the worker does, or did last."""

    kind: Literal["plan", "apply"]
    proposal: str
    who: str
    says: str = "waiting for its turn"
    is_done: bool = False
    problem: str = ""


class Worker(BackgroundWorker):
    """Makes plans and applies them, for one workspace."""

    _thread_name: ClassVar[str] = "poet-plans"

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._proposals = Proposals(workspace)
        self._is_closed = False
        self.reset_after_fork()
        super().__init__()

    def reset_after_fork(self) -> None:
        """Start idle; after a fork the parent waits for the job that it began."""
        self._changed = threading.Condition()
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
        with self._changed:
            self._changed.wait_for(lambda: not self.is_busy)

    def close(self) -> None:
        """End what is under way: a compile that is ended leaves the old versions or the new ones."""
        self._is_closed = True
        self._stop_thread()

    def _begin(self, work: Callable[[], Work]) -> Work:
        with self._changed:
            if self._is_closed:
                raise ProposalError("the server is ending; make the plan after it has started again")
            if self.is_busy and self.work is not None:
                raise ProposalError(
                    f"a plan is being {MADE[self.work.kind]} for {self.work.who}; "
                    "wait until that is done, then try again"
                )
            if not self._start_thread():
                raise ProposalError(
                    "no thread could be started; try again when the server has fewer requests"
                )
            self.work = begun = work()
        self._wake_thread()
        return begun

    def _run(self) -> None:
        while not self._is_stopping:
            if self.work is not None and not self.work.is_done:
                self._do(self.work)
            else:
                self._sleep(None)

    def _do(self, work: Work) -> None:
        problem = ""
        try:
            with jobs.compile_lock(self._workspace) as lock:
                if jobs.acquire_compile_lock(lock, is_given_up=lambda: self._is_stopping):
                    problem = self._problem_of(work, lock)
        except OSError as error:
            problem = f"no process could be started ({error})"
        finally:
            with self._changed:
                self.work = work._replace(says="done", is_done=True, problem=problem)
                self._changed.notify_all()

    def _problem_of(self, work: Work, lock: FileLock) -> str:
        """Run the job; return why it failed, empty where it did not."""
        self.work = work._replace(says="reading the log and learning")
        function = _process.make if work.kind == "plan" else _process.apply
        wanted = jobs.job(function, self._workspace, who=work.who, proposal=work.proposal)
        outcome = jobs.run(
            wanted,
            lock,
            jobs.Control(
                progress=lambda stage: self._show(work, stage),
                is_left=lambda: self._is_stopping and not self._is_closed,  # the program ends without closing
                is_ended=lambda: self._is_closed,
            ),
        )
        return outcome.error.message if outcome is not None and outcome.error is not None else ""

    def _show(self, work: Work, stage: str) -> None:
        self.work = work._replace(says=stage.strip()[:SHOWN])
