"""Publish validated modules as versions on disk, made visible by one rename.

Manifests and modules are written first, under names that the registry does not mention yet. Then the new
registry file replaces the old one. The rename is atomic: before it no version is published, after it all are.

The files that make ``generated/`` a package (`STANDING`) are written once and are the same in every
workspace. Its types (``__init__.pyi``) follow from the registry. `check_generated` verifies for
`poet compile --check` that every generated file follows from its manifest.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from poet.build.compare import Against
from poet.build.gates import ValidatedModule
from poet.build.manifest import Manifest, Version, encode, manifest_of, module_name, read_manifest
from poet.build.render import RenderedModule
from poet.spec.decisions import Decisions
from poet_runtime.errors import PoetError, PublishError, RegistryError
from poet_runtime.files import atomic_write, lock
from poet_runtime.registry import (
    STANDING,
    TYPES_FILE,
    UPGRADE_FILE,
    Change,
    ChangedModule,
    PolicyEntry,
    RegistryDocument,
    Trial,
    VersionEntry,
    as_published,
    changed_modules,
    package_types,
    read_document,
    read_published,
    refuse_share,
    with_active_version,
)

ATTRIBUTES: Final = (
    "# A checkout must not change a byte: versions are known by their digests.\n"
    "* -text\n*.py linguist-generated=false\n*.json linguist-generated=true\n"
)

PATIENCE_S: Final = 30.0
NOTHING: Final[Mapping[str, Against]] = MappingProxyType({})


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
    """Publish modules atomically: after a crash at any time, either all are published or none is.

    Parameters
    ----------
    modules
        At most one per policy.
    generated
        The folder of versions; created if it is missing.
    who, why, at
        The author (a name), reason (a sentence) and time (RFC 3339) for the journal.
    activate
        Whether the new versions become active. The first version of a policy always does.
    against
        By policy, the comparison of its new version with the one it revises, for the manifest.
    trial, share
        Instead of becoming active, the new versions run as shadow or canary on this share of the calls.
    patience_s
        How long to wait for another compiler, in seconds.

    Raises
    ------
    PublishError
        A different version with the same number exists, the version is quarantined, or another compiler
        holds the lock.
    """
    if trial is not None:
        refuse_share(trial, share)
    generated.mkdir(parents=True, exist_ok=True)
    new = [_New(module, generated, against) for module in modules]
    with lock(generated, timeout_s=patience_s):
        change = Change(generated, who=who, why=why, at=at)
        # All checks that can fail run before the first write.
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
        write_package_types(generated)
    return tuple(each.version for each in new)


def write_package_types(generated: Path) -> None:
    """Write ``__init__.pyi`` as the registry implies, if it differs; the caller holds the folder's lock."""
    document = read_document(generated)
    if not has_package_types(generated, document):
        atomic_write(generated / TYPES_FILE, package_types(document))


def has_package_types(generated: Path, document: RegistryDocument) -> bool:
    """Return whether ``__init__.pyi`` is what the registry implies."""
    return _has_content(generated / TYPES_FILE, package_types(document))


def _has_content(path: Path, content: bytes) -> bool:
    """Return whether a file has this content, with any line endings."""
    return path.is_file() and path.read_bytes().replace(b"\r\n", b"\n") == content


class _New:
    """The two files of a new version, and its registry entry."""

    def __init__(self, module: ValidatedModule, generated: Path, against: Mapping[str, Against]) -> None:
        decisions = module.checked.rendered.decisions
        self.policy, self.number = decisions.policy, decisions.version
        name = module_name(self.policy, self.number)
        source = module.checked.rendered.source.encode()
        manifest = encode(manifest_of(module, against.get(self.policy)))
        # The manifest is written first. A module without one is foreign, which tells an edit from a crash.
        self.files = {generated / f"{name}.json": manifest, generated / f"{name}.py": source}
        self.entry = VersionEntry(
            module=f"{name}.py",
            sha256=hashlib.sha256(source).hexdigest(),
            manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        )
        path = generated / self.entry.module
        self.version = Version(policy=self.policy, number=self.number, path=path, sha256=self.entry.sha256)

    def refuse_another(self, document: RegistryDocument) -> None:
        """Raise `PublishError` if a file or registry entry of this version exists and differs."""
        known = document.policies.get(self.policy)
        existing = known.versions.get(str(self.number)) if known else None
        if existing not in (None, self.entry):
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
                    f"{path} exists and differs from what would be published; edits are never "
                    "overwritten: move the file away, or restore it from version control"
                )

    def write(self) -> None:
        for path, content in self.files.items():
            if not path.exists():
                atomic_write(path, content)


def _with(entry: PolicyEntry | None, new: _New, *, activate: bool) -> PolicyEntry:
    if entry is None:
        return PolicyEntry(active=new.number, previous=None, versions={str(new.number): new.entry})
    added = msgspec.structs.replace(entry, versions=entry.versions | {str(new.number): new.entry})
    return with_active_version(added, new.number) if activate else added


OURS: Final = {
    ".gitattributes",
    "pins.json",
    "registry.json",
    "journal.jsonl",
    ".lock",
    "__pycache__",
    UPGRADE_FILE,
    TYPES_FILE,
    *STANDING,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A generated file that differs from what its manifest implies."""

    file: str
    says: str


def published_manifest(generated: Path, policy: str, number: int) -> Manifest:
    """Read the manifest of a version and check that it is the published one.

    Raises
    ------
    PublishError
        The version does not exist, or its manifest was changed after publication.
    """
    manifest = read_manifest(generated, policy, number)
    path = generated / f"{module_name(policy, number)}.json"
    if as_published(path.read_bytes(), _entry(generated, policy, number).manifest_sha256) is None:
        raise PublishError(
            f"{path} is not the manifest that was published; restore it from version control, then try again"
        )
    return manifest


def published_source(generated: Path, policy: str, number: int) -> str:
    """Return the source of a version as it was published, even if the module on disk was changed.

    Raises
    ------
    PublishError
        The version does not exist, or its published source cannot be read.
    """
    try:
        return read_published(generated, _entry(generated, policy, number)).source.decode()
    except RegistryError as error:
        raise PublishError(str(error)) from error


def _entry(generated: Path, policy: str, number: int) -> VersionEntry:
    entry = read_document(generated).policies.get(policy)
    version = None if entry is None else entry.versions.get(str(number))
    if version is None:
        path = generated / f"{module_name(policy, number)}.json"
        raise PublishError(f"{path} is of a version that registry.json does not name; restore that file")
    return version


def check_generated(generated: Path, render: Callable[[Decisions], RenderedModule]) -> list[Difference]:
    """Return the differences between every published version and its digests or rendered decisions."""
    document = read_document(generated)
    found = list(_check_package(generated, document)) if document.policies else []
    if (generated / UPGRADE_FILE).exists():
        found.append(Difference(UPGRADE_FILE, "an upgrade did not finish; run `poet upgrade` again"))
    known = set(OURS)
    for policy, entry in sorted(document.policies.items()):
        changed = {each.version: each for each in changed_modules(generated, policy, document)}
        for number, version in sorted(entry.versions.items(), key=lambda item: int(item[0])):
            known |= {version.module, f"{module_name(policy, int(number))}.json"}
            found += _check(generated, policy, int(number), version, render, changed.get(int(number)))
    unknown = sorted(path.name for path in generated.iterdir() if path.name not in known)
    return found + [Difference(name, "is not in registry.json: remove it, or publish it") for name in unknown]


def _check_package(generated: Path, document: RegistryDocument) -> Iterator[Difference]:
    if not _has_content(generated / "__init__.py", STANDING["__init__.py"]):
        says = "is not what every workspace has; remove it and the next compile writes it"
        yield Difference("__init__.py", says)
    if not has_package_types(generated, document):
        says = "does not have the types of the newest versions; `poet upgrade` writes it"
        yield Difference(TYPES_FILE, says)


def _check(
    generated: Path,
    policy: str,
    number: int,
    entry: VersionEntry,
    render: Callable[[Decisions], RenderedModule],
    changed: ChangedModule | None,
) -> list[Difference]:
    path = generated / entry.module
    manifest_path = path.with_suffix(".json")
    needed = (path, manifest_path) if changed is None else (manifest_path,)
    missing = [each.name for each in needed if not each.is_file()]
    if missing:
        return [Difference(name, "is missing; restore it from version control") for name in missing]
    found = []
    if as_published(manifest_path.read_bytes(), entry.manifest_sha256) is None:
        found.append(Difference(manifest_path.name, "is not the manifest that registry.json names"))
    if changed is not None:
        found.append(Difference(path.name, f"{changed.says}; {changed.next_step}"))
    elif as_published(path.read_bytes(), entry.sha256) is None:
        found.append(Difference(path.name, "was changed after it was published"))
    try:
        manifest = read_manifest(generated, policy, number)
        rendered = render(manifest.decisions)
    except PoetError as error:
        return [*found, Difference(path.name, f"cannot be rendered again: {error}")]
    if not _is_of(manifest, policy, number, entry):
        found.append(Difference(manifest_path.name, f"is the manifest of another module than {path.name}"))
    is_edited = changed is None or changed.state == "edited"
    source = path.read_bytes() if is_edited else read_published(generated, entry).source
    if rendered.source.encode() != source:
        found.append(Difference(path.name, _first_difference(source, rendered, manifest)))
    return found


def _is_of(manifest: Manifest, policy: str, number: int, entry: VersionEntry) -> bool:
    """Return whether a manifest belongs to this version, including the source if it stores one."""
    if (manifest.policy, manifest.version, manifest.source_sha256) != (policy, number, entry.sha256):
        return False
    if manifest.source is None:
        return True
    return as_published(manifest.source.encode("utf-8", "surrogatepass"), entry.sha256) is not None


def _first_difference(source: bytes, rendered: RenderedModule, manifest: Manifest) -> str:
    found, given = source.decode(errors="replace").splitlines(), rendered.source.splitlines()
    line = next((n for n, (one, other) in enumerate(zip(found, given, strict=False)) if one != other), None)
    message = (
        f"has {len(found)} lines, its manifest gives {len(given)}"
        if line is None
        else f"line {line + 1} is {found[line].strip()!r}, its manifest gives {given[line].strip()!r}"
    )
    if manifest.template_sha256 != rendered.template_sha256:
        was, now = manifest.template_sha256[:12], rendered.template_sha256[:12]
        message += f"; the template has changed since, from {was}… to {now}…; `poet upgrade` renders it again"
    return message
