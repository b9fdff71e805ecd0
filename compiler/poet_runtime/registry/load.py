"""A version's files → a fresh module, from the very bytes whose digest was checked.

What was published of a version, whatever became of its module on disk.

The digest of the manifest stands in ``registry.json``, and the manifest keeps the source of the module. So
the manifest is the root of trust. Where the module was edited or deleted, the source that was proved runs,
and the file is reported. A manifest that was changed is never trusted.
"""

import hashlib
import itertools
import linecache
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal

import msgspec

from poet_runtime.errors import RegistryError
from poet_runtime.registry.state import RegistryDocument, VersionEntry

UPGRADE_FILE: Final = ".upgrade.json"  # there while `poet upgrade` replaces files
State = Literal["published", "line ends", "edited", "missing", "unreadable"]

_RUNS: Final = "the published source runs"
_REWRITES: Final = "`poet compile` writes it again"
_SAYS: Final[dict[State, str]] = {
    "line ends": "has other line ends than were published and is the same otherwise",
    "edited": f"was edited after it was published; {_RUNS}",
    "missing": f"is missing; {_RUNS}",
    "unreadable": f"cannot be read; {_RUNS}",
}
_NEXT: Final[dict[State, str]] = {
    "line ends": f"{_REWRITES} as published, and `* -text` in generated/.gitattributes keeps it so",
    "edited": f"`poet compile` makes the edit a rule; to drop the edit, delete the file and {_REWRITES}",
    "missing": _REWRITES,
    "unreadable": "see to its permissions",
}
_NEXT_OF_OLD: Final = (
    f"an edit is read from the active version alone: carry it over, then delete the file and {_REWRITES}"
)


class _Kept(msgspec.Struct, frozen=True):
    """What of a manifest the module follows from; manifests of older releases keep no source."""

    source: str | None = None


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """The source and the manifest as they were published, and how the module on disk stands to them."""

    path: Path  # of the module
    source: bytes
    manifest: bytes
    state: State


@dataclass(frozen=True, slots=True)
class ChangedModule:
    """A module on disk that is not what was published under its name."""

    version: int
    path: Path
    state: State
    is_active: bool

    @property
    def says(self) -> str:
        """Say what became of the file, and what runs."""
        return _SAYS[self.state]

    @property
    def next_step(self) -> str:
        """Say what to do about it."""
        if self.state == "edited" and not self.is_active:
            return _NEXT_OF_OLD
        return _NEXT[self.state]


def as_published(content: bytes, sha256: str) -> bytes | None:
    """Return the bytes that have this digest, or None.

    These are the content, or the content before a checkout changed its line ends.
    """
    for each in (content, content.replace(b"\r\n", b"\n")):
        if hashlib.sha256(each).hexdigest() == sha256:
            return each
    return None


def published_bytes(path: Path, sha256: str) -> bytes:
    """Return what was published in a file, line ends as they were.

    Raises
    ------
    RegistryError
        The file cannot be read, or was changed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RegistryError(
            f"{path} cannot be read ({error.strerror}); restore it from version control"
        ) from error
    published = as_published(content, sha256)
    if published is None:
        if path.with_name(UPGRADE_FILE).exists():
            raise RegistryError(
                f"{path} is of an upgrade that did not finish; run `poet upgrade` again in its workspace"
            )
        digest = hashlib.sha256(content).hexdigest()
        told = f"its sha256 is {digest[:12]}…, published was {sha256[:12]}…"
        if path.suffix == ".json":
            raise RegistryError(
                f"{path} is not the manifest that was published ({told}); restore it from version control"
            )
        raise RegistryError(
            f"{path} is not the module that was published ({told}), and its manifest keeps no source; "
            "an edited version never runs: restore it from version control"
        )
    return published


def read_published(generated: Path, entry: VersionEntry) -> PublishedVersion:
    """Return what was published of a version.

    Raises
    ------
    RegistryError
        The manifest is missing or was changed; or the module is, and the manifest keeps no source.
    """
    path = generated / entry.module
    # The manifest is why the module may be trusted: what it was validated by, and what it was learned from.
    manifest = published_bytes(path.with_suffix(".json"), entry.manifest_sha256)
    state, content = _on_disk(path, entry.sha256)
    if content is None:
        kept = _kept(path.with_suffix(".json"), manifest, entry.sha256)
        content = published_bytes(path, entry.sha256) if kept is None else kept
    return PublishedVersion(path, content, manifest, state)


def changed_modules(generated: Path, policy: str, document: RegistryDocument) -> tuple[ChangedModule, ...]:
    """List the modules of a policy that are not what was published while the published source runs."""
    entry, found = document.policies[policy], []
    for number, version in sorted(entry.versions.items(), key=lambda item: int(item[0])):
        try:
            published = read_published(generated, version)
        except RegistryError:
            continue  # nothing of it runs: whoever loads it says why
        if published.state != "published":
            is_active = int(number) == entry.active
            found.append(ChangedModule(int(number), published.path, published.state, is_active))
    return tuple(found)


def _on_disk(path: Path, sha256: str) -> tuple[State, bytes | None]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return "missing", None
    except OSError:
        return "unreadable", None
    published = as_published(content, sha256)
    if published is None:
        return "edited", None
    return ("published" if published == content else "line ends"), published


def _kept(path: Path, manifest: bytes, sha256: str) -> bytes | None:
    try:
        source = msgspec.json.decode(manifest, type=_Kept).source
    except msgspec.DecodeError as error:
        raise RegistryError(f"{path} is not a manifest: {error}; restore it from version control") from error
    if source is None:
        return None
    content = source.encode("utf-8", "surrogatepass")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RegistryError(
            f"{path} keeps the source of another module; restore it and registry.json from version control"
        )
    return content


_serial = itertools.count(1)
_log = logging.getLogger("poet_runtime.registry")


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version in memory; `module` keeps its globals alive for calls in flight."""

    policy: str
    number: int
    sha256: str
    module: ModuleType
    function: Callable[..., Any]


def load(generated: Path, policy: str, number: int, entry: VersionEntry) -> LoadedVersion:
    """Load a version under a name of its own; nothing that runs sees it before it is whole.

    What runs is what was published, also where the module on disk was edited or is missing.

    Raises
    ------
    RegistryError
        What was published cannot be read or cannot be trusted, or has no such function.
    """
    published = read_published(generated, entry)
    path, source, filename = published.path, published.source, str(published.path)
    if published.state not in ("published", "line ends"):
        # Whoever imports the file itself runs other lines under its name.
        filename = f"{path} (as published)"
        changed = ChangedModule(number, path, published.state, is_active=False)
        _log.warning("%s %s", path, changed.says)
    module = _executed(f"_poet_{policy}_v{number}_{next(_serial)}", path, filename, source)
    function, said = getattr(module, policy, None), getattr(module, "VERSION", None)
    if not callable(function) or said != number:
        del sys.modules[module.__name__]
        has = "a" if callable(function) else "no"
        raise RegistryError(
            f"{path} has {has} function {policy} and VERSION = {said!r}, registry.json says {number}; "
            "restore both from version control"
        )
    # A traceback shows what ran, even when somebody edits the file afterwards.
    lines = source.decode(errors="replace").splitlines(keepends=True)
    linecache.cache[filename] = (len(source), None, lines, filename)
    return LoadedVersion(policy, number, entry.sha256, module, function)


def _executed(name: str, path: Path, filename: str, source: bytes) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(path)
    # dataclasses, pickling and tracebacks look a module up by name while it is still being executed
    sys.modules[name] = module
    try:
        exec(compile(source, filename, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 -- digest checked
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception):
            raise
        raise RegistryError(f"{path} cannot be loaded: {error!r}; {_after_failed_load(error)}") from error
    return module


def _after_failed_load(error: Exception) -> str:
    package = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if package in ("poet", "poet_runtime"):
        return "another release of POET wrote it: run `poet upgrade` in its workspace"
    return "roll back to another version"
