"""Validated modules become versions on disk; one rename makes them visible.

Modules and manifests are written first, under names that the registry does not mention yet. Then the new
registry file takes the old one's place. Before that rename nothing has happened, after it everything.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from poet.errors import PublishError
from poet.publish._files import exclusive, replace, sync_folder, tidy, write_new
from poet.publish._manifest import Version, encode, manifest_of, module_name
from poet.registry import PolicyEntry, RegistryDocument, VersionEntry, read_document
from poet.validate import ValidatedModule

__all__ = ["activate", "publish", "rollback"]

PATIENCE_S = 30.0
PACKAGE = '''"""The policies of this workspace. Written by poet; which version runs, registry.json says."""

from pathlib import Path

from poet.registry import Registry

_registry = Registry(Path(__file__).parent)


def __getattr__(name):
    if name.startswith("_"):
        raise AttributeError(name)
    return _registry.attribute(name)


def __dir__():
    return sorted(_registry.names())
'''


def publish(
    modules: Sequence[ValidatedModule],
    generated: Path,
    *,
    who: str,
    why: str,
    at: str,
    activate: bool = True,
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
        Whether the new versions answer from now on.
    patience_s
        How long to wait for another compiler.

    Raises
    ------
    PublishError
        A version of that number is there already and differs, or another compiler holds the lock.
    """
    generated.mkdir(parents=True, exist_ok=True)
    with exclusive(generated, patience_s=patience_s):
        tidy(generated)
        document = read_document(generated)
        versions = [_write(module, generated, document) for module in modules]
        write_new(generated / "__init__.py", PACKAGE.encode())
        entries = dict(document.policies)
        for version, module in zip(versions, modules, strict=True):
            manifest = encode(manifest_of(module))
            entries[version.policy] = _with(entries.get(version.policy), version, manifest, activate=activate)
        _commit(generated, document, entries, who=who, why=why, at=at)
    return tuple(versions)


def activate(generated: Path, policy: str, number: int, *, who: str, why: str, at: str) -> None:
    """Let a published version answer.

    Raises
    ------
    PublishError
        There is no such version.
    """
    with exclusive(generated, patience_s=PATIENCE_S):
        document = read_document(generated)
        entry = _entry(document, policy)
        if str(number) not in entry.versions:
            known = ", ".join(sorted(entry.versions, key=int))
            raise PublishError(f"{policy} has no version {number}; published are {known}")
        if entry.active == number:
            return
        moved = msgspec.structs.replace(entry, active=number, previous=entry.active)
        _commit(generated, document, document.policies | {policy: moved}, who=who, why=why, at=at)


def rollback(generated: Path, policy: str, *, who: str, why: str, at: str) -> int:
    """Let the version before the active one answer again, and give its number.

    Raises
    ------
    PublishError
        There was none before.
    """
    entry = _entry(read_document(generated), policy)
    if entry.previous is None:
        raise PublishError(
            f"{policy} has only ever run version {entry.active}; "
            f"`poet activate {policy} N` picks any published one"
        )
    activate(generated, policy, entry.previous, who=who, why=why, at=at)
    return entry.previous


def _entry(document: RegistryDocument, policy: str) -> PolicyEntry:
    if policy not in document.policies:
        known = ", ".join(sorted(document.policies)) or "none"
        raise PublishError(f"no policy {policy!r} is published; published are {known}")
    return document.policies[policy]


def _write(module: ValidatedModule, generated: Path, document: RegistryDocument) -> Version:
    decisions = module.checked.rendered.decisions
    name = module_name(decisions.policy, decisions.version)
    source = module.checked.rendered.source.encode()
    digest = hashlib.sha256(source).hexdigest()
    entry = document.policies.get(decisions.policy)
    known = entry.versions.get(str(decisions.version)) if entry else None
    if known is not None and known.sha256 != digest:
        raise PublishError(f"{name} is published already and differs; a version never changes: compile again")
    path = generated / f"{name}.py"
    write_new(path, source)
    write_new(generated / f"{name}.json", encode(manifest_of(module)))
    return Version(policy=decisions.policy, number=decisions.version, path=path, sha256=digest)


def _with(entry: PolicyEntry | None, version: Version, manifest: bytes, *, activate: bool) -> PolicyEntry:
    added = VersionEntry(
        module=version.path.name, sha256=version.sha256, manifest_sha256=hashlib.sha256(manifest).hexdigest()
    )
    if entry is None:
        return PolicyEntry(active=version.number, previous=None, versions={str(version.number): added})
    versions = entry.versions | {str(version.number): added}
    if not activate or entry.active == version.number:
        return msgspec.structs.replace(entry, versions=versions)
    return PolicyEntry(active=version.number, previous=entry.active, versions=versions)


def _commit(
    generated: Path,
    before: RegistryDocument,
    entries: Mapping[str, PolicyEntry],
    *,
    who: str,
    why: str,
    at: str,
) -> None:
    moves = [
        {
            "policy": policy,
            "from": before.active(policy),
            "to": entry.active,
            "who": who,
            "why": why,
            "when": at,
        }
        for policy, entry in sorted(entries.items())
        if before.active(policy) != entry.active
    ]
    after = RegistryDocument(generation=before.generation + 1, policies=dict(entries))
    content = msgspec.json.format(msgspec.json.encode(after, order="sorted"), indent=2) + b"\n"
    # The journal says what was about to happen; a kill before the rename leaves one line too many in it,
    # never a change that no line tells of.
    with (generated / "journal.jsonl").open("a", encoding="utf-8") as journal:
        journal.writelines(json.dumps(move, sort_keys=True) + "\n" for move in moves)
    sync_folder(generated)
    replace(generated / "registry.json", content)
