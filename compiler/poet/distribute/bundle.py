r"""What a bundle says: versions with their files, as one canonical JSON document.

A document rather than an archive. An archive has names that may point out of a folder, entries that may
occur twice, sizes that may lie and compression that may explode; here there is a text by file name, and the
names are not taken from it at all: they follow from the policies and numbers of the registry inside, and a
document that names one file more or less is refused. It is uncompressed, so nothing grows when it is read,
and it can be read with any pager. Canonical means that these bytes are the only ones that say it: what is
decoded is encoded again and must give the same bytes, which leaves no place for a key twice, another order
or an unknown field.

The signed file: 96 bytes of head, then the document, then nothing.

    16 bytes   b"poet bundle 1\r\n\0": what it is; the line end shows a transfer that changed it
     8 bytes   the id of the key that signed
    64 bytes   the Ed25519 signature
     8 bytes   how long the document is, big-endian
     …         the document (`poet.distribute.bundle`)

The signature is over the exact bytes of key id, length and document, behind a text of its own, so that a
signature made for anything else with the same key never counts here. It is verified before a single byte of
the document is looked at. The length must be that of the rest of the file, so a file that was cut or that
something was added to is told apart from a forged one.

Published versions → a document; the same workspace state gives the same bytes.
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
_POLICY: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")  # as `poet.policies` has it: no two differ in case alone
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")


class BundleDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Versions on their way to another machine.

    `origin` names the workspace, `registry` is what ``registry.json`` will be, with the generation of the
    workspace and the active and the previous version of each policy; `files` are their texts by name.
    """

    format: int = FORMAT
    origin: str
    registry: RegistryDocument
    files: dict[str, str]

    @property
    def generation(self) -> int:
        """The generation of the workspace that these versions are from."""
        return self.registry.generation

    @property
    def active(self) -> dict[str, int]:
        """The version that answers, by policy."""
        return {name: entry.active for name, entry in sorted(self.registry.policies.items())}


class _Told(msgspec.Struct, frozen=True):
    """What a manifest says of its module; the rest of it is for people and for the compiler."""

    policy: str
    version: int
    source_sha256: str
    source: str | None = None  # None in a manifest of a release before it was kept


def encode(document: BundleDocument) -> bytes:
    """Give the canonical bytes of a document that holds what it promises.

    Raises
    ------
    BundleError
        It does not.
    """
    _refuse_broken(document)
    return msgspec.json.encode(document, order="sorted")


def decode(content: bytes) -> BundleDocument:
    """Read a document whose signature was verified.

    Raises
    ------
    BundleError
        It is none that this release knows, it is not canonical, or something in it does not match.
    """
    try:
        document = msgspec.json.decode(content, type=BundleDocument)
        again = msgspec.json.encode(document, order="sorted")
    except (ValueError, RecursionError) as error:
        raise BundleError(f"the bundle's document cannot be read: {error}; have it made again") from error
    if again != content:
        raise BundleError("the bundle's document is not in its canonical form; have it made again")
    if document.format != FORMAT:
        raise BundleError(
            f"the bundle has format {document.format}, this release reads {FORMAT}; "
            "install the release of poet that made it"
        )
    _refuse_broken(document)
    return document


def identity_of(content: bytes) -> str:
    """Name a document by its digest: who signed it does not change what it is."""
    return hashlib.sha256(content).hexdigest()


def registry_bytes(document: BundleDocument) -> bytes:
    """Give what ``registry.json`` will be."""
    return msgspec.json.format(msgspec.json.encode(document.registry, order="sorted"), indent=2) + b"\n"


def _refuse_broken(document: BundleDocument) -> None:
    if document.generation < 1 or not document.registry.policies:
        raise BundleError("the bundle holds no published version; compile, then bundle again")
    _refuse_names(document)
    try:
        decode_document(registry_bytes(document), Path("registry.json"))
    except RegistryError as error:
        raise BundleError(f"the bundle's registry is wrong: {error}") from error
    wanted: set[str] = set()
    for policy, entry in document.registry.policies.items():
        for number, version in entry.versions.items():
            wanted |= {version.module, _manifest_name(version)}
            _refuse_another(document, policy, int(number), version)
    if strangers := sorted(document.files.keys() - wanted):
        raise BundleError(f"the bundle brings {strangers[0]!r}, which its registry does not name; refused")


def _refuse_names(document: BundleDocument) -> None:
    # Files are named after these two alone, so no name can lead out of the folder or mean another file.
    for policy, entry in document.registry.policies.items():
        if not _POLICY.fullmatch(policy):
            raise BundleError(
                f"{policy!r} is no name of a policy: a small letter, then small letters, digits and _"
            )
        for number in entry.versions:
            if not _NUMBER.fullmatch(number):
                raise BundleError(f"{policy} has a version {number!r}; versions are numbered from 1")
        acts = {entry.active, entry.previous or entry.active}
        if {int(number) for number in entry.versions} != acts:
            raise BundleError(f"{policy}: a bundle brings the active and the previous version, no other")


def _refuse_another(document: BundleDocument, policy: str, number: int, entry: VersionEntry) -> None:
    manifest = _content(document, _manifest_name(entry), entry.manifest_sha256)
    module = _content(document, entry.module, entry.sha256)
    try:
        told = msgspec.json.decode(manifest, type=_Told)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{_manifest_name(entry)} is not a manifest: {error}") from error
    if (told.policy, told.version, told.source_sha256) != (policy, number, entry.sha256):
        raise BundleError(f"{_manifest_name(entry)} is the manifest of another module than {entry.module}")
    if told.source is not None and told.source.encode("utf-8", "surrogatepass") != module:
        raise BundleError(f"{_manifest_name(entry)} keeps another source than {entry.module} has; refused")


def _content(document: BundleDocument, name: str, sha256: str) -> bytes:
    if name not in document.files:
        raise BundleError(f"the bundle lacks {name}, which its registry names; have it made again")
    content = document.files[name].encode()
    if len(content) > LARGEST_FILE:
        raise BundleError(f"{name} has {len(content)} bytes, a bundle takes files of up to {LARGEST_FILE}")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BundleError(f"{name} is not the file that the bundle's registry names; have it made again")
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
    """A bundle that was read: what it says, its identity, and the id of the key that signed it."""

    document: BundleDocument
    identity: str
    key_id: str


def sign(document: BundleDocument, key: PrivateKey) -> bytes:
    """Give the signed file; the same document and key give the same bytes.

    Raises
    ------
    BundleError
        The document is broken or larger than any runtime would take.
    """
    body = encode(document)
    if _HEAD.size + len(body) > LARGEST:
        raise BundleError(
            f"the bundle would have {_HEAD.size + len(body)} bytes, a runtime takes {LARGEST}; "
            "bundle some of the policies only"
        )
    length = _LENGTH.pack(len(body))
    signature = key.sign(_SIGNED_AS + key.public.id + length + body)
    return _HEAD.pack(_MAGIC, key.public.id, signature, length) + body


def open_bundle(content: bytes, trust: Sequence[TrustedKey]) -> Opened:
    """Verify a signed file, then read it.

    Raises
    ------
    BundleError
        It is no bundle, is not whole, was not signed by a trusted key, or says something that is wrong.
    """
    key_id, signature, length, body = _parted(content)
    signers = [key for key in trust if key.id == key_id]
    if not signers:
        known = ", ".join(sorted(key.id.hex() for key in trust)) or "none"
        raise BundleError(
            f"the bundle is signed by key {key_id.hex()}, trusted are {known}; "
            "`--trust` takes the line that `poet key` printed"
        )
    if not any(key.verifies(signature, _SIGNED_AS + key_id + length + body) for key in signers):
        raise BundleError(
            f"the bundle's signature is not that of key {key_id.hex()}: it was changed on its way, or forged"
        )
    return Opened(decode(body), identity_of(body), key_id.hex())


def reopen(content: bytes) -> Opened:
    """Read a signed file that was verified when it came, whatever keys are trusted today."""
    key_id, _, _, body = _parted(content)
    return Opened(decode(body), identity_of(body), key_id.hex())


def _parted(content: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    if len(content) > LARGEST:
        raise BundleError(f"the bundle has more than {LARGEST} bytes; refused unread")
    if not content.startswith(_MAGIC):
        raise BundleError("this is no bundle; `poet bundle` writes one")
    if len(content) < _HEAD.size:
        raise BundleError(f"the bundle ends after {len(content)} bytes, within its head; transfer it again")
    _, key_id, signature, length = _HEAD.unpack_from(content)
    (promised,) = _LENGTH.unpack(length)
    found = len(content) - _HEAD.size
    if promised != found:
        raise BundleError(
            f"the bundle's document has {found} bytes, its head says {promised}; transfer it again"
        )
    return key_id, signature, length, content[_HEAD.size :]


_JOURNAL: Final = "journal.jsonl"


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
