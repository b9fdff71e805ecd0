"""A plan: the verdict first, then what changes and why, what is held, what stays in one line."""

from collections.abc import Iterator

import msgspec

from poet.decisions import Rule
from poet.pipeline import Plan, PolicyPlan
from poet.review._against import against_lines
from poet.review._rules import clean, counted, rule_lines
from poet.review._source import plan_diff

__all__ = ["left_lines", "plan_document", "plan_lines", "unchanged_lines", "verdict"]

FORMAT_VERSION = 1


def plan_document(plan: Plan) -> dict[str, object]:
    """Give a plan as plain data."""
    return {
        "format_version": FORMAT_VERSION,
        "log_position": plan.log_position,
        "has_changes": bool(plan.changes),
        "left": dict(plan.left),
        "costs": msgspec.to_builtins(plan.costs),
        "policies": [
            {
                "policy": each.policy,
                "is_change": each.is_change,
                "refused": each.refused,
                "edits": [str(edit) for edit in each.edits],
                "active_version": None if each.is_first else each.champion.version,
                "next_version": each.decisions.version if each.is_change else None,
                "is_learned": each.decisions.learned,
                "notes": list(each.decisions.notes),
                "rules": msgspec.to_builtins(each.decisions.rules),
                "against": msgspec.to_builtins(each.against),
                "source": list(plan_diff(each)) if each.is_change else [],
            }
            for each in plan.policies
        ],
    }


def plan_lines(plan: Plan, *, with_source: bool = True) -> Iterator[str]:
    """Give a plan as lines of text, the source diff last."""
    yield verdict(plan)
    if plan.costs:
        yield f"costs: {'; '.join(map(str, plan.costs))}"
    for each in plan.changes:
        yield from _changed(each)
    for each in plan.policies:
        if each.refused:
            yield ""
            yield f"{each.policy}: version {each.champion.version} stays: {clean(each.refused)}"
            yield from against_lines(each.against)
    for each in plan.policies:
        if each.decisions.learned and any(_held(each)):
            yield from _waiting(each)
    yield ""
    yield from unchanged_lines(plan)
    yield from map(clean, left_lines(plan))
    for each in plan.changes if with_source else ():
        yield ""
        yield from map(clean, plan_diff(each))


def _changed(each: PolicyPlan) -> Iterator[str]:
    yield ""
    before = "not there yet" if each.is_first else each.champion.version
    yield f"{each.policy}: version {before} → {each.decisions.version}"
    yield from (f"  edited by hand: {clean(str(edit))}" for edit in each.edits)
    for rule in (*each.with_status("adopted", "pinned"), *each.with_status("retired")):
        yield from rule_lines(rule)
    yield from against_lines(each.against)
    yield from _notes(each)


def _waiting(each: PolicyPlan) -> Iterator[str]:
    yield ""
    yield f"{each.policy}: held, nearest to adoption"
    for rule in _held(each):
        yield from rule_lines(rule)
    if not each.is_change:
        yield from _notes(each)


def unchanged_lines(plan: Plan) -> Iterator[str]:
    """Say in a line which policies stay as they are."""
    same = [
        each.policy
        for each in plan.policies
        if not each.is_change and not each.refused and each.decisions.learned
    ]
    unlearned = [each.policy for each in plan.policies if not each.decisions.learned]
    if same:
        yield f"unchanged: {', '.join(same)}"
    if unlearned:
        yield f"not learned yet: {', '.join(unlearned)}"


def left_lines(plan: Plan) -> Iterator[str]:
    """Say which policies nothing could be learned for, and why."""
    yield from (f"left as it is: {policy}: {problem}" for policy, problem in plan.left.items())


def _held(each: PolicyPlan) -> Iterator[Rule]:
    yield from (rule for rule in each.decisions.rules if rule.status in ("held", "vetoed"))


def _notes(each: PolicyPlan) -> Iterator[str]:
    yield from (f"    ({clean(note)})" for note in each.decisions.notes)


def verdict(plan: Plan) -> str:
    """Say what a plan comes to, in a sentence."""
    read = f"log read to position {plan.log_position}"
    if not plan.changes and any(each.refused for each in plan.policies):
        return f"No changes: what was learned is not offered again; {read}."
    if not plan.changes:
        return f"No changes: no rule has the evidence yet; {read}."
    counts = f"{counted(len(plan.adopted), 'rule')} adopted, {len(plan.retired)} retired"
    return f"{len(plan.changes)} of {len(plan.policies)} policies would change: {counts}; {read}."
