"""The files `registry.json` and `journal.jsonl`: the versions, the active ones, and all changes.

`registry.json` lists the versions of every policy and the active one. The journal records who made which
change, when and why. Lines are appended and never changed.

A journal line is written before the registry that it describes, so every change is recorded. A compiler that
is killed between the two leaves lines of a change that never happened. Each line has the generation of its
registry and the generation before it, so the actual changes are the chain that leads back from the current
registry.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from poet_runtime.errors import PublishError, RegistryError
from poet_runtime.files import JsonDocument

REGISTRY_FILE: Final = "registry.json"
FORMAT: Final = 1


class VersionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A published version, with its file and the digests of module and manifest."""

    module: str
    sha256: str
    manifest_sha256: str


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A version on trial next to the active one, with its share of the calls and its start (RFC 3339)."""

    version: int
    share: float
    since: str


class Quarantine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A quarantine of a module's digest, which must not answer again, or the release from it."""

    sha256: str
    version: int
    who: str
    why: str
    when: str
    is_release: bool = False


class Slowness(msgspec.Struct, frozen=True, kw_only=True):
    """The reason why a guard replaced a version only because of its speed, without quarantine."""

    sha256: str
    version: int
    who: str
    why: str
    when: str


class PolicyEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A policy's versions by number, the active one, the previous one, and those on trial.

    `quarantine` only grows, and the last entry for a digest counts. Activating a version removes its entry
    from `slow`.
    """

    active: int
    previous: int | None
    versions: dict[str, VersionEntry]
    shadow: Trial | None = None
    canary: Trial | None = None
    quarantine: tuple[Quarantine, ...] = ()
    slow: tuple[Slowness, ...] = ()

    def quarantined(self, number: int) -> Quarantine | None:
        """Return the quarantine of a version; None if it may answer."""
        version = self.versions.get(str(number))
        entries = [each for each in self.quarantine if version is not None and each.sha256 == version.sha256]
        return entries[-1] if entries and not entries[-1].is_release else None

    def slowness(self, number: int) -> Slowness | None:
        """Return why a guard replaced this version; None if none did since its last activation."""
        version = self.versions.get(str(number))
        found = (each for each in self.slow if version is not None and each.sha256 == version.sha256)
        return next(found, None)

    def without_slowness(self, number: int) -> "PolicyEntry":
        """Return the entry without a version's slowness."""
        version = self.versions[str(number)]
        kept = tuple(each for each in self.slow if each.sha256 != version.sha256)
        return msgspec.structs.replace(self, slow=kept)


class RegistryDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the file. `generation` increases with every change."""

    format: int = FORMAT
    generation: int = 0
    policies: dict[str, PolicyEntry] = msgspec.field(default_factory=dict)

    def active(self, policy: str) -> int | None:
        """Return the number of the active version; None for a policy that was never published."""
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
    """Read ``registry.json``; return an empty registry if the file does not exist.

    Raises
    ------
    RegistryError
        The file is not a registry that this release can read.
    """
    path = generated / REGISTRY_FILE
    document = _DOCUMENT.read_if_exists(path)
    return RegistryDocument() if document is None else _checked(document, path)


def decode_document(content: bytes, path: Path) -> RegistryDocument:
    """Decode the content of ``registry.json``. The path is only used in error messages.

    Raises
    ------
    RegistryError
        The content is not a registry that this release can read.
    """
    return _checked(_DOCUMENT.decode(content, path), path)


def _checked(document: RegistryDocument, path: Path) -> RegistryDocument:
    for policy, entry in document.policies.items():
        for number, version in entry.versions.items():
            # This check also prevents a registry from pointing outside its folder.
            if version.module != f"{policy}_v{number}.py" or "/" in policy or not number.isdecimal():
                raise RegistryError(
                    f"{path}: {version.module!r} is not a module of {policy} version {number}; "
                    "restore the file from version control"
                )
        if {str(entry.active), str(entry.previous or entry.active)} - entry.versions.keys():
            raise RegistryError(
                f"{path}: {policy} does not list its active or its previous version; "
                "restore the file from version control"
            )
        for trial in filter(None, (entry.shadow, entry.canary)):
            if str(trial.version) not in entry.versions or not 0.0 < trial.share <= 1.0:
                raise RegistryError(
                    f"{path}: {policy} has version {trial.version} on trial with share {trial.share:g}; "
                    "restore the file from version control, or `poet activate` a version"
                )
    return document


# What makes the folder of versions a package, the same in every workspace.
PACKAGE: Final = '''\
"""The policies of this workspace. Written by poet; registry.json says which version runs."""

from pathlib import Path

from poet_runtime.registry import Registry

_registry = Registry(Path(__file__).parent)


def __getattr__(name: str) -> object:
    """Return the policy of this name, which runs its active version."""
    if name.startswith("_"):
        raise AttributeError(name)
    return _registry.attribute(name)


def __dir__() -> list[str]:
    """Return the names of the policies."""
    return sorted(_registry.names())
'''

STANDING: Final = {"__init__.py": PACKAGE.encode(), ".gitignore": b".lock\n.tmp-*\n__pycache__/\n"}
TYPES_FILE: Final = "__init__.pyi"


def package_types(document: RegistryDocument) -> bytes:
    """Return the content of ``__init__.pyi``: each policy with the types of its newest version.

    Only type checkers read this file. What runs is decided by ``registry.json``.
    """
    imports, names = [], []
    for policy, entry in sorted(document.policies.items()):
        newest = max(map(int, entry.versions))
        imports.append(f"from .{policy}_v{newest} import {policy}\n")
        names.append(f'    "{policy}",\n')
    listed = f"[\n{''.join(names)}]" if names else "[]"
    head = "# The types of this workspace's policies, of the newest version of each. Written by poet.\n\n"
    return f"{head}{''.join(imports)}\n__all__ = {listed}\n".encode()


JOURNAL_FILE: Final = "journal.jsonl"


Mode = Literal["active", "shadow", "shadow ends", "canary", "canary ends", "quarantine", "release"]


class Move(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}, omit_defaults=True):
    """One policy in one change of the registry. `from_` equals `to` if a version was only published.

    In modes other than ``"active"``, `from_` is the active version and `to` the version concerned.
    """

    generation: int
    follows: int  # the generation before
    policy: str
    from_: int | None
    to: int
    who: str
    why: str
    when: str
    mode: Mode = "active"


def append(generated: Path, moves: Sequence[Move]) -> None:
    """Append lines and force them to disk. A partial last line, left by a kill, is removed first."""
    path = generated / JOURNAL_FILE
    whole = _whole(path)
    with path.open("ab") as journal:
        journal.truncate(len(whole))
        journal.write(b"".join(msgspec.json.encode(move) + b"\n" for move in moves))
        journal.flush()
        os.fsync(journal.fileno())


def read_journal(generated: Path) -> tuple[Move, ...]:
    """Read the changes that led to the current registry, oldest first.

    Raises
    ------
    PublishError
        A line is not a journal entry.
    """
    found: list[Move] = []
    generation = before = read_document(generated).generation
    for move in reversed(_moves(generated / JOURNAL_FILE)):
        if move.generation == before:
            generation = before
        if move.generation == generation:
            found.append(move)
            before = move.follows
    return tuple(reversed(found))


def last_change(generated: Path) -> Move | None:
    """Return the newest change in the journal, whether or not it took effect.

    Raises
    ------
    PublishError
        A line is not a journal entry.
    """
    moves = _moves(generated / JOURNAL_FILE)
    return max(moves, key=lambda move: move.generation) if moves else None


def _moves(path: Path) -> list[Move]:
    moves = []
    for number, line in enumerate(_whole(path).splitlines(), start=1):
        try:
            moves.append(msgspec.json.decode(line, type=Move))
        except msgspec.DecodeError as error:
            raise PublishError(
                f"{path}, line {number}: {error}; correct the line or move the file away"
            ) from error
    return moves


def _whole(path: Path) -> bytes:
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]
