"""One rule for a reader: in words, with its evidence, and with the events that it rests on."""

from typing import Any

from poet.decisions import Evidence, Rule
from poet.errors import WorkspaceError
from poet.log import FeedbackLog, Written
from poet.publish import published_manifest
from poet.review._rules import SHARES, in_words, interval_pairs
from poet.workspace import Workspace

__all__ = ["rule_document"]


def rule_document(workspace: Workspace, policy: str, version: int, rule_id: str) -> dict[str, Any]:
    """Give a rule of a published version as plain data.

    Raises
    ------
    PoetError
        There is no such version, or it has no such rule.
    """
    decisions = published_manifest(workspace.generated, policy, version).decisions
    for rule in decisions.rules:
        if rule.id == rule_id:
            evidence = rule.evidence
            return {
                "policy": policy,
                "version": version,
                "rule": rule,
                "words": in_words(rule),
                "evidence": evidence,
                "pairs": _pairs(evidence) if evidence else [],
                "events": _events(workspace.log, rule),
                "notes": decisions.notes,
            }
    known = ", ".join(rule.id for rule in decisions.rules) or "none"
    raise WorkspaceError(f"{policy} version {version} has no rule {rule_id!r:.80}; it has {known}")


def _pairs(evidence: Evidence) -> list[dict[str, Any]]:
    """Give each quantity with what it was and what it is."""
    return [
        {"what": what, "is_share": what in SHARES, "before": before, "after": after}
        for what, before, after in interval_pairs(evidence)
    ]


def _events(log: FeedbackLog, rule: Rule) -> list[tuple[str, Written | None]]:
    """Give the events that the evidence names; None for one that this log does not hold."""
    if rule.evidence is None:
        return []
    names = rule.evidence.sample_events
    found: dict[str, Written] = {}
    for each in log.named(frozenset(names), until=rule.since_position or None):
        found.setdefault(each.id, each)
    return [(name, found.get(name)) for name in names]
