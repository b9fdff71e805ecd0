"""A version's files → a fresh module, from the very bytes whose digest was checked."""

import hashlib
import itertools
import linecache
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from poet.errors import RegistryError
from poet.registry._document import VersionEntry

__all__ = ["LoadedVersion", "load"]

_serial = itertools.count(1)


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

    Raises
    ------
    RegistryError
        A file is missing, is not the one that was published, or has no such function.
    """
    path = generated / entry.module
    source = _published_bytes(path, entry.sha256)
    # The manifest is why the module may be trusted: what it was validated by, and what it was learned from.
    _published_bytes(path.with_suffix(".json"), entry.manifest_sha256)
    module = _executed(f"_poet_{policy}_v{number}_{next(_serial)}", path, source)
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
    linecache.cache[str(path)] = (len(source), None, lines, str(path))
    return LoadedVersion(policy, number, entry.sha256, module, function)


def _published_bytes(path: Path, sha256: str) -> bytes:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise RegistryError(
            f"{path} cannot be read ({error.strerror}); restore it from version control"
        ) from error
    digest = hashlib.sha256(source).hexdigest()
    if digest != sha256:
        raise RegistryError(
            f"{path} has sha256 {digest[:12]}…, published was {sha256[:12]}…; "
            "an edited version never runs: restore it from version control"
        )
    return source


def _executed(name: str, path: Path, source: bytes) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(path)
    # dataclasses, pickling and tracebacks look a module up by name while it is still being executed
    sys.modules[name] = module
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 -- digest checked
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception):
            raise
        raise RegistryError(f"{path} cannot be loaded: {error!r}; roll back to another version") from error
    return module
