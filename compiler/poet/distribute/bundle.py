r"""Bundles: published versions with their files, as one signed canonical JSON document.

`pack` builds the document from the published versions; the same workspace state yields the same bytes.
`sign` writes the signed file, and `open_bundle` verifies and reads it.

The content is a document rather than an archive. In an archive, names may point outside the folder, entries
may occur twice, sizes may be wrong and compression may explode. The document maps file names to texts, and
even the names are not trusted: they follow from the policies and version numbers of the contained registry,
and a document with an extra or a missing file is rejected. It is uncompressed, so reading cannot inflate it,
and any pager displays it. Canonical means that exactly one byte sequence represents a document: the decoded
document is encoded again and must yield the same bytes. This rules out duplicate keys, another order and
unknown fields.

The signed file is a header of 96 bytes followed by the document and nothing else:

    16 bytes   b"poet bundle 1\r\n\0": the file type; the line end reveals transfers that change line ends
     8 bytes   the id of the signing key
    64 bytes   the Ed25519 signature
     8 bytes   the length of the document, big-endian
     …         the document

The signature covers the exact bytes of key id, length and document, after a prefix that is specific to
bundles, so a signature made with the same key for another purpose is never valid here. It is verified before
any byte of the document is parsed. The length must equal that of the rest of the file, which distinguishes a
truncated or extended file from a forged one.
"""

import hashlib
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from poet.distribute.keys import PrivateKey, TrustedKey
from poet_runtime.errors import BundleError, RegistryError
from poet_runtime.registry import (
    PolicyEntry,
    PublishedVersion,
    RegistryDocument,
    VersionEntry,
    decode_document,
    read_document,
    read_published,
)

FORMAT: Final = 1
LARGEST_FILE: Final = 8 * 2**20
_POLICY: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")  # as in `poet.policies`: names never differ only in case
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")


class BundleDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Versions for another machine.

    `origin` identifies the workspace. `registry` is the future content of ``registry.json``, with the
    generation of the workspace and the active and previous version of each policy. `files` maps the names of
    their files to the texts.
    """

    format: int = FORMAT
    origin: str
    registry: RegistryDocument
    files: dict[str, str]

    @property
    def generation(self) -> int:
        """Return the generation of the workspace that these versions come from."""
        return self.registry.generation

    @property
    def active(self) -> dict[str, int]:
        """Return the active version of each policy."""
        return {name: entry.active for name, entry in sorted(self.registry.policies.items())}


class _ManifestHeader(msgspec.Struct, frozen=True):
    """The fields of a manifest that identify its module; the rest is for people and the compiler."""

    policy: str
    version: int
    source_sha256: str
    source: str | None = None  # None in manifests of older releases, which did not store it


def encode(document: BundleDocument) -> bytes:
    """Return the canonical bytes of a consistent document.

    Raises
    ------
    BundleError
        The document is inconsistent.
    """
    _refuse_broken(document)
    return msgspec.json.encode(document, order="sorted")


def decode(content: bytes) -> BundleDocument:
    """Read a document whose signature was verified.

    Raises
    ------
    BundleError
        The document has an unknown format, is not canonical, or is inconsistent.
    """
    try:
        document = msgspec.json.decode(content, type=BundleDocument)
        again = msgspec.json.encode(document, order="sorted")
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"the bundle's document cannot be read: {error}; create the bundle again"
        ) from error
    if again != content:
        raise BundleError("the bundle's document is not in its canonical form; create the bundle again")
    if document.format != FORMAT:
        raise BundleError(
            f"the bundle has format {document.format}, this release reads {FORMAT}; "
            "install the release of poet that created it"
        )
    _refuse_broken(document)
    return document


def identity_of(content: bytes) -> str:
    """Return the digest that identifies a document, independent of its signature."""
    return hashlib.sha256(content).hexdigest()


def registry_bytes(document: BundleDocument) -> bytes:
    """Return the future content of ``registry.json``."""
    return msgspec.json.format(msgspec.json.encode(document.registry, order="sorted"), indent=2) + b"\n"


def _refuse_broken(document: BundleDocument) -> None:
    if document.generation < 1 or not document.registry.policies:
        raise BundleError("the bundle contains no published version; compile, then bundle again")
    _refuse_names(document)
    try:
        decode_document(registry_bytes(document), Path("registry.json"))
    except RegistryError as error:
        raise BundleError(f"the bundle's registry is invalid: {error}") from error
    wanted: set[str] = set()
    for policy, entry in document.registry.policies.items():
        for number, version in entry.versions.items():
            wanted |= {version.module, _manifest_name(version)}
            _refuse_another(document, policy, int(number), version)
    if unknown := sorted(document.files.keys() - wanted):
        raise BundleError(f"the bundle has {unknown[0]!r}, which its registry does not name; create it again")


def _refuse_names(document: BundleDocument) -> None:
    # File names derive only from these two, so no name can leave the folder or refer to another file.
    for policy, entry in document.registry.policies.items():
        if not _POLICY.fullmatch(policy):
            raise BundleError(
                f"{policy!r} is not a policy name: a lower-case letter, then lower-case letters, digits and _"
            )
        for number in entry.versions:
            if not _NUMBER.fullmatch(number):
                raise BundleError(f"{policy} has a version {number!r}; versions are numbered from 1")
        acts = {entry.active, entry.previous or entry.active}
        if {int(number) for number in entry.versions} != acts:
            raise BundleError(f"{policy}: a bundle must contain exactly the active and the previous version")


def _refuse_another(document: BundleDocument, policy: str, number: int, entry: VersionEntry) -> None:
    manifest = _content(document, _manifest_name(entry), entry.manifest_sha256)
    module = _content(document, entry.module, entry.sha256)
    try:
        header = msgspec.json.decode(manifest, type=_ManifestHeader)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{_manifest_name(entry)} is not a manifest: {error}") from error
    if (header.policy, header.version, header.source_sha256) != (policy, number, entry.sha256):
        raise BundleError(f"{_manifest_name(entry)} is the manifest of another module than {entry.module}")
    if header.source is not None and header.source.encode("utf-8", "surrogatepass") != module:
        raise BundleError(
            f"{_manifest_name(entry)} and {entry.module} have different sources; create the bundle again"
        )


def _content(document: BundleDocument, name: str, sha256: str) -> bytes:
    if name not in document.files:
        raise BundleError(f"the bundle lacks {name}, which its registry names; create it again")
    content = document.files[name].encode()
    if len(content) > LARGEST_FILE:
        raise BundleError(f"{name} has {len(content)} bytes; files in a bundle have at most {LARGEST_FILE}")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BundleError(f"{name} is not the file that the bundle's registry names; create the bundle again")
    return content


def _manifest_name(entry: VersionEntry) -> str:
    return entry.module.removesuffix(".py") + ".json"


LARGEST: Final = 64 * 2**20
_MAGIC: Final = b"poet bundle 1\r\n\0"
_SIGNED_AS: Final = b"poet policy bundle, signature 1\0"
_HEAD: Final = struct.Struct(">16s8s64s8s")
_LENGTH: Final = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle that was read: its document, its identity, and the id of the signing key."""

    document: BundleDocument
    identity: str
    key_id: str


def sign(document: BundleDocument, key: PrivateKey) -> bytes:
    """Return the signed file; the same document and key yield the same bytes.

    Raises
    ------
    BundleError
        The document is inconsistent, or larger than the limit of the runtime.
    """
    body = encode(document)
    if _HEAD.size + len(body) > LARGEST:
        raise BundleError(
            f"the bundle would have {_HEAD.size + len(body)} bytes; the limit is {LARGEST}: "
            "bundle only some of the policies"
        )
    length = _LENGTH.pack(len(body))
    signature = key.sign(_SIGNED_AS + key.public.id + length + body)
    return _HEAD.pack(_MAGIC, key.public.id, signature, length) + body


def open_bundle(content: bytes, trust: Sequence[TrustedKey]) -> Opened:
    """Verify a signed file, then read it.

    Raises
    ------
    BundleError
        The file is not a bundle, is incomplete, was not signed by a trusted key, or is inconsistent.
    """
    key_id, signature, length, body = _split(content)
    signers = [key for key in trust if key.id == key_id]
    if not signers:
        known = ", ".join(sorted(key.id.hex() for key in trust)) or "none"
        raise BundleError(
            f"the bundle is signed by key {key_id.hex()}, trusted are {known}; "
            "pass the line that `poet keygen` printed to `--trust`"
        )
    if not any(key.verifies(signature, _SIGNED_AS + key_id + length + body) for key in signers):
        raise BundleError(
            f"the bundle's signature is not by key {key_id.hex()}: the file was modified or forged"
        )
    return Opened(decode(body), identity_of(body), key_id.hex())


def reopen(content: bytes) -> Opened:
    """Read a signed file that was verified on arrival, whichever keys are trusted now."""
    key_id, _, _, body = _split(content)
    return Opened(decode(body), identity_of(body), key_id.hex())


def _split(content: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    if len(content) > LARGEST:
        raise BundleError(f"the bundle has more than {LARGEST} bytes, the limit; it was not read")
    if not content.startswith(_MAGIC):
        raise BundleError("this is not a bundle; `poet bundle` writes one")
    if len(content) < _HEAD.size:
        raise BundleError(f"the bundle ends after {len(content)} bytes, within its header; transfer it again")
    _, key_id, signature, length = _HEAD.unpack_from(content)
    (promised,) = _LENGTH.unpack(length)
    found = len(content) - _HEAD.size
    if promised != found:
        raise BundleError(
            f"the bundle's document has {found} bytes, its header says {promised}; transfer it again"
        )
    return key_id, signature, length, content[_HEAD.size :]


_JOURNAL: Final = "journal.jsonl"


def pack(generated: Path, policies: Iterable[str] = ()) -> BundleDocument:
    """Return a document with the active and the previous version of all policies, or of those named.

    The document contains the published files, even if a module on disk was edited or is missing.

    Raises
    ------
    BundleError
        Nothing is published, a policy is unknown, or a published file cannot be read.
    """
    document = read_document(generated)
    if not document.policies:
        raise BundleError(f"{generated} contains no published version; run `poet compile`")
    named = sorted(set(policies)) or sorted(document.policies)
    for policy in named:
        if policy not in document.policies:
            known = ", ".join(sorted(document.policies))
            raise BundleError(f"no policy {policy!r} is published; published are {known}")
    selected = {policy: _acting(document.policies[policy]) for policy in named}
    packed = BundleDocument(
        origin=_origin(generated),
        registry=RegistryDocument(generation=document.generation, policies=selected),
        files=dict(_files(generated, selected)),
    )
    encode(packed)  # rejects an inconsistent document before any runtime has to
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
    """Return a digest of the first line of the journal (who, when, why), which identifies the workspace."""
    try:
        with (generated / _JOURNAL).open("rb") as journal:
            first = journal.readline()
    except FileNotFoundError:
        first = b""
    except OSError as error:
        raise BundleError(
            f"{generated / _JOURNAL} cannot be read ({error.strerror}); check its permissions"
        ) from error
    return hashlib.sha256(b"poet workspace\0" + first.replace(b"\r\n", b"\n")).hexdigest()[:32]
