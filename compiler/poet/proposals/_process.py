"""One plan made, or one applied, in a process of its own: ``python -m poet.proposals._process``.

Arguments: ``plan`` or ``apply``, the workspace, who asks, and the id of the plan. The caller holds the turn.
Stages are told on standard output, what went wrong on standard error with status 1.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from poet.errors import PoetError
from poet.proposals._proposal import Proposal
from poet.proposals._store import Proposals
from poet.review import plan_document
from poet.workspace import Workspace

__all__ = ["main"]

NICENESS = 10  # of 19: whoever emits comes first


def main(what: str, folder: Path, who: str, identity: str) -> None:
    """Make the plan, or apply it."""
    os.nice(NICENESS)
    try:
        with Workspace.open(folder, who=who) as workspace:
            (make if what == "plan" else apply)(workspace, Proposals(folder), identity)
    except PoetError as error:
        sys.exit(str(error))


def make(workspace: Workspace, proposals: Proposals, identity: str) -> None:
    """Make a plan and keep it as a proposal."""
    plan = workspace.plan()
    proposal = Proposal(
        id=identity,
        made_by=workspace.who,
        made_at=_at(),
        log_position=plan.log_position,
        has_changes=bool(plan.changes),
        document=plan_document(plan),
    )
    proposals.add(proposal, workspace.saved(plan))


def apply(workspace: Workspace, proposals: Proposals, identity: str) -> None:
    """Compile exactly the saved plan."""
    try:
        report = workspace.compile(
            agreed=proposals.plan_file(identity),
            despite_news=True,
            progress=lambda stage: print(stage, flush=True),  # noqa: T201
        )
    except PoetError as error:
        proposals.move(identity, "failed", problem=str(error))
        raise
    proposals.move(identity, "applied", published=dict(report.versions), problem="")


def _at() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4])
