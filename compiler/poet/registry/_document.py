"""`registry.json`: which versions there are, and which one answers."""

from pathlib import Path

import msgspec

from poet.errors import RegistryError

__all__ = ["PolicyEntry", "RegistryDocument", "VersionEntry", "read_document"]

FILE = "registry.json"
FORMAT = 1


class VersionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A published version: its file and the digests of module and manifest."""

    module: str
    sha256: str
    manifest_sha256: str


class PolicyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A policy's versions by number, the active one and the one before it."""

    active: int
    previous: int | None
    versions: dict[str, VersionEntry]


class RegistryDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. `generation` grows with every change."""

    format: int = FORMAT
    generation: int = 0
    policies: dict[str, PolicyEntry] = msgspec.field(default_factory=dict)

    def active(self, policy: str) -> int | None:
        """Give the number of the version that answers; None for a policy never published."""
        entry = self.policies.get(policy)
        return None if entry is None else entry.active


def read_document(generated: Path) -> RegistryDocument:
    """Read ``registry.json``; an empty one where there is none.

    Raises
    ------
    RegistryError
        It is not a registry that this release knows.
    """
    path = generated / FILE
    try:
        document = msgspec.json.decode(path.read_bytes(), type=RegistryDocument)
    except FileNotFoundError:
        return RegistryDocument()
    except msgspec.DecodeError as error:
        raise RegistryError(f"{path} is not a registry: {error}; restore it from version control") from error
    if document.format != FORMAT:
        raise RegistryError(f"{path} has format {document.format}, this release reads {FORMAT}")
    for entry in document.policies.values():
        for version in entry.versions.values():
            if Path(version.module).name != version.module:
                raise RegistryError(f"{path}: module {version.module!r} is not a plain file name")
    return document
