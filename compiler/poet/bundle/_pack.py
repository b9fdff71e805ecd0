"""Published versions → a document; the same workspace state gives the same bytes."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from poet.bundle._document import BundleDocument, encode
from poet.errors import BundleError, RegistryError
from poet.registry import (
    PolicyEntry,
    PublishedVersion,
    RegistryDocument,
    VersionEntry,
    read_document,
    read_published,
)

__all__ = ["pack"]

_JOURNAL = "journal.jsonl"


def pack(generated: Path, policies: Iterable[str] = ()) -> BundleDocument:
    """Put together the active and the previous version of every policy, or of those named.

    What travels is what was published, also where a module on disk was edited or is missing.

    Raises
    ------
    BundleError
        Nothing is published, a policy is unknown, or what was published cannot be read.
    """
    document = read_document(generated)
    if not document.policies:
        raise BundleError(f"{generated} holds no published version; `poet compile` publishes some")
    named = sorted(set(policies)) or sorted(document.policies)
    for policy in named:
        if policy not in document.policies:
            known = ", ".join(sorted(document.policies))
            raise BundleError(f"no policy {policy!r} is published; published are {known}")
    kept = {policy: _acting(document.policies[policy]) for policy in named}
    packed = BundleDocument(
        origin=_origin(generated),
        registry=RegistryDocument(generation=document.generation, policies=kept),
        files=dict(_files(generated, kept)),
    )
    encode(packed)  # refuses what does not match, so that no runtime has to
    return packed


def _acting(entry: PolicyEntry) -> PolicyEntry:
    wanted = {str(entry.active), str(entry.previous or entry.active)}
    versions = {number: version for number, version in entry.versions.items() if number in wanted}
    return msgspec.structs.replace(entry, versions=versions)


def _files(generated: Path, policies: dict[str, PolicyEntry]) -> Iterable[tuple[str, str]]:
    for _, entry in sorted(policies.items()):
        for _, version in sorted(entry.versions.items()):
            published = _published(generated, version)
            yield _file(published.path, published.source)
            yield _file(published.path.with_suffix(".json"), published.manifest)


def _published(generated: Path, version: VersionEntry) -> PublishedVersion:
    try:
        return read_published(generated, version)
    except RegistryError as error:
        raise BundleError(f"{error}, then bundle again") from error


def _file(path: Path, content: bytes) -> tuple[str, str]:
    try:
        return path.name, content.decode()
    except UnicodeDecodeError as error:
        raise BundleError(
            f"{path} is not UTF-8 ({error}); restore it from version control, then bundle again"
        ) from error


def _origin(generated: Path) -> str:
    """Name the workspace by the first line of its journal: who made it, when and why."""
    try:
        with (generated / _JOURNAL).open("rb") as journal:
            first = journal.readline()
    except FileNotFoundError:
        first = b""
    except OSError as error:
        raise BundleError(f"{generated / _JOURNAL} cannot be read ({error.strerror})") from error
    return hashlib.sha256(b"poet workspace\0" + first.replace(b"\r\n", b"\n")).hexdigest()[:32]
