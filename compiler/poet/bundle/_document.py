"""What a bundle says: versions with their files, as one canonical JSON document.

A document rather than an archive. An archive has names that may point out of a folder, entries that may
occur twice, sizes that may lie and compression that may explode; here there is a text by file name, and the
names are not taken from it at all: they follow from the policies and numbers of the registry inside, and a
document that names one file more or less is refused. It is uncompressed, so nothing grows when it is read,
and it can be read with any pager. Canonical means that these bytes are the only ones that say it: what is
decoded is encoded again and must give the same bytes, which leaves no place for a key twice, another order
or an unknown field.
"""

import hashlib
import re
from pathlib import Path

import msgspec

from poet.errors import BundleError, RegistryError
from poet.registry import RegistryDocument, VersionEntry, decode_document

__all__ = ["LARGEST_FILE", "BundleDocument", "decode", "encode", "identity_of", "registry_bytes"]

FORMAT = 1
LARGEST_FILE = 8 * 2**20
_POLICY = re.compile(r"[a-z][a-z0-9_]{0,59}")  # as `poet.policies` has it: no two differ in case alone
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


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
