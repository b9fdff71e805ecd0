"""Two published versions as a document: rules with evidence, behavior, source."""

import difflib
import importlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from poet.compare import Against, compare
from poet.decisions import Decisions, Rule
from poet.policies import policy as spec_of
from poet.publish import module_name, published_source, read_manifest
from poet.review._document import ChangedRule, DiffDocument, Entry
from poet.review._plan import entry_of


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
        source=tuple(_source(generated, policy, old, new)),
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


def _source(generated: Path, policy: str, old: int, new: int) -> Iterator[str]:
    before, after = (published_source(generated, policy, number).splitlines() for number in (old, new))
    names = [f"{module_name(policy, number)}.py" for number in (old, new)]
    yield from difflib.unified_diff(before, after, fromfile=names[0], tofile=names[1], lineterm="")
