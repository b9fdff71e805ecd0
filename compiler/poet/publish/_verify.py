"""Every generated file follows from its manifest: what `poet compile --check` asks."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from poet.decisions import Decisions
from poet.errors import PoetError, PublishError
from poet.publish._manifest import Manifest, module_name, read_manifest
from poet.publish._package import STANDING
from poet.registry import VersionEntry, read_document
from poet.render import RenderedModule

__all__ = ["Difference", "check_generated", "published_manifest"]

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
    entry = read_document(generated).policies.get(policy)
    version = None if entry is None else entry.versions.get(str(number))
    path = generated / f"{module_name(policy, number)}.json"
    if version is None:
        raise PublishError(f"{path} is of a version that registry.json does not name; restore that file")
    if hashlib.sha256(path.read_bytes()).hexdigest() != version.manifest_sha256:
        raise PublishError(
            f"{path} is not the manifest that was published; restore it from version control, then try again"
        )
    return manifest


def check_generated(generated: Path, render: Callable[[Decisions], RenderedModule]) -> list[Difference]:
    """Compare every published version with its digests and with what its decisions render to."""
    document = read_document(generated)
    found = _check_package(generated / "__init__.py") if document.policies else []
    known = set(OURS)
    for policy, entry in sorted(document.policies.items()):
        for number, version in sorted(entry.versions.items(), key=lambda item: int(item[0])):
            known |= {version.module, f"{module_name(policy, int(number))}.json"}
            found += _check(generated, policy, int(number), version, render)
    strangers = sorted(path.name for path in generated.iterdir() if path.name not in known)
    return found + [
        Difference(name, "is not in registry.json: remove it, or publish it") for name in strangers
    ]


def _check_package(path: Path) -> list[Difference]:
    if path.is_file() and path.read_bytes() == STANDING[path.name]:
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
) -> list[Difference]:
    path = generated / entry.module
    manifest_path = path.with_suffix(".json")
    missing = [each.name for each in (path, manifest_path) if not each.is_file()]
    if missing:
        return [Difference(name, "is missing; restore it from version control") for name in missing]
    found = []
    if hashlib.sha256(manifest_path.read_bytes()).hexdigest() != entry.manifest_sha256:
        found.append(Difference(manifest_path.name, "is not the manifest that registry.json names"))
    source = path.read_bytes()
    if hashlib.sha256(source).hexdigest() != entry.sha256:
        found.append(Difference(path.name, "was changed after it was published"))
    try:
        manifest = read_manifest(generated, policy, number)
        rendered = render(manifest.decisions)
    except PoetError as error:
        return [*found, Difference(path.name, f"cannot be rendered again: {error}")]
    if (manifest.policy, manifest.version, manifest.source_sha256) != (policy, number, entry.sha256):
        found.append(Difference(manifest_path.name, f"is the manifest of another module than {path.name}"))
    if rendered.source.encode() != source:
        found.append(Difference(path.name, _first_difference(source, rendered, manifest)))
    return found


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
