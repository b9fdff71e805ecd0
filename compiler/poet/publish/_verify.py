"""Every generated file follows from its manifest: what `poet compile --check` asks."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from poet.decisions import Decisions
from poet.errors import PoetError
from poet.publish._manifest import module_name, read_manifest
from poet.registry import VersionEntry, read_document
from poet.render import RenderedModule

__all__ = ["Difference", "check_generated"]

OURS = {".gitattributes", "__init__.py", "registry.json", "journal.jsonl", ".lock", "__pycache__"}


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that is not what its manifest gives."""

    file: str
    says: str


def check_generated(generated: Path, render: Callable[[Decisions], RenderedModule]) -> list[Difference]:
    """Compare every published version with its digests and with what its decisions render to."""
    document = read_document(generated)
    found: list[Difference] = []
    known = set(OURS)
    for policy, entry in sorted(document.policies.items()):
        for number, version in sorted(entry.versions.items(), key=lambda item: int(item[0])):
            known |= {version.module, f"{module_name(policy, int(number))}.json"}
            found += _check(generated, policy, int(number), version, render)
    strangers = sorted(path.name for path in generated.iterdir() if path.name not in known)
    return found + [
        Difference(name, "is not in registry.json: remove it, or publish it") for name in strangers
    ]


def _check(
    generated: Path,
    policy: str,
    number: int,
    entry: VersionEntry,
    render: Callable[[Decisions], RenderedModule],
) -> list[Difference]:
    path = generated / entry.module
    manifest_path = generated / f"{module_name(policy, number)}.json"
    if not path.is_file() or not manifest_path.is_file():
        return [Difference(entry.module, "is missing, or its manifest is; restore both from version control")]
    found = []
    if hashlib.sha256(manifest_path.read_bytes()).hexdigest() != entry.manifest_sha256:
        found.append(Difference(manifest_path.name, "is not the manifest that registry.json names"))
    source = path.read_bytes()
    if hashlib.sha256(source).hexdigest() != entry.sha256:
        found.append(Difference(path.name, "was changed after it was published"))
    try:
        rendered = render(read_manifest(generated, policy, number).decisions).source.encode()
    except PoetError as error:
        return [*found, Difference(path.name, f"cannot be rendered again: {error}")]
    if rendered != source:
        found.append(Difference(path.name, _first_difference(source, rendered)))
    return found


def _first_difference(there: bytes, rendered: bytes) -> str:
    ours, theirs = rendered.decode().splitlines(), there.decode(errors="replace").splitlines()
    for line, (one, other) in enumerate(zip(theirs, ours, strict=False), start=1):
        if one != other:
            return f"line {line} is {one.strip()!r}, its manifest gives {other.strip()!r}"
    return f"has {len(theirs)} lines, its manifest gives {len(ours)}"
