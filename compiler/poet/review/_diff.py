"""Two versions: rule by rule with evidence, then the source diff."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from poet.decisions import Rule
from poet.publish import read_manifest
from poet.review._against import against_lines, compared
from poet.review._rules import in_words, rule_lines
from poet.review._source import source_diff

__all__ = ["diff_document", "diff_lines"]

FORMAT_VERSION = 1


def diff_document(generated: Path, policy: str, old: int, new: int) -> dict[str, object]:
    """Give the difference between two versions as plain data."""
    before = {rule.id: rule for rule in read_manifest(generated, policy, old).decisions.active}
    after = {rule.id: rule for rule in read_manifest(generated, policy, new).decisions.active}
    changed = [name for name in before.keys() & after.keys() if _acts(before[name]) != _acts(after[name])]
    return {
        "format_version": FORMAT_VERSION,
        "policy": policy,
        "old": old,
        "new": new,
        "added": [msgspec.to_builtins(after[name]) for name in sorted(after.keys() - before.keys())],
        "removed": [msgspec.to_builtins(before[name]) for name in sorted(before.keys() - after.keys())],
        "changed": [
            {"old": msgspec.to_builtins(before[name]), "new": msgspec.to_builtins(after[name])}
            for name in sorted(changed)
        ],
        "against": msgspec.to_builtins(compared(generated, policy, old, new)),
        "source": list(source_diff(generated, policy, old, new)),
    }


def diff_lines(generated: Path, policy: str, old: int, new: int) -> Iterator[str]:
    """Give the difference between two versions as lines of text."""
    before = {rule.id: rule for rule in read_manifest(generated, policy, old).decisions.active}
    after = {rule.id: rule for rule in read_manifest(generated, policy, new).decisions.active}
    yield f"{policy}: version {old} → {new}"
    yield from against_lines(compared(generated, policy, old, new))
    same = 0
    for name in sorted(before.keys() | after.keys()):
        if name in before and name in after and _acts(before[name]) == _acts(after[name]):
            same += 1
        elif name not in after:
            yield f"- {name}: {in_words(before[name])}"
        else:
            yield from rule_lines(after[name])
    yield f"  {same} rules are the same"
    yield ""
    yield from source_diff(generated, policy, old, new)


def _acts(rule: Rule) -> tuple[object, object]:
    return rule.condition, rule.parameters
