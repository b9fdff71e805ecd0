"""Rules and decisions: the document between learning and compiling.

A learner answers with one `Decisions` per policy. Its canonical JSON is what a manifest keeps, what a
template prints, and what anyone needs to render the same bytes again.
"""

from typing import Literal

import msgspec

Scalar = str | int | float | bool | None
Status = Literal["start", "adopted", "held", "retired", "pinned", "vetoed"]


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate with an interval that holds however often it is looked at (a confidence sequence)."""

    what: str  # "false alarm rate", "recall", "delay_hours" …
    estimate: float
    low: float
    high: float
    n: float  # effective number of events behind it


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """On how much a candidate was compared with the champion, and why not on the rest."""

    replayed: int
    of: int
    left_out: dict[str, int] = {}  # reason: executions
    saving_per_1000: float = 0.0  # expected cost saved per 1000 executions, in the workspace's cost unit
    saving_low: float = 0.0
    saving_high: float = 0.0


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics behind a rule: enough to judge it without the log."""

    e_value: float
    bar: float  # adopt when e_value >= bar
    before: tuple[Interval, ...] = ()
    after: tuple[Interval, ...] = ()
    n_effective: float = 0.0
    sources: dict[str, int] = {}  # source: votes counted
    replay: Replay | None = None
    events_needed: int | None = None  # for a held rule: about how many more
    sample_events: tuple[str, ...] = ()  # ids of a few of its events, oldest first


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One decision inside a policy.

    `condition` says when it applies, `parameters` what it does; their shapes belong to the policy
    (`poet.policies.<policy>`). `reason` and `was` are one plain sentence each, printed beside the
    constant in the generated module.
    """

    id: str  # stable from version to version: [a-z0-9_-]+, at most 60 characters
    kind: str
    condition: dict[str, object] = {}
    parameters: dict[str, object] = {}
    status: Status = "start"
    was: str = ""
    reason: str = ""
    since_version: int = 1
    since_position: int = 0  # log position up to which it was learned; later events test it
    evidence: Evidence | None = None

    @property
    def is_active(self) -> bool:
        """Whether the rule takes part in the generated code."""
        return self.status in ("start", "adopted", "pinned")


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """All rules of one policy, sorted by id, with what they were learned from."""

    format: int = 1
    policy: str
    start: str
    version: int  # the version these decisions would be published as
    revises: int | None = None
    rules: tuple[Rule, ...] = ()
    log_position: int = 0  # the last position of the feedback log that was read
    log_prefix: str = ""  # sha256 over the ids up to that position
    configuration: dict[str, object] = {}  # the part of poet.toml the learner read
    learned: bool = True  # False: this policy has no learner yet
    notes: tuple[str, ...] = ()  # denominators and refusals, one sentence each

    @property
    def active(self) -> tuple[Rule, ...]:
        """The rules that take part in the generated code."""
        return tuple(rule for rule in self.rules if rule.is_active)

    @property
    def has_learned(self) -> bool:
        """Whether a rule in force was learned."""
        return any(rule.evidence for rule in self.active)

    def behaves_as(self, other: "Decisions") -> bool:
        """Whether both give the same code but for version numbers and evidence."""

        def behaviour(decisions: Decisions) -> list[tuple[str, str, object, object]]:
            return [(rule.id, rule.kind, rule.condition, rule.parameters) for rule in decisions.active]

        return self.policy == other.policy and behaviour(self) == behaviour(other)


def encode(decisions: Decisions) -> bytes:
    """Give the canonical JSON: sorted keys, two-space indent, one newline at the end."""
    compact = msgspec.json.encode(decisions, order="sorted")
    return msgspec.json.format(compact, indent=2) + b"\n"


def decode(document: bytes) -> Decisions:
    """Read what `encode` wrote.

    Raises
    ------
    msgspec.ValidationError
        The document is not a `Decisions`.
    """
    return msgspec.json.decode(document, type=Decisions)
