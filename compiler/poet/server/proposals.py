"""A plan that somebody made, what it says, and what became of it.

Proposals on disk: the saved plan beside what is said of it, one pair of files each.

Makes plans and applies them one at a time, in a process of low priority.

The jobs that make a plan and apply one; `poet.workspace.jobs` runs them in a process of their own.
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
    """One plan; `document` is what `poet plan --json` prints."""

    format: int = FORMAT
    id: str
    made_by: str
    made_at: str
    log_position: int
    has_changes: bool
    document: PlanDocument
    lines: tuple[str, ...] = ()  # the text of a plan from before documents held their verdict and changes
    state: State = "open"
    decided_by: str = ""
    decided_at: str = ""
    comment: str = ""
    published: dict[str, int] = {}  # version by policy
    problem: str = ""  # why it could not be applied

    @property
    def policies(self) -> tuple[str, ...]:
        """The policies that would change."""
        return tuple(each.policy for each in self.document.sections)

    @property
    def verdict(self) -> str:
        """What the plan comes to, in a sentence."""
        return self.document.verdict or next(iter(self.lines), "")

    @property
    def is_open(self) -> bool:
        """Whether somebody can say yes or no to it."""
        return self.state == "open" and self.has_changes

    @property
    def can_be_applied(self) -> bool:
        """Whether it can be applied, for the first time or again: what was applying may have been killed."""
        return self.state in {"open", "failed", "applying"} and self.has_changes


PATIENCE_S: Final = 10.0
KEPT: Final = 50  # proposals; older ones that were decided are deleted
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# what may follow on what; a process that was killed while it applied leaves `applying`, which may go on
_MOVES: Final[dict[State, frozenset[State]]] = {
    "open": frozenset({"applying", "rejected"}),
    "applying": frozenset({"applying", "applied", "failed"}),
    "failed": frozenset({"applying", "rejected"}),
    "applied": frozenset(),
    "rejected": frozenset(),
}

_DOCUMENT: Final = JsonDocument(
    type=Proposal, name="a plan's review", next_step="delete it, and plan again", error=ProposalError
)


class Proposals:
    """The proposals of a workspace, in `feedback_log/plans`."""

    def __init__(self, workspace: Path) -> None:
        self.folder = workspace / "feedback_log" / "plans"

    def all(self) -> tuple[Proposal, ...]:
        """Give the proposals, newest first."""
        found = sorted(self.folder.glob("*.review.json"), reverse=True)
        return tuple(self.get(path.name.removesuffix(".review.json")) for path in found)

    def get(self, identity: str) -> Proposal:
        """Give one proposal.

        Raises
        ------
        ProposalError
            There is none of this id.
        """
        path = self._path(identity, "review")
        found = _DOCUMENT.read_if_exists(path)
        if found is None:
            raise ProposalError(f"there is no plan {identity}; look at the list, or make a new one")
        return found

    def plan_file(self, identity: str) -> Path:
        """Name the saved plan that `Workspace.compile` takes."""
        return self._path(identity, "plan")

    def add(self, proposal: Proposal, plan: bytes) -> None:
        """Keep a proposal with its saved plan, and forget the oldest that were decided."""
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
        """Bring a proposal into another state.

        Raises
        ------
        ProposalError
            There is none, or what was decided already does not allow it.
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
        if _ID.fullmatch(identity) is None:  # also what keeps an id from pointing out of the folder
            raise ProposalError(f"{identity!r:.80} is no plan's id; look at the list of plans")
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
            agreed=proposals.plan_file(identity),
            despite_news=True,
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
SHOWN: Final = 200  # characters of a stage


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
        function = make if work.kind == "plan" else apply
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
