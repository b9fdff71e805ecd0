"""A plan that somebody made, what it says, and what became of it."""

from typing import Any, Literal

import msgspec

__all__ = ["Proposal", "State"]

State = Literal["open", "applying", "applied", "failed", "rejected"]
FORMAT = 1


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One plan.

    `document` is what `poet plan --json` says, `lines` what it prints, `diffs` the source by policy.
    """

    format: int = FORMAT
    id: str
    made_by: str
    made_at: str
    log_position: int
    has_changes: bool
    document: dict[str, Any]
    lines: tuple[str, ...]
    diffs: dict[str, tuple[str, ...]]
    state: State = "open"
    decided_by: str = ""
    decided_at: str = ""
    comment: str = ""
    published: dict[str, int] = {}  # version by policy
    problem: str = ""  # why it could not be applied

    @property
    def policies(self) -> tuple[str, ...]:
        """The policies that would change."""
        return tuple(each["policy"] for each in self.document["policies"] if each["is_change"])

    @property
    def is_open(self) -> bool:
        """Whether somebody can say yes or no to it."""
        return self.state == "open" and self.has_changes

    @property
    def can_be_applied(self) -> bool:
        """Whether it can be applied, for the first time or again: what was applying may have been killed."""
        return self.state in {"open", "failed", "applying"} and self.has_changes
