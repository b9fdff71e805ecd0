"""Loading of versions: a new module from exactly the bytes whose digest was checked.

``registry.json`` has the digest of the manifest, and the manifest contains the source of the module.
Therefore the manifest is the root of trust. If the module on disk was edited or deleted, the published source
runs and the file is reported. A manifest that was changed is never trusted.
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

from poet_runtime import former_names
from poet_runtime.errors import RegistryError
from poet_runtime.registry.state import RegistryDocument, VersionEntry

UPGRADE_FILE: Final = ".upgrade.json"  # there while `poet upgrade` replaces files
State = Literal["published", "line ends", "edited", "missing", "unreadable"]

_RUNS: Final = "the published source runs"
_REWRITES: Final = "`poet compile` writes it again"
_STATE_MESSAGES: Final[dict[State, str]] = {
    "line ends": "differs from the published file only in its line endings",
    "edited": f"was edited after it was published; {_RUNS}",
    "missing": f"is missing; {_RUNS}",
    "unreadable": f"cannot be read; {_RUNS}",
}
_NEXT: Final[dict[State, str]] = {
    "line ends": f"{_REWRITES} as published, and `* -text` in generated/.gitattributes prevents the change",
    "edited": f"`poet compile` makes the edit a rule; to drop the edit, delete the file and {_REWRITES}",
    "missing": _REWRITES,
    "unreadable": "check its permissions",
}
_NEXT_OF_OLD: Final = (
    f"only edits of the active version are read: repeat the edit there, delete this file, and {_REWRITES}"
)


class _ManifestSource(msgspec.Struct, frozen=True):
    """The part of a manifest that contains the module; manifests of older releases have no source."""

    source: str | None = None


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """The published source and manifest, and the state of the module on disk."""

    path: Path  # of the module
    source: bytes
    manifest: bytes
    state: State


@dataclass(frozen=True, slots=True)
class ChangedModule:
    """A module on disk that differs from the published one."""

    version: int
    path: Path
    state: State
    is_active: bool

    @property
    def says(self) -> str:
        """A description of the change, and of the source that runs."""
        return _STATE_MESSAGES[self.state]

    @property
    def next_step(self) -> str:
        """The recommended next step."""
        if self.state == "edited" and not self.is_active:
            return _NEXT_OF_OLD
        return _NEXT[self.state]


def as_published(content: bytes, sha256: str) -> bytes | None:
    """Return the bytes that have this digest, or None.

    They are the content itself, or the content before a checkout changed its line endings.
    """
    for each in (content, content.replace(b"\r\n", b"\n")):
        if hashlib.sha256(each).hexdigest() == sha256:
            return each
    return None


def published_bytes(path: Path, sha256: str) -> bytes:
    """Return the published bytes of a file, with the original line endings.

    Raises
    ------
    RegistryError
        The file cannot be read or was changed.
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
                f"{path} is from an upgrade that did not finish; run `poet upgrade` again in its workspace"
            )
        digest = hashlib.sha256(content).hexdigest()
        digests = f"its sha256 is {digest[:12]}…, published was {sha256[:12]}…"
        if path.suffix == ".json":
            raise RegistryError(
                f"{path} is not the manifest that was published ({digests}); restore it from version control"
            )
        raise RegistryError(
            f"{path} is not the module that was published ({digests}), and its manifest contains no source; "
            "an edited version never runs: restore it from version control"
        )
    return published


def read_published(generated: Path, entry: VersionEntry) -> PublishedVersion:
    """Return the published source and manifest of a version.

    Raises
    ------
    RegistryError
        The manifest is missing or was changed, or the module is and the manifest contains no source.
    """
    path = generated / entry.module
    # The manifest records how the module was validated and what it was learned from, so it is checked first.
    manifest = published_bytes(path.with_suffix(".json"), entry.manifest_sha256)
    state, content = _on_disk(path, entry.sha256)
    if content is None:
        source = _manifest_source(path.with_suffix(".json"), manifest, entry.sha256)
        content = published_bytes(path, entry.sha256) if source is None else source
    return PublishedVersion(path, content, manifest, state)


def changed_modules(generated: Path, policy: str, document: RegistryDocument) -> tuple[ChangedModule, ...]:
    """Return the modules of a policy that differ on disk from the published source that runs."""
    entry, found = document.policies[policy], []
    for number, version in sorted(entry.versions.items(), key=lambda item: int(item[0])):
        try:
            published = read_published(generated, version)
        except RegistryError:
            continue  # the version does not run, and loading it reports why
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


def _manifest_source(path: Path, manifest: bytes, sha256: str) -> bytes | None:
    try:
        source = msgspec.json.decode(manifest, type=_ManifestSource).source
    except msgspec.DecodeError as error:
        raise RegistryError(f"{path} is not a manifest: {error}; restore it from version control") from error
    if source is None:
        return None
    content = source.encode("utf-8", "surrogatepass")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RegistryError(
            f"{path} contains the source of another module; restore it and registry.json from version control"
        )
    return content


_serial = itertools.count(1)
_OTHER_RELEASE: Final = "another release of POET wrote it: run `poet upgrade` in its workspace"
_log = logging.getLogger("poet_runtime.registry")


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version in memory. `module` keeps its globals alive for running calls."""

    policy: str
    number: int
    sha256: str
    module: ModuleType
    function: Callable[..., Any]


def load(generated: Path, policy: str, number: int, entry: VersionEntry) -> LoadedVersion:
    """Load a version as a module with a unique name. No call sees it before it is complete.

    The published source runs, even if the module on disk was edited or is missing.

    Raises
    ------
    RegistryError
        The published files cannot be read or trusted, or the module has no such function.
    """
    published = read_published(generated, entry)
    path, source, filename = published.path, published.source, str(published.path)
    if published.state not in ("published", "line ends"):
        # Code that imports the file itself runs different lines under its name.
        filename = f"{path} (as published)"
        changed = ChangedModule(number, path, published.state, is_active=False)
        _log.warning("%s %s", path, changed.says)
    if former := former_names.in_module(source):
        raise RegistryError(
            f"{path} cannot be loaded: it uses the name {former!r}, which this release replaced; "
            f"{_OTHER_RELEASE}"
        )
    module = _executed(f"_poet_{policy}_v{number}_{next(_serial)}", path, filename, source)
    function, declared = getattr(module, policy, None), getattr(module, "VERSION", None)
    if not callable(function) or declared != number:
        del sys.modules[module.__name__]
        has = "a" if callable(function) else "no"
        raise RegistryError(
            f"{path} has {has} function {policy} and VERSION = {declared!r}, registry.json says {number}; "
            "restore both from version control"
        )
    # A traceback shows the source that ran, even if the file is edited afterwards.
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
        return _OTHER_RELEASE
    return "roll back to another version"
