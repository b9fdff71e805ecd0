"""A version's file → a fresh module, from the very bytes whose digest was checked."""

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
        The file is missing, is not the one that was published, or has no such function.
    """
    path = generated / entry.module
    try:
        source = path.read_bytes()
    except OSError as error:
        raise RegistryError(
            f"{path} cannot be read ({error.strerror}); restore it from version control"
        ) from error
    digest = hashlib.sha256(source).hexdigest()
    if digest != entry.sha256:
        raise RegistryError(
            f"{path} has sha256 {digest[:12]}…, published was {entry.sha256[:12]}…; "
            "an edited version never runs: restore it, then compile to have the edit taken up"
        )
    name = f"_poet_{policy}_v{number}_{next(_serial)}"
    module = ModuleType(name)
    module.__file__ = str(path)
    # dataclasses, pickling and tracebacks look a module up by name while it is still being executed
    sys.modules[name] = module
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 -- digest checked
        function = getattr(module, policy)
    except Exception as error:
        del sys.modules[name]
        raise RegistryError(f"{path} cannot be loaded: {error!r}; `poet rollback {policy}`") from error
    text = source.decode()
    linecache.cache[str(path)] = (len(source), None, text.splitlines(keepends=True), str(path))
    return LoadedVersion(policy, number, digest, module, function)
