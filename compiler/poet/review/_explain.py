"""Why a rule is there, as a document: its evidence and some of its events."""

from poet.decisions import Decisions, Rule
from poet.errors import WorkspaceError
from poet.log import FeedbackLog, Written
from poet.publish import published_manifest
from poet.review._document import ExplainDocument, RuleDocument
from poet.review._plan import entry_of
from poet.workspace import Workspace


def explain_document(decisions: Decisions, rule_id: str | None) -> ExplainDocument:
    """Return the rules of a version, or one of them.

    Raises
    ------
    WorkspaceError
        The version has no such rule.
    """
    return ExplainDocument(
        policy=decisions.policy,
        version=decisions.version,
        revises=decisions.revises,
        start=decisions.start,
        notes=decisions.notes,
        rules=(_found(decisions, rule_id),) if rule_id else decisions.rules,
    )


def rule_document(workspace: Workspace, policy: str, version: int, rule_id: str) -> RuleDocument:
    """Return a rule of a published version with its events.

    Raises
    ------
    PoetError
        There is no such version, or it has no such rule.
    """
    decisions = published_manifest(workspace.generated, policy, version).decisions
    rule = _found(decisions, rule_id)
    return RuleDocument(
        policy=policy,
        version=version,
        entry=entry_of(rule),
        events=_events(workspace.log, rule),
        notes=decisions.notes,
    )


def _found(decisions: Decisions, rule_id: str) -> Rule:
    for rule in decisions.rules:
        if rule.id == rule_id:
            return rule
    known = ", ".join(rule.id for rule in decisions.rules) or "none"
    raise WorkspaceError(
        f"{decisions.policy} version {decisions.version} has no rule {rule_id!r:.80}; it has {known}"
    )


def _events(log: FeedbackLog, rule: Rule) -> tuple[tuple[str, Written | None], ...]:
    """Return the events that the evidence names; None for one that this log does not hold."""
    if rule.evidence is None:
        return ()
    names = rule.evidence.sample_events
    found: dict[str, Written] = {}
    for each in log.named(frozenset(names), until=rule.since_position or None):
        found.setdefault(each.id, each)
    return tuple((name, found.get(name)) for name in names)
