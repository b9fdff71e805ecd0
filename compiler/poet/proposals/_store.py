"""Proposals on disk: the saved plan beside what is said of it, one pair of files each."""

import re
from pathlib import Path
from typing import Final

import msgspec

from poet.errors import ProposalError
from poet.files import JsonDocument, atomic_write, lock, remove_unfinished, to_json
from poet.proposals._proposal import Proposal, State

__all__ = ["Proposals"]

PATIENCE_S = 10.0
KEPT = 50  # proposals; older ones that were decided are deleted
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# what may follow on what; a process that was killed while it applied leaves `applying`, which may go on
_MOVES: dict[State, frozenset[State]] = {
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
