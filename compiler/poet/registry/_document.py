"""`registry.json`: which versions there are, and which one answers."""

from pathlib import Path
from typing import Final

import msgspec

from poet.errors import RegistryError
from poet.files import JsonDocument

__all__ = [
    "FILE",
    "PolicyEntry",
    "Quarantine",
    "RegistryDocument",
    "Slowness",
    "Trial",
    "VersionEntry",
    "decode_document",
    "read_document",
]

FILE = "registry.json"
FORMAT = 1


class VersionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A published version: its file and the digests of module and manifest."""

    module: str
    sha256: str
    manifest_sha256: str


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A version beside the active one: on which share of the calls, and since when (RFC 3339)."""

    version: int
    share: float
    since: str


class Quarantine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A word on a module's digest: it must not answer again, or, later, that it may."""

    sha256: str
    version: int
    who: str
    why: str
    when: str
    is_release: bool = False


class Slowness(msgspec.Struct, frozen=True, kw_only=True):
    """Why a guard set a version aside for its speed alone, without quarantining it."""

    sha256: str
    version: int
    who: str
    why: str
    when: str


class PolicyEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A policy's versions by number, the active one, the one before it, and those on trial.

    `quarantine` only ever grows; the last word on a digest counts. `slow` loses its entry on a version
    when that version is activated.
    """

    active: int
    previous: int | None
    versions: dict[str, VersionEntry]
    shadow: Trial | None = None
    canary: Trial | None = None
    quarantine: tuple[Quarantine, ...] = ()
    slow: tuple[Slowness, ...] = ()

    def quarantined(self, number: int) -> Quarantine | None:
        """Give why a version must not answer; None for one that may."""
        version = self.versions.get(str(number))
        words = [each for each in self.quarantine if version is not None and each.sha256 == version.sha256]
        return words[-1] if words and not words[-1].is_release else None

    def slowness(self, number: int) -> Slowness | None:
        """Return why a guard returned from this version; None if no guard did since its last activation."""
        version = self.versions.get(str(number))
        found = (each for each in self.slow if version is not None and each.sha256 == version.sha256)
        return next(found, None)

    def without_slowness(self, number: int) -> "PolicyEntry":
        """Return the entry without what guards said about the speed of a version."""
        version = self.versions[str(number)]
        kept = tuple(each for each in self.slow if each.sha256 != version.sha256)
        return msgspec.structs.replace(self, slow=kept)


class RegistryDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. `generation` grows with every change."""

    format: int = FORMAT
    generation: int = 0
    policies: dict[str, PolicyEntry] = msgspec.field(default_factory=dict)

    def active(self, policy: str) -> int | None:
        """Give the number of the version that answers; None for a policy never published."""
        entry = self.policies.get(policy)
        return None if entry is None else entry.active


_DOCUMENT: Final = JsonDocument(
    type=RegistryDocument,
    name="a registry",
    next_step="restore it from version control",
    error=RegistryError,
    format=FORMAT,
)


def read_document(generated: Path) -> RegistryDocument:
    """Read ``registry.json``; an empty one where there is none.

    Raises
    ------
    RegistryError
        It is not a registry that this release knows.
    """
    path = generated / FILE
    document = _DOCUMENT.read_if_exists(path)
    return RegistryDocument() if document is None else _checked(document, path)


def decode_document(content: bytes, path: Path) -> RegistryDocument:
    """Decode what stands in ``registry.json``; `path` is for the messages.

    Raises
    ------
    RegistryError
        It is not a registry that this release knows.
    """
    return _checked(_DOCUMENT.decode(content, path), path)


def _checked(document: RegistryDocument, path: Path) -> RegistryDocument:
    for policy, entry in document.policies.items():
        for number, version in entry.versions.items():
            # The name is also what keeps a registry from pointing out of its folder.
            if version.module != f"{policy}_v{number}.py" or "/" in policy or not number.isdecimal():
                raise RegistryError(f"{path}: {version.module!r} is no module of {policy} version {number}")
        if {str(entry.active), str(entry.previous or entry.active)} - entry.versions.keys():
            raise RegistryError(f"{path}: {policy} does not list its active or its previous version")
        for trial in filter(None, (entry.shadow, entry.canary)):
            if str(trial.version) not in entry.versions or not 0.0 < trial.share <= 1.0:
                raise RegistryError(
                    f"{path}: {policy} has version {trial.version} on trial with share {trial.share:g}; "
                    "restore the file from version control, or `poet activate` a version"
                )
    return document
