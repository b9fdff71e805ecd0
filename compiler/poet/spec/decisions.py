"""Rules and decisions: the document between learning and compiling.

A learner returns one `Decisions` per policy. A manifest stores its canonical JSON, a template prints it, and
it is sufficient to render the same bytes again.
"""

from typing import Literal

import msgspec

Scalar = str | int | float | bool | None
Status = Literal["start", "adopted", "candidate", "retired", "pinned", "vetoed"]


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate with an interval that is valid at all times simultaneously (a confidence sequence)."""

    what: str  # "false alarm rate", "recall", "delay_hours" …
    estimate: float
    low: float
    high: float
    n: float  # effective number of events


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """The executions on which a candidate was compared with the champion, and why others were left out."""

    replayed: int
    of: int
    left_out: dict[str, int] = {}  # reason: executions
    saving_per_1000: float = 0.0  # expected cost saved per 1000 executions, in the workspace's cost unit
    saving_low: float = 0.0
    saving_high: float = 0.0


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics behind a rule, sufficient to evaluate it without the log."""

    e_value: float
    e_value_threshold: float  # adopt when e_value >= e_value_threshold
    before: tuple[Interval, ...] = ()
    after: tuple[Interval, ...] = ()
    n_effective: float = 0.0
    sources: dict[str, int] = {}  # source: labels counted
    replay: Replay | None = None
    events_needed: int | None = None  # for a candidate: approximate number of further events
    sample_events: tuple[str, ...] = ()  # ids of some of its events, oldest first


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One decision inside a policy.

    `condition` defines when it applies and `parameters` what it does. The policy (`poet.policies.<policy>`)
    defines their shapes. `reason` and `was` are one plain sentence each, printed next to the constant in the
    generated module.
    """

    id: str  # stable across versions: [a-z0-9_-]+, at most 60 characters
    kind: str
    condition: dict[str, object] = {}
    parameters: dict[str, object] = {}
    status: Status = "start"
    was: str = ""
    reason: str = ""
    since_version: int = 1
    since_position: int = 0  # log position up to which it was learned; later events validate it
    evidence: Evidence | None = None

    @property
    def is_active(self) -> bool:
        """Whether the rule is part of the generated code."""
        return self.status in ("start", "adopted", "pinned")


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """All rules of one policy, sorted by id, with the log position and configuration behind them."""

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
    notes: tuple[str, ...] = ()  # sample sizes and refusals, one sentence each

    @property
    def active(self) -> tuple[Rule, ...]:
        """The rules that are part of the generated code."""
        return tuple(rule for rule in self.rules if rule.is_active)

    @property
    def has_learned(self) -> bool:
        """Whether any active rule was learned."""
        return any(rule.evidence for rule in self.active)

    def behaves_as(self, other: "Decisions") -> bool:
        """Return whether both give the same code except for version numbers and evidence."""

        def behaviour(decisions: Decisions) -> list[tuple[str, str, object, object]]:
            return [(rule.id, rule.kind, rule.condition, rule.parameters) for rule in decisions.active]

        return self.policy == other.policy and behaviour(self) == behaviour(other)


def with_texts_of(decisions: Decisions, recorded: Decisions) -> Decisions:
    """Return decisions with the reasons, notes and names of counts of recorded ones that are otherwise equal.

    A release may word them differently from the release that recorded them. Decisions with other rules, or
    with another number of notes, are returned unchanged.
    """
    if [rule.id for rule in decisions.rules] != [rule.id for rule in recorded.rules]:
        return decisions
    rules = tuple(
        msgspec.structs.replace(
            rule, was=old.was, reason=old.reason, evidence=_with_texts(rule.evidence, old.evidence)
        )
        for rule, old in zip(decisions.rules, recorded.rules, strict=True)
    )
    notes = recorded.notes if len(recorded.notes) == len(decisions.notes) else decisions.notes
    return msgspec.structs.replace(decisions, rules=rules, notes=notes)


def _with_texts(evidence: Evidence | None, recorded: Evidence | None) -> Evidence | None:
    if evidence is None or recorded is None:
        return evidence
    return msgspec.structs.replace(
        evidence,
        before=_with_names(evidence.before, recorded.before),
        after=_with_names(evidence.after, recorded.after),
        replay=_with_reasons(evidence.replay, recorded.replay),
    )


def _with_names(found: tuple[Interval, ...], recorded: tuple[Interval, ...]) -> tuple[Interval, ...]:
    if len(found) != len(recorded):
        return found
    pairs = zip(found, recorded, strict=True)
    return tuple(msgspec.structs.replace(each, what=old.what) for each, old in pairs)


def _with_reasons(replay: Replay | None, recorded: Replay | None) -> Replay | None:
    if replay is None or recorded is None or len(replay.left_out) != len(recorded.left_out):
        return replay
    left_out = dict(zip(recorded.left_out, replay.left_out.values(), strict=True))
    return msgspec.structs.replace(replay, left_out=left_out)


def encode(decisions: Decisions) -> bytes:
    """Return the canonical JSON: sorted keys, two-space indent, one newline at the end."""
    compact = msgspec.json.encode(decisions, order="sorted")
    return msgspec.json.format(compact, indent=2) + b"\n"


def decode(document: bytes) -> Decisions:
    """Decode the output of `encode`.

    Raises
    ------
    msgspec.ValidationError
        The document is not a `Decisions`.
    """
    return msgspec.json.decode(document, type=Decisions)
