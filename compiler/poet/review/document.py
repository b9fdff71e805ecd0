"""The documents of plans, diffs, explanations and status, with fields in the order a reviewer needs them.

These types are the only description of a change. Builders fill them from a workspace, renderers convert them
to text, Markdown and HTML, and `--json` prints their fields. A renderer adds nothing that is not in a
document, so a person approves the same content everywhere.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from poet.build.compare import Against
from poet.build.manifest import Manifest
from poet.learning.costs import CostEstimate
from poet.log import RawEvent
from poet.review.words import SHARES, counted
from poet.spec.decisions import Evidence, Interval, Rule
from poet_runtime.registry import Move, Quarantine, Slowness, Trial

FORMAT_VERSION: Final = 1


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity of the evidence, before the rule and with it."""

    what: str
    before: Interval | None = None
    after: Interval | None = None

    @property
    def sides(self) -> tuple[Interval, ...]:
        """Return the existing intervals, the earlier one first."""
        return tuple(each for each in (self.before, self.after) if each is not None)

    @property
    def counts(self) -> str:
        """Return the effective numbers of events; one number if both sides have the same."""
        return " → ".join(dict.fromkeys(f"{each.n:g}" for each in self.sides))

    @property
    def is_share(self) -> bool:
        """Return whether the quantity is printed in percent."""
        return self.what in SHARES


def evidence_pairs(evidence: Evidence) -> tuple[Pair, ...]:
    """Return each quantity before and after, in the order of the evidence."""
    before, after = ({each.what: each for each in side} for side in (evidence.before, evidence.after))
    return tuple(Pair(what=what, before=before.get(what), after=after.get(what)) for what in before | after)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, its description, and the description of the rule before it."""

    rule: Rule
    words: str
    was: str = ""

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Return each quantity of the evidence, before and after."""
        return evidence_pairs(self.rule.evidence) if self.rule.evidence else ()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of one policy: rules, behavior and source."""

    policy: str
    changes: tuple[Entry, ...] = ()  # rules adopted, changed or pinned, then those retired
    against: Against | None = None  # behavior and replay
    notes: tuple[str, ...] = ()
    source: tuple[str, ...] = ()  # unified diff

    @property
    def older(self) -> int | None:
        """Return the version before; None if there was none."""
        raise NotImplementedError

    @property
    def newer(self) -> int:
        """Return the version after."""
        raise NotImplementedError

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return notes that belong to no single rule: manual edits, denominators."""
        return self.notes


class PlannedPolicy(Change, frozen=True, kw_only=True):
    """The effect of a compile on one policy."""

    is_change: bool
    active_version: int | None
    next_version: int | None
    is_learned: bool = True
    refused: str = ""  # why the learned change is not proposed
    edits: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()  # all of them
    candidates: tuple[Entry, ...] = ()  # candidates, nearest to adoption first, and vetoed rules

    @property
    def older(self) -> int | None:
        """Return the active version; None for a new policy."""
        return self.active_version

    @property
    def newer(self) -> int:
        """Return the version that a compile would publish, else the active one."""
        return self.next_version or self.active_version or 1

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return manual edits, then denominators and refusals of the learner."""
        return (*(f"edited by hand: {edit}" for edit in self.edits), *self.notes)


class PlanDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The changes that a compile would make, and why."""

    format_version: int = FORMAT_VERSION
    verdict: str = ""
    log_position: int = 0
    has_changes: bool = False
    skipped: dict[str, str] = {}  # policies that could not be learned, and why
    costs: tuple[CostEstimate, ...] = ()
    policies: tuple[PlannedPolicy, ...] = ()
    published: dict[str, int] | UnsetType = UNSET  # versions by policy, once the plan is compiled

    @property
    def sections(self) -> tuple[PlannedPolicy, ...]:
        """Return the policies that would get a new version."""
        return tuple(each for each in self.policies if each.is_change)

    @property
    def refused(self) -> tuple[PlannedPolicy, ...]:
        """Return the policies with a learned change that is not proposed."""
        return tuple(each for each in self.policies if each.refused)

    @property
    def waiting(self) -> tuple[PlannedPolicy, ...]:
        """Return the policies with candidates."""
        return tuple(each for each in self.policies if each.is_learned and each.candidates)

    @property
    def costs_in_words(self) -> str:
        """Return the costs that the plan was made with."""
        return "; ".join(map(str, self.costs))

    @property
    def rest(self) -> tuple[str, ...]:
        """Return one line for each group of unchanged policies."""
        same = [
            each.policy
            for each in self.policies
            if not each.is_change and not each.refused and each.is_learned
        ]
        unlearned = [each.policy for each in self.policies if not each.is_learned]
        groups = {"unchanged": same, "not learned yet": unlearned}
        return (
            *(f"{what}: {', '.join(names)}" for what, names in groups.items() if names),
            *(f"skipped: {policy}: {problem}" for policy, problem in self.skipped.items()),
        )


class ChangedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that acts differently in the newer version."""

    old: Rule
    new: Rule


class DiffDocument(Change, frozen=True, kw_only=True):
    """The differences between two published versions."""

    format_version: int = FORMAT_VERSION
    old: int
    new: int
    added: tuple[Rule, ...] = ()
    removed: tuple[Rule, ...] = ()
    changed: tuple[ChangedRule, ...] = ()
    unchanged: int = 0  # rules

    @property
    def older(self) -> int | None:
        """Return the older version."""
        return self.old

    @property
    def newer(self) -> int:
        """Return the newer version."""
        return self.new

    @property
    def verdict(self) -> str:
        """Return the versions and the number of changed rules."""
        return f"{self.policy}: version {self.old} → {self.new}, {counted(len(self.changes), 'changed rule')}"

    @property
    def sections(self) -> tuple[Change, ...]:
        """Return the policy as the only section."""
        return (self,)

    @property
    def rest(self) -> tuple[str, ...]:
        """Return how many rules are unchanged."""
        return (f"{counted(self.unchanged, 'rule')} unchanged",)

    @property
    def refused(self) -> tuple[PlannedPolicy, ...]:
        """Return nothing: both versions are published."""
        return ()

    @property
    def waiting(self) -> tuple[PlannedPolicy, ...]:
        """Return nothing: candidates belong to a plan."""
        return ()

    @property
    def costs_in_words(self) -> str:
        """Return nothing: costs belong to a plan."""
        return ""


Review = PlanDocument | DiffDocument


class ExplainDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a version, or one of them, with their evidence."""

    format_version: int = FORMAT_VERSION
    policy: str
    version: int
    revises: int | None
    start: str
    notes: tuple[str, ...]
    rules: tuple[Rule, ...]


class RuleDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of a published version with the events of its evidence."""

    policy: str
    version: int
    entry: Entry
    events: tuple[tuple[str, RawEvent | None], ...]  # id; None for an event that is not in this log
    notes: tuple[str, ...]


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """A version that answers for a share of the features."""

    policy: str
    version: int
    champion: int
    share: float
    since: str
    outcome: str


class UnjudgedCanary(Canary, frozen=True, kw_only=True):
    """A canary of a policy whose individual answers are not labeled."""

    why: str


class JudgedCanary(Canary, frozen=True, kw_only=True):
    """A canary with the evidence of its labels; `e_value_threshold` is the threshold of both e-values."""

    for_promotion: float
    for_rollback: float
    e_value_threshold: float
    answered_by_canary: int
    answered_by_champion: int
    judged: int
    differ: int
    saved: float


class ChangedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A module on disk that differs from the published one."""

    version: int
    file: str
    state: str
    says: str
    next: str


class PolicyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One policy: its versions, the one that answers in this process, and what is on trial."""

    active: int
    previous: int | None
    versions: tuple[int, ...]
    answering: int | None
    sha256: str | None
    refused: str  # why the active version does not answer here
    refused_beside: dict[str, str]  # the same for a shadow or a canary
    changed_files: tuple[ChangedFile, ...]
    guard: tuple[dict[str, Any], ...]
    shadow: dict[str, Any] | None  # the trial, and the tally of the comparisons where there is one
    canary: Canary | None
    quarantine: tuple[Quarantine, ...]
    slow: tuple[Slowness, ...]
    events_since: int | None  # events in the log since the version was learned
    start: str | None
    unreadable: str = ""  # why the manifest cannot be read


class StatusDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a workspace: events, versions, trials, candidates."""

    format_version: int = FORMAT_VERSION
    workspace: str
    log_position: int
    events: dict[str, int]
    policies: dict[str, PolicyStatus]
    changes: tuple[str, ...]  # policies that a compile would change
    candidates: tuple[str, ...]  # ids of all candidates, nearest to adoption first
    nearest: tuple[Entry, ...]  # the first of them


class PolicyStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One policy on the overview, read from the registry and the manifest alone."""

    name: str
    active: int
    previous: int | None
    versions: int
    canary: Trial | None
    shadow: Trial | None
    quarantined: tuple[int, ...]
    slow: tuple[int, ...]
    problem: str = ""
    rules: tuple[Rule, ...] = ()
    start: str = ""
    learned: int = 0  # rules with evidence
    log_position: int = 0


class StandingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a workspace without a plan: what can be read in a few milliseconds."""

    workspace: str
    log_position: int
    events: dict[str, int]
    feedback: int  # since the last compile
    threshold: int
    learned_until: int
    refused: str
    policies: tuple[PolicyStanding, ...]
    changes: tuple[Move, ...]


class PublishedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version in a policy's history."""

    number: int
    roles: tuple[str, ...]
    quarantine: Quarantine | None
    slow: Slowness | None
    sha256: str
    published: str
    problem: str = ""
    manifest: Manifest | None = None


class HistoryDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A policy's versions, newest first, and its part of the journal."""

    policy: str
    active: int
    previous: int | None
    canary: Trial | None
    versions: tuple[PublishedVersion, ...]
    moves: tuple[Move, ...]
