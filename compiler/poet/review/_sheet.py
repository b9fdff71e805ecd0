"""A sheet: what a plan or a difference says, in the order in which a reviewer asks."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from poet.compare import Against
from poet.decisions import Decisions, Interval, Rule
from poet.pipeline import Plan, PolicyPlan
from poet.publish import read_manifest
from poet.review._against import compared
from poet.review._plan import left_lines, unchanged_lines, verdict
from poet.review._rules import counted, in_words, interval_pairs
from poet.review._source import plan_diff, source_diff

__all__ = ["Entry", "Section", "Sheet", "diff_sheet", "plan_sheet"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule and what it was; `words` say what it does now."""

    rule: Rule
    words: str
    was: str = ""

    @property
    def pairs(self) -> list[tuple[str, Interval | None, Interval | None]]:
        """Each quantity of the evidence with what it was and what it is."""
        return interval_pairs(self.rule.evidence) if self.rule.evidence else []


@dataclass(frozen=True, slots=True)
class Section:
    """One policy: rules, what they do otherwise than before, and last the source."""

    policy: str
    older: int | None  # None: it was not there
    newer: int
    entries: tuple[Entry, ...]
    against: Against | None = None
    remarks: tuple[str, ...] = ()  # edits by hand, denominators, refusals
    source: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """The verdict first, what stays last."""

    verdict: str
    costs: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    refused: tuple[Section, ...] = ()  # what was learned and is not offered; the first remark says why
    held: tuple[Section, ...] = ()
    rest: tuple[str, ...] = ()


def plan_sheet(plan: Plan) -> Sheet:
    """Bring a plan into order."""
    return Sheet(
        verdict=verdict(plan),
        costs=tuple(map(str, plan.costs)),
        sections=tuple(_changed(each) for each in plan.changes),
        refused=tuple(_refused(each) for each in plan.policies if each.refused),
        held=tuple(_held(each) for each in plan.policies if each.decisions.learned and _waiting(each)),
        rest=(*unchanged_lines(plan), *left_lines(plan)),
    )


def diff_sheet(generated: Path, policy: str, old: int, new: int) -> Sheet:
    """Bring the difference between two published versions into order."""
    before, after = (read_manifest(generated, policy, number).decisions for number in (old, new))
    entries, same = _entries(before, after)
    section = Section(
        policy,
        old,
        new,
        entries,
        against=compared(generated, policy, old, new),
        remarks=after.notes,
        source=tuple(source_diff(generated, policy, old, new)),
    )
    return Sheet(
        verdict=f"{policy}: version {old} → {new}, {counted(len(entries), 'changed rule')}",
        sections=(section,),
        rest=(f"{counted(same, 'rule')} unchanged",),
    )


def _changed(each: PolicyPlan) -> Section:
    older = None if each.is_first else each.champion.version
    return Section(
        each.policy,
        older,
        each.decisions.version,
        _of_plan(each, (*each.with_status("adopted", "pinned"), *each.with_status("retired"))),
        against=each.against,
        remarks=(*(f"edited by hand: {edit}" for edit in each.edits), *each.decisions.notes),
        source=tuple(plan_diff(each)),
    )


def _refused(each: PolicyPlan) -> Section:
    version = each.champion.version
    return Section(each.policy, version, version, (), against=each.against, remarks=(each.refused,))


def _held(each: PolicyPlan) -> Section:
    notes = () if each.is_change else each.decisions.notes
    version = each.champion.version
    return Section(each.policy, version, version, _of_plan(each, _waiting(each)), remarks=notes)


def _waiting(each: PolicyPlan) -> list[Rule]:
    return [rule for rule in each.decisions.rules if rule.status in ("held", "vetoed")]


def _of_plan(each: PolicyPlan, rules: Iterable[Rule]) -> tuple[Entry, ...]:
    before = {rule.id: rule for rule in each.champion.active}
    return tuple(_entry(rule, before.get(rule.id)) for rule in rules)


def _entries(before: Decisions, after: Decisions) -> tuple[tuple[Entry, ...], int]:
    old, new = ({rule.id: rule for rule in each.active} for each in (before, after))
    changed = [
        _entry(new[name], old.get(name))
        for name in sorted(new)
        if name not in old
        or (old[name].condition, old[name].parameters) != (new[name].condition, new[name].parameters)
    ]
    gone = [_entry(_gone(old[name], after), None) for name in sorted(old.keys() - new.keys())]
    return (*changed, *gone), len(new) - len(changed)


def _gone(rule: Rule, after: Decisions) -> Rule:
    """Give the word of the newer version on a rule that it has not any more."""
    return next((each for each in after.rules if each.id == rule.id and each.status == "retired"), rule)


def _entry(rule: Rule, before: Rule | None) -> Entry:
    was = rule.was or (in_words(before) if before is not None and rule.status != "retired" else "")
    return Entry(rule, in_words(rule), was)
