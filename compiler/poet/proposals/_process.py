"""The jobs that make a plan and apply one; `poet.jobs` runs them in a process of their own."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from poet.errors import PoetError
from poet.proposals._proposal import Proposal
from poet.proposals._store import Proposals
from poet.review import plan_document
from poet.workspace import Workspace

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
