"""A version's files → a fresh module, from the very bytes whose digest was checked."""

import itertools
import linecache
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from poet.errors import RegistryError
from poet.registry._document import VersionEntry
from poet.registry._published import ChangedModule, read_published

__all__ = ["LoadedVersion", "load"]

_serial = itertools.count(1)
_log = logging.getLogger("poet.registry")


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
        raise RegistryError(f"{path} cannot be loaded: {error!r}; roll back to another version") from error
    return module
