"""Why a rule is there: its evidence and some of its events."""

from collections.abc import Iterator

import msgspec

from poet.decisions import Decisions, Rule
from poet.errors import WorkspaceError
from poet.review._rules import clean, rule_lines

__all__ = ["explain_document", "explain_lines"]

FORMAT_VERSION = 1


def explain_document(decisions: Decisions, rule_id: str | None) -> dict[str, object]:
    """Give the rules of a version, or one of them, as plain data."""
    rules = [_found(decisions, rule_id)] if rule_id else list(decisions.rules)
    return {
        "format_version": FORMAT_VERSION,
        "policy": decisions.policy,
        "version": decisions.version,
        "notes": list(decisions.notes),
        "rules": msgspec.to_builtins(rules),
    }


def explain_lines(decisions: Decisions, rule_id: str | None) -> Iterator[str]:
    """Give the rules of a version, or one of them, as lines of text."""
    rules = [_found(decisions, rule_id)] if rule_id else list(decisions.rules)
    revises = f", revises version {decisions.revises}" if decisions.revises else f", start {decisions.start}"
    yield f"{decisions.policy} version {decisions.version}{revises}"
    for rule in rules:
        yield ""
        yield f"[{rule.status}, since version {rule.since_version}]"
        yield from rule_lines(rule)
        if rule.evidence is not None:
            votes = ", ".join(f"{clean(source)} {count}" for source, count in rule.evidence.sources.items())
            yield f"    said by: {votes or 'nobody'}"
            yield f"    events, for instance: {', '.join(map(clean, rule.evidence.sample_events)) or 'none'}"
    if decisions.notes:
        yield ""
        yield from (f"({clean(note)})" for note in decisions.notes)


def _found(decisions: Decisions, rule_id: str) -> Rule:
    for rule in decisions.rules:
        if rule.id == rule_id:
            return rule
    known = ", ".join(rule.id for rule in decisions.rules)
    raise WorkspaceError(
        f"{decisions.policy} version {decisions.version} has no rule {rule_id!r}; it has {known}"
    )
