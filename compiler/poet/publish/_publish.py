"""Validated modules become versions on disk; one rename makes them visible.

Manifests and modules are written first, under names that the registry does not mention yet. Then the new
registry file takes the old one's place. Before that rename nothing has happened, after it everything.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import msgspec

from poet.compare import Against
from poet.errors import PublishError
from poet.files import atomic_write, lock
from poet.publish._manifest import Version, encode, manifest_of, module_name
from poet.publish._package import STANDING
from poet.registry import (
    Change,
    PolicyEntry,
    RegistryDocument,
    Trial,
    VersionEntry,
    moved,
    refuse_share,
)
from poet.validate import ValidatedModule

__all__ = ["publish"]

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
    trial: Literal["shadow", "canary"] | None = None,
    share: float = 0.1,
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
    trial, share
        Instead of answering, the new versions are put on trial, on this share of the calls.
    patience_s
        How long to wait for another compiler.

    Raises
    ------
    PublishError
        A version of that number is there already and differs, it is quarantined, or another compiler
        holds the lock.
    """
    if trial is not None:
        refuse_share(trial, share)
    generated.mkdir(parents=True, exist_ok=True)
    new = [_New(module, generated, against) for module in modules]
    with lock(generated, timeout_s=patience_s):
        change = Change(generated, who=who, why=why, at=at)
        # Whatever can be refused is refused before the first write.
        for each in new:
            each.refuse_another(change.before)
        for name, content in STANDING.items():
            if not (generated / name).exists():
                atomic_write(generated / name, content)
        after = dict(change.before.policies)
        for each in new:
            each.write()
            entry = _with(after.get(each.policy), each, activate=activate and trial is None)
            if trial is not None and entry.active != each.number:
                put = Trial(version=each.number, share=share, since=at)
                entry = msgspec.structs.replace(entry, **{trial: put})
            after[each.policy] = entry
        change.commit(after)
    return tuple(each.version for each in new)


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
        if known is not None and (word := known.quarantined(self.number)) is not None:
            raise PublishError(
                f"{self.policy} version {self.number} is quarantined since {word.when}: {word.why}; "
                f"`poet release {self.policy} {self.number}` lets it be offered again"
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
                atomic_write(path, content)


def _with(entry: PolicyEntry | None, new: _New, *, activate: bool) -> PolicyEntry:
    if entry is None:
        return PolicyEntry(active=new.number, previous=None, versions={str(new.number): new.entry})
    added = msgspec.structs.replace(entry, versions=entry.versions | {str(new.number): new.entry})
    return moved(added, new.number) if activate else added
