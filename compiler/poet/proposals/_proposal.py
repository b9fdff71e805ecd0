"""A plan that somebody made, what it says, and what became of it."""

from typing import Literal

import msgspec

from poet.review import PlanDocument

State = Literal["open", "applying", "applied", "failed", "rejected"]
FORMAT = 1


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
