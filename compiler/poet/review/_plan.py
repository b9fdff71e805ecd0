"""A plan as a document: the verdict first, then what changes and why, what waits, what stays."""

import difflib
from collections.abc import Iterable, Iterator, Mapping

from msgspec import UNSET

from poet.decisions import Rule
from poet.pipeline import Plan, PolicyPlan
from poet.publish import module_name
from poet.review._document import Entry, PlanDocument, PlannedPolicy
from poet.review._words import counted, in_words


def plan_document(plan: Plan, *, published: Mapping[str, int] | None = None) -> PlanDocument:
    """Return what a plan says, and which versions a compile of it published."""
    return PlanDocument(
        verdict=_verdict(plan),
        log_position=plan.log_position,
        has_changes=bool(plan.changes),
        left=dict(plan.left),
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
            each, (rule for rule in each.decisions.rules if rule.status in ("held", "vetoed"))
        ),
        against=each.against,
        source=tuple(_source(each)) if each.is_change else (),
    )


def _entries(each: PolicyPlan, rules: Iterable[Rule]) -> tuple[Entry, ...]:
    before = {rule.id: rule for rule in each.champion.active}
    return tuple(entry_of(rule, before.get(rule.id)) for rule in rules)


def _source(each: PolicyPlan) -> Iterator[str]:
    """Yield the unified diff; everything is new in a version 1."""
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
