"""Documents of changes: a plan, the diff of two versions, and the explanation of a rule.

A plan states the verdict first, then what changes and why, the candidates, and what stays the same. A diff
lists rules with their evidence, behavior and source. An explanation lists the evidence of a rule and some of
its events.
"""

import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import UNSET

from poet.build.compare import Against, compare
from poet.build.manifest import module_name, read_manifest
from poet.build.publish import published_manifest, published_source
from poet.log import FeedbackLog, RawEvent
from poet.review.document import (
    ChangedRule,
    DiffDocument,
    Entry,
    ExplainDocument,
    PlanDocument,
    PlannedPolicy,
    RuleDocument,
)
from poet.review.words import counted, in_words
from poet.spec import policy as spec_of
from poet.spec.decisions import Decisions, Rule
from poet.workspace.pipeline import Plan, PolicyPlan
from poet.workspace.workspace import Workspace
from poet_runtime.errors import WorkspaceError


def plan_document(plan: Plan, *, published: Mapping[str, int] | None = None) -> PlanDocument:
    """Return the document of a plan, with the versions that a compile of it published."""
    return PlanDocument(
        verdict=_verdict(plan),
        log_position=plan.log_position,
        has_changes=bool(plan.changes),
        skipped=dict(plan.skipped),
        costs=plan.costs,
        policies=tuple(map(_policy, plan.policies)),
        published=UNSET if published is None else dict(published),
    )


def entry_of(rule: Rule, before: Rule | None = None) -> Entry:
    """Return a rule in words; `before` is the rule of the same id that it replaces."""
    was = rule.was or (in_words(before) if before is not None and rule.status != "retired" else "")
    return Entry(rule=rule, words=in_words(rule), was=was)


def _policy(each: PolicyPlan) -> PlannedPolicy:
    offered = () if each.refused else (*each.with_status("adopted", "pinned"), *each.with_status("retired"))
    return PlannedPolicy(
        policy=each.policy,
        is_change=each.is_change,
        refused=each.refused,
        edits=tuple(map(str, each.edits)),
        active_version=None if each.is_first else each.champion.version,
        next_version=each.decisions.version if each.is_change else None,
        is_learned=each.decisions.learned,
        notes=each.decisions.notes,
        rules=each.decisions.rules,
        changes=_entries(each, offered),
        candidates=_entries(
            each, (rule for rule in each.decisions.rules if rule.status in ("candidate", "vetoed"))
        ),
        against=each.against,
        source=tuple(_source(each)) if each.is_change else (),
    )


def _entries(each: PolicyPlan, rules: Iterable[Rule]) -> tuple[Entry, ...]:
    before = {rule.id: rule for rule in each.champion.active}
    return tuple(entry_of(rule, before.get(rule.id)) for rule in rules)


def _source(each: PolicyPlan) -> Iterator[str]:
    """Yield the unified diff; for version 1, every line is an addition."""
    older = "" if each.is_first else f"{module_name(each.policy, each.champion.version)}.py"
    newer = f"{module_name(each.policy, each.decisions.version)}.py"
    before, after = each.champion_source.splitlines(), each.source.splitlines()
    yield from difflib.unified_diff(before, after, fromfile=older, tofile=newer, lineterm="")


def _verdict(plan: Plan) -> str:
    read = f"log read to position {plan.log_position}"
    if not plan.changes and any(each.refused for each in plan.policies):
        return f"No changes: what was learned is not offered again; {read}."
    if not plan.changes:
        return f"No changes: no rule has the evidence yet; {read}."
    counts = f"{counted(len(plan.adopted), 'rule')} adopted, {len(plan.retired)} retired"
    return f"{len(plan.changes)} of {len(plan.policies)} policies would change: {counts}; {read}."


def diff_document(generated: Path, policy: str, old: int, new: int) -> DiffDocument:
    """Return what version `new` of a policy does differently from version `old`."""
    older, newer = (read_manifest(generated, policy, number).decisions for number in (old, new))
    before, after = ({rule.id: rule for rule in each.active} for each in (older, newer))
    both = sorted(before.keys() & after.keys())
    changed = [name for name in both if _acts(before[name]) != _acts(after[name])]
    added, removed = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    entries = [entry_of(after[name], before.get(name)) for name in sorted([*added, *changed])]
    return DiffDocument(
        policy=policy,
        old=old,
        new=new,
        added=tuple(after[name] for name in added),
        removed=tuple(before[name] for name in removed),
        changed=tuple(ChangedRule(old=before[name], new=after[name]) for name in changed),
        unchanged=len(both) - len(changed),
        changes=(*entries, *(_gone(before[name], newer) for name in removed)),
        against=_against(generated, policy, old, new),
        notes=newer.notes,
        source=tuple(_source_diff(generated, policy, old, new)),
    )


def _acts(rule: Rule) -> tuple[object, object]:
    return rule.condition, rule.parameters


def _gone(rule: Rule, newer: Decisions) -> Entry:
    """Return a rule that no longer acts, with the newer version's reason where it gives one."""
    retired = msgspec.structs.replace(rule, status="retired", was="", reason="", evidence=None)
    return entry_of(
        next((each for each in newer.rules if each.id == rule.id and each.status == "retired"), retired)
    )


def _against(generated: Path, policy: str, old: int, new: int) -> Against | None:
    """Return the comparison that the newer manifest holds, or compare both versions now."""
    known = read_manifest(generated, policy, new).against
    if known is not None and known.version == old:
        return known
    behaviour = spec_of(policy).behaviour
    if behaviour is None:
        return None
    older, newer = (published_source(generated, policy, number) for number in (old, new))
    found = compare(older, newer, importlib.import_module(behaviour).BEHAVIOUR)
    return Against(version=old, comparison=found)


def _source_diff(generated: Path, policy: str, old: int, new: int) -> Iterator[str]:
    before, after = (published_source(generated, policy, number).splitlines() for number in (old, new))
    names = [f"{module_name(policy, number)}.py" for number in (old, new)]
    yield from difflib.unified_diff(before, after, fromfile=names[0], tofile=names[1], lineterm="")


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


def _events(log: FeedbackLog, rule: Rule) -> tuple[tuple[str, RawEvent | None], ...]:
    """Return the events that the evidence names; None for one that this log does not hold."""
    if rule.evidence is None:
        return ()
    names = rule.evidence.sample_events
    found: dict[str, RawEvent] = {}
    for each in log.named(frozenset(names), until=rule.since_position or None):
        found.setdefault(each.id, each)
    return tuple((name, found.get(name)) for name in names)
