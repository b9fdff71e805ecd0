"""Proposals: plans that wait for approval, with their content, their state and their decisions.

A proposal is stored as a pair of files: the saved plan and its review. Plans are made and applied one at a
time by jobs, which `poet.workspace.jobs` runs in a separate process of low priority.
"""

import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final, Literal, NamedTuple

import msgspec

from poet.events import new_id
from poet.review.changes import plan_document
from poet.review.document import PlanDocument
from poet.workspace import jobs
from poet.workspace.workspace import Workspace
from poet_runtime.background import BackgroundWorker
from poet_runtime.errors import PoetError, ProposalError
from poet_runtime.files import FileLock, JsonDocument, atomic_write, lock, remove_unfinished, to_json

State = Literal["open", "applying", "applied", "failed", "rejected"]
FORMAT: Final = 1


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One plan; `document` is the output of `poet plan --json`."""

    format: int = FORMAT
    id: str
    made_by: str
    made_at: str
    log_position: int
    has_changes: bool
    document: PlanDocument
    lines: tuple[str, ...] = ()  # the text of an old plan whose document has no verdict and changes
    state: State = "open"
    decided_by: str = ""
    decided_at: str = ""
    comment: str = ""
    published: dict[str, int] = {}  # version by policy
    problem: str = ""  # why it could not be applied

    @property
    def policies(self) -> tuple[str, ...]:
        """Return the policies that would change."""
        return tuple(each.policy for each in self.document.sections)

    @property
    def verdict(self) -> str:
        """Return a one-sentence summary of the plan."""
        return self.document.verdict or next(iter(self.lines), "")

    @property
    def is_open(self) -> bool:
        """Return whether the plan can be approved or rejected."""
        return self.state == "open" and self.has_changes

    @property
    def can_be_applied(self) -> bool:
        """Return whether it can be applied, or applied again after an interrupted attempt."""
        return self.state in {"open", "failed", "applying"} and self.has_changes


PATIENCE_S: Final = 10.0
KEPT: Final = 50  # proposals; older decided ones are deleted
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# allowed transitions; a process killed while applying leaves `applying`, which may be resumed
_MOVES: Final[dict[State, frozenset[State]]] = {
    "open": frozenset({"applying", "rejected"}),
    "applying": frozenset({"applying", "applied", "failed"}),
    "failed": frozenset({"applying", "rejected"}),
    "applied": frozenset(),
    "rejected": frozenset(),
}

_DOCUMENT: Final = JsonDocument(
    type=Proposal, name="a plan's review", next_step="delete it and make a new plan", error=ProposalError
)


class Proposals:
    """The proposals of a workspace, in `feedback_log/plans`."""

    def __init__(self, workspace: Path) -> None:
        self.folder = workspace / "feedback_log" / "plans"

    def all(self) -> tuple[Proposal, ...]:
        """Return the proposals, newest first."""
        found = sorted(self.folder.glob("*.review.json"), reverse=True)
        return tuple(self.get(path.name.removesuffix(".review.json")) for path in found)

    def get(self, identity: str) -> Proposal:
        """Return one proposal.

        Raises
        ------
        ProposalError
            There is no proposal with this id.
        """
        path = self._path(identity, "review")
        found = _DOCUMENT.read_if_exists(path)
        if found is None:
            raise ProposalError(f"there is no plan {identity}; choose one from the list, or make a new one")
        return found

    def plan_file(self, identity: str) -> Path:
        """Return the path of the saved plan for `Workspace.compile`."""
        return self._path(identity, "plan")

    def add(self, proposal: Proposal, plan: bytes) -> None:
        """Store a proposal with its saved plan, and delete the oldest decided ones."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with lock(self.folder, timeout_s=PATIENCE_S):
            remove_unfinished(self.folder)
            atomic_write(self._path(proposal.id, "plan"), plan)
            self._write(proposal)
        for old in self.all()[KEPT:]:
            if not old.is_open:
                self._path(old.id, "review").unlink(missing_ok=True)
                self._path(old.id, "plan").unlink(missing_ok=True)

    def move(self, identity: str, state: State, **changes: object) -> Proposal:
        """Change the state of a proposal.

        Raises
        ------
        ProposalError
            There is no such proposal, or its state does not allow the change.
        """
        with lock(self.folder, timeout_s=PATIENCE_S):
            before = self.get(identity)
            if state not in _MOVES[before.state] or not before.has_changes:
                by = f" by {before.decided_by}" if before.decided_by else ""
                said = before.state if before.has_changes else "without changes"
                raise ProposalError(f"plan {identity} is {said}{by}; make a new plan for another decision")
            after = msgspec.structs.replace(before, state=state, **changes)
            self._write(after)
        return after

    def _write(self, proposal: Proposal) -> None:
        content = to_json(proposal, indent=1, is_sorted=False)
        atomic_write(self._path(proposal.id, "review"), content)

    def _path(self, identity: str, kind: str) -> Path:
        if _ID.fullmatch(identity) is None:  # also prevents path traversal
            raise ProposalError(f"{identity!r:.80} is not a plan id; choose one from the list of plans")
        return self.folder / f"{identity}.{kind}.json"


Progress = Callable[[str], None]


def make(workspace: Workspace, arguments: Mapping[str, str], _progress: Progress) -> Mapping[str, int]:
    """Make a plan and store it as the proposal with this id."""
    plan = workspace.plan()
    proposal = Proposal(
        id=arguments["proposal"],
        made_by=workspace.who,
        made_at=_at(),
        log_position=plan.log_position,
        has_changes=bool(plan.changes),
        document=plan_document(plan),
    )
    Proposals(workspace.path).add(proposal, workspace.saved(plan))
    return {}


def apply(workspace: Workspace, arguments: Mapping[str, str], progress: Progress) -> Mapping[str, int]:
    """Compile exactly the saved plan."""
    proposals, identity = Proposals(workspace.path), arguments["proposal"]
    try:
        report = workspace.compile(
            plan_file=proposals.plan_file(identity),
            allow_new_events=True,
            progress=progress,
        )
    except PoetError as error:
        proposals.move(identity, "failed", problem=str(error))
        raise
    proposals.move(identity, "applied", published=dict(report.versions), problem="")
    return report.versions


def _at() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


MADE: Final = {"plan": "made", "apply": "applied"}
SHOWN: Final = 200  # maximum characters of a stage


class Work(NamedTuple):
    """The current or last job of the worker."""

    kind: Literal["plan", "apply"]
    proposal: str
    who: str
    says: str = "waiting for its turn"
    is_done: bool = False
    problem: str = ""


class Worker(BackgroundWorker):
    """The worker that makes and applies plans of one workspace."""

    _thread_name: ClassVar[str] = "poet-plans"

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._proposals = Proposals(workspace)
        self._is_closed = False
        self.reset_after_fork()
        super().__init__()

    def reset_after_fork(self) -> None:
        """Reset to idle after a fork; the parent waits for its own job."""
        self._changed = threading.Condition()
        self.work: Work | None = None

    @property
    def is_busy(self) -> bool:
        """Return whether a job is running."""
        return self.work is not None and not self.work.is_done

    def plan(self, who: str) -> Work:
        """Start making a plan; return the job immediately, with the id of the future plan."""
        return self._begin(lambda: Work("plan", new_id(), who))

    def apply(self, identity: str, who: str, comment: str) -> Work:
        """Start applying an approved plan.

        Raises
        ------
        ProposalError
            There is no such plan, it was decided already, or a job is running.
        """

        def approved() -> Work:
            at = datetime.now(UTC).isoformat(timespec="seconds")
            self._proposals.move(identity, "applying", decided_by=who, decided_at=at, comment=comment)
            return Work("apply", identity, who)

        return self._begin(approved)

    def wait(self) -> None:
        """Block until no job is running."""
        with self._changed:
            self._changed.wait_for(lambda: not self.is_busy)

    def close(self) -> None:
        """Terminate the running job; a terminated compile leaves the old or the new versions."""
        self._is_closed = True
        self._stop_thread()

    def _begin(self, work: Callable[[], Work]) -> Work:
        with self._changed:
            if self._is_closed:
                raise ProposalError("the server is shutting down; make the plan after it has restarted")
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
        """Run the job; return why it failed, or empty text if it succeeded."""
        self.work = work._replace(says="reading the log and learning")
        function = make if work.kind == "plan" else apply
        wanted = jobs.job(function, self._workspace, who=work.who, proposal=work.proposal)
        outcome = jobs.run(
            wanted,
            lock,
            jobs.Control(
                progress=lambda stage: self._show(work, stage),
                is_left=lambda: (
                    self._is_stopping and not self._is_closed
                ),  # the program exits without closing
                is_ended=lambda: self._is_closed,
            ),
        )
        return outcome.error.message if outcome is not None and outcome.error is not None else ""

    def _show(self, work: Work, stage: str) -> None:
        self.work = work._replace(says=stage.strip()[:SHOWN])
