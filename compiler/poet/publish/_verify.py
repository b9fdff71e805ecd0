"""Every generated file follows from its manifest: what `poet compile --check` asks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from poet.decisions import Decisions
from poet.errors import PoetError, PublishError, RegistryError
from poet.publish._manifest import Manifest, module_name, read_manifest
from poet.publish._package import STANDING
from poet.registry import (
    ChangedModule,
    VersionEntry,
    as_published,
    changed_modules,
    read_document,
    read_published,
)
from poet.render import RenderedModule

__all__ = ["Difference", "check_generated", "published_manifest", "published_source"]

OURS = {".gitattributes", "pins.json", "registry.json", "journal.jsonl", ".lock", "__pycache__", *STANDING}


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that is not what its manifest gives."""

    file: str
    says: str


def published_manifest(generated: Path, policy: str, number: int) -> Manifest:
    """Read the manifest of a version, having seen that it is the one that was published.

    Raises
    ------
    PublishError
        There is no such version, or its manifest was changed since.
    """
    manifest = read_manifest(generated, policy, number)
    path = generated / f"{module_name(policy, number)}.json"
    if as_published(path.read_bytes(), _entry(generated, policy, number).manifest_sha256) is None:
        raise PublishError(
            f"{path} is not the manifest that was published; restore it from version control, then try again"
        )
    return manifest


def published_source(generated: Path, policy: str, number: int) -> str:
    """Return the source of a version as it was published, whatever became of the module on disk.

    Raises
    ------
    PublishError
        There is no such version, or what was published of it cannot be read.
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
    """Compare every published version with its digests and with what its decisions render to."""
    document = read_document(generated)
    found = _check_package(generated / "__init__.py") if document.policies else []
    known = set(OURS)
    for policy, entry in sorted(document.policies.items()):
        changed = {each.version: each for each in changed_modules(generated, policy, document)}
        for number, version in sorted(entry.versions.items(), key=lambda item: int(item[0])):
            known |= {version.module, f"{module_name(policy, int(number))}.json"}
            found += _check(generated, policy, int(number), version, render, changed.get(int(number)))
    strangers = sorted(path.name for path in generated.iterdir() if path.name not in known)
    return found + [
        Difference(name, "is not in registry.json: remove it, or publish it") for name in strangers
    ]


def _check_package(path: Path) -> list[Difference]:
    if path.is_file() and path.read_bytes().replace(b"\r\n", b"\n") == STANDING[path.name]:
        return []
    return [
        Difference(path.name, "is not what every workspace has; remove it and the next compile writes it")
    ]


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
    """Whether a manifest is of this version, and keeps the source of this version if it keeps one."""
    if (manifest.policy, manifest.version, manifest.source_sha256) != (policy, number, entry.sha256):
        return False
    if manifest.source is None:
        return True
    return as_published(manifest.source.encode("utf-8", "surrogatepass"), entry.sha256) is not None


def _first_difference(source: bytes, rendered: RenderedModule, manifest: Manifest) -> str:
    there, given = source.decode(errors="replace").splitlines(), rendered.source.splitlines()
    line = next((n for n, (one, other) in enumerate(zip(there, given, strict=False)) if one != other), None)
    says = (
        f"has {len(there)} lines, its manifest gives {len(given)}"
        if line is None
        else f"line {line + 1} is {there[line].strip()!r}, its manifest gives {given[line].strip()!r}"
    )
    if manifest.template_sha256 != rendered.template_sha256:
        was, now = manifest.template_sha256[:12], rendered.template_sha256[:12]
        says += f"; the template has changed since, from {was}… to {now}…"
    return says
