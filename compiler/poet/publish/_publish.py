"""Validated modules become versions on disk; one rename makes them visible.

Manifests and modules are written first, under names that the registry does not mention yet. Then the new
registry file takes the old one's place. Before that rename nothing has happened, after it everything.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from poet.compare import Against
from poet.errors import PublishError
from poet.publish._change import Change, moved
from poet.publish._files import exclusive, place
from poet.publish._manifest import Version, encode, manifest_of, module_name
from poet.publish._package import STANDING
from poet.registry import PolicyEntry, RegistryDocument, VersionEntry
from poet.validate import ValidatedModule

__all__ = ["activate", "publish", "rollback"]

PATIENCE_S = 30.0
NOTHING: Mapping[str, Against] = MappingProxyType({})


def publish(
    modules: Sequence[ValidatedModule],
    generated: Path,
    *,
    who: str,
    why: str,
    at: str,
    activate: bool = True,
    against: Mapping[str, Against] = NOTHING,
    patience_s: float = PATIENCE_S,
) -> tuple[Version, ...]:
    """Publish modules together: after a kill at any moment either all of them are there or none is.

    Parameters
    ----------
    modules
        At most one a policy.
    generated
        The folder of versions; made where it is missing.
    who, why, at
        For the journal: a name, a sentence, a time (RFC 3339).
    activate
        Whether the new versions answer from now on. The first version of a policy always does.
    against
        By policy, what its new version does otherwise than the one it revises: for the manifest.
    patience_s
        How long to wait for another compiler.

    Raises
    ------
    PublishError
        A version of that number is there already and differs, or another compiler holds the lock.
    """
    generated.mkdir(parents=True, exist_ok=True)
    new = [_New(module, generated, against) for module in modules]
    with exclusive(generated, patience_s=patience_s):
        change = Change(generated, who=who, why=why, at=at)
        # Whatever can be refused is refused before the first write.
        for each in new:
            each.refuse_another(change.before)
        for name, content in STANDING.items():
            if not (generated / name).exists():
                place(generated / name, content)
        after = dict(change.before.policies)
        for each in new:
            each.write()
            after[each.policy] = _with(after.get(each.policy), each, activate=activate)
        change.commit(after)
    return tuple(each.version for each in new)


def activate(generated: Path, policy: str, number: int, *, who: str, why: str, at: str) -> None:
    """Let a published version answer.

    Raises
    ------
    PublishError
        There is no such version, or its file is not the one that was published.
    """
    with exclusive(generated, patience_s=PATIENCE_S):
        Change(generated, who=who, why=why, at=at).move(policy, number)


def rollback(generated: Path, policy: str, *, who: str, why: str, at: str) -> int:
    """Let the version before the active one answer again, and give its number.

    Raises
    ------
    PublishError
        There was none before, or its file is not the one that was published.
    """
    with exclusive(generated, patience_s=PATIENCE_S):
        change = Change(generated, who=who, why=why, at=at)
        entry = change.entry(policy)
        number = entry.previous
        if number is None:
            raise PublishError(
                f"{policy} has only ever run version {entry.active}; "
                f"`poet activate {policy} N` picks any published one"
            )
        change.move(policy, number)
    return number


class _New:
    """The two files of a new version, and its entry."""

    def __init__(self, module: ValidatedModule, generated: Path, against: Mapping[str, Against]) -> None:
        decisions = module.checked.rendered.decisions
        self.policy, self.number = decisions.policy, decisions.version
        name = module_name(self.policy, self.number)
        source = module.checked.rendered.source.encode()
        manifest = encode(manifest_of(module, against.get(self.policy)))
        # The manifest first: a module without one was never ours, which tells a kill in between from an edit.
        self.files = {generated / f"{name}.json": manifest, generated / f"{name}.py": source}
        self.entry = VersionEntry(
            module=f"{name}.py",
            sha256=hashlib.sha256(source).hexdigest(),
            manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        )
        path = generated / self.entry.module
        self.version = Version(policy=self.policy, number=self.number, path=path, sha256=self.entry.sha256)

    def refuse_another(self, document: RegistryDocument) -> None:
        """Refuse to take the place of anything that is not this very version."""
        known = document.policies.get(self.policy)
        there = known.versions.get(str(self.number)) if known else None
        if there not in (None, self.entry):
            raise PublishError(
                f"{self.policy} version {self.number} is published already and differs; "
                "a version never changes: compile again for the next one"
            )
        for path, content in self.files.items():
            if path.exists() and path.read_bytes() != content:
                raise PublishError(
                    f"{path} is in the way and is not what would be published; nobody's edit is "
                    "overwritten: move it away, or restore it from version control"
                )

    def write(self) -> None:
        for path, content in self.files.items():
            if not path.exists():
                place(path, content)


def _with(entry: PolicyEntry | None, new: _New, *, activate: bool) -> PolicyEntry:
    if entry is None:
        return PolicyEntry(active=new.number, previous=None, versions={str(new.number): new.entry})
    added = msgspec.structs.replace(entry, versions=entry.versions | {str(new.number): new.entry})
    return moved(added, new.number) if activate else added
