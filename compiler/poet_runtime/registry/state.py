"""`registry.json`: which versions there are, and which one answers.

The journal: who let which version answer, when and why. Lines are added, never changed.

A line is written before the registry that it tells of, so no change goes untold. A compiler killed between
the two leaves lines of a change that never happened. Each line names its registry's generation and the one
before it, so what did happen is the chain that leads back from the registry as it is.
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
    path = generated / REGISTRY_FILE
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


# What makes the folder of versions a package, the same in every workspace.
PACKAGE: Final = '''\
"""The policies of this workspace. Written by poet; which version runs, registry.json says."""

from pathlib import Path

from poet_runtime.registry import Registry

_registry = Registry(Path(__file__).parent)


def __getattr__(name):
    if name.startswith("_"):
        raise AttributeError(name)
    return _registry.attribute(name)


def __dir__():
    return sorted(_registry.names())
'''

STANDING: Final = {"__init__.py": PACKAGE.encode(), ".gitignore": b".lock\n.tmp-*\n__pycache__/\n"}


JOURNAL_FILE: Final = "journal.jsonl"


Mode = Literal["active", "shadow", "shadow ends", "canary", "canary ends", "quarantine", "release"]


class Move(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}, omit_defaults=True):
    """One policy in one change of the registry; `from_` equals `to` where a version was only published.

    In the other modes `from_` is the version that answers, `to` the one that is spoken of.
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
    """Add lines and force them to disk; half a line that a kill left at the end gives way."""
    path = generated / JOURNAL_FILE
    whole = _whole(path)
    with path.open("ab") as journal:
        journal.truncate(len(whole))
        journal.write(b"".join(msgspec.json.encode(move) + b"\n" for move in moves))
        journal.flush()
        os.fsync(journal.fileno())


def read_journal(generated: Path) -> tuple[Move, ...]:
    """Read the changes that led to the registry as it is, oldest first.

    Raises
    ------
    PublishError
        A line is not one of the journal's.
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
    """Give the newest change that the journal tells of, whether it came about or not.

    Raises
    ------
    PublishError
        A line is not one of the journal's.
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
                f"{path}, line {number}: {error}; put the line right, or move the file away"
            ) from error
    return moves


def _whole(path: Path) -> bytes:
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]
