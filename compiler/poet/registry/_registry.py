"""Which version answers: an immutable snapshot, swapped by one reference store.

A call reads the snapshot once and stays with the version it found there, so no call sees two versions and
none waits for a swap. A registry looks at the file's stamp at most every `POLL_S` seconds, on the path
of a call: no thread to lose over a fork, and a process that calls nothing costs nothing.
"""

import inspect
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from poet.errors import RegistryError
from poet.registry._document import FILE, read_document
from poet.registry._load import LoadedVersion, load

__all__ = ["Policy", "Registry"]

POLL_S = 0.25
Snapshot = Mapping[str, LoadedVersion]
OnResult = Callable[[str, Mapping[str, Any], Any], Any]
_now = time.monotonic


class Policy:
    """The stable callable of a policy: the same object whatever version answers."""

    def __init__(self, registry: "Registry", name: str) -> None:
        self._registry = registry
        self.__name__ = self.__qualname__ = name
        self.__module__ = "generated"

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self._registry.loaded(self.__name__).function.__doc__

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._registry.loaded(self.__name__).function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        registry = self._registry
        if _now() >= registry.next_look:
            registry.look()
        pinned = _PINNED.get()
        snapshot = registry.snapshot if pinned is None else pinned.get(id(registry), registry.snapshot)
        version = snapshot[self.__name__]
        result = version.function(*args, **kwargs)
        if registry.on_result is None:
            return result
        bound = inspect.signature(version.function).bind(*args, **kwargs)
        return registry.on_result(self.__name__, bound.arguments, result)

    def __repr__(self) -> str:
        return f"<policy {self.__name__} of {self._registry.generated}>"

    def __reduce__(self) -> tuple[Callable[..., "Policy"], tuple[str, str]]:
        return _reopened, (str(self._registry.generated), self.__name__)


_PINNED: ContextVar[dict[int, Snapshot] | None] = ContextVar("poet_pinned", default=None)


class Registry:
    """Resolves policies to the versions that ``registry.json`` names.

    Parameters
    ----------
    generated
        The folder of versions.
    on_result
        Called with policy, arguments by name and result of every call; what it returns is the answer.
    """

    def __init__(self, generated: Path, *, on_result: OnResult | None = None) -> None:
        self.generated = Path(generated)
        self.on_result = on_result
        self.snapshot: Snapshot = {}
        self.next_look = 0.0
        self._stamp: tuple[int, int, int] | None = None
        self._refusals: dict[str, str] = {}
        self._policies: dict[str, Policy] = {}
        self._refreshing = threading.RLock()

    def policy(self, name: str) -> Policy:
        """Give the stable callable of a policy.

        Raises
        ------
        RegistryError
            It is not published, or none of its versions can be loaded.
        """
        self.loaded(name)
        return self._policies.setdefault(name, Policy(self, name))

    def attribute(self, name: str) -> Policy:
        """As `policy`, for a module's ``__getattr__``: an unknown name is an AttributeError."""
        self.refresh()
        if name not in self.snapshot and name not in self._refusals:
            raise AttributeError(
                f"no policy {name!r} in {self.generated}; there are {', '.join(self.names())}"
            )
        return self.policy(name)

    def names(self) -> tuple[str, ...]:
        """Name the published policies."""
        return tuple(sorted(read_document(self.generated).policies))

    def loaded(self, name: str) -> LoadedVersion:
        """Give the version that answers now."""
        if name not in self.snapshot:
            self.refresh()
        if name in self.snapshot:
            return self.snapshot[name]
        reason = self._refusals.get(name, f"{self.generated} has no such policy; run `poet compile {name}`")
        raise RegistryError(f"{name}: {reason}")

    def active(self, name: str) -> int:
        """Give the number of the version that answers now."""
        return self.loaded(name).number

    def version(self, name: str, number: int) -> Callable[..., Any]:
        """Give one published version's function, whichever is active; its answers are not recorded.

        Raises
        ------
        RegistryError
            There is no such version, or it cannot be loaded.
        """
        entry = read_document(self.generated).policies.get(name)
        wanted = entry.versions.get(str(number)) if entry else None
        if wanted is None:
            raise RegistryError(
                f"{self.generated} has no version {number} of {name}; `poet status` lists them"
            )
        return load(self.generated, name, number, wanted).function

    def look(self) -> None:
        """Refresh when the file changed since the last look."""
        self.next_look = _now() + POLL_S
        if self._stamp != self._stat():
            self.refresh()

    def refresh(self) -> None:
        """Read ``registry.json`` and swap to what it names, all policies in one reference store.

        A version that cannot be loaded is refused: the last good one stays, `status` says why.
        """
        with self._refreshing:
            stamp = self._stat()
            try:
                document = read_document(self.generated)
            except RegistryError as error:
                self._refusals = {FILE: str(error)}
                self._stamp = stamp
                return
            fresh: dict[str, LoadedVersion] = {}
            refusals: dict[str, str] = {}
            for name, entry in document.policies.items():
                here = self.snapshot.get(name)
                wanted = entry.versions.get(str(entry.active))
                if wanted is None:
                    refusals[name] = f"{FILE} names version {entry.active} of {name} but does not list it"
                    if here is not None:
                        fresh[name] = here
                    continue
                try:
                    is_same = here is not None and (here.number, here.sha256) == (entry.active, wanted.sha256)
                    fresh[name] = (
                        here if here and is_same else load(self.generated, name, entry.active, wanted)
                    )
                except RegistryError as error:
                    refusals[name] = str(error)
                    if here is not None:
                        fresh[name] = here
            self._refusals = refusals
            self._stamp = stamp
            self.snapshot = fresh

    @contextmanager
    def pin(self) -> Iterator[None]:
        """Hold the versions that answer now for everything called inside, in this thread or task."""
        self.refresh()
        token = _PINNED.set((_PINNED.get() or {}) | {id(self): self.snapshot})
        try:
            yield
        finally:
            _PINNED.reset(token)

    def status(self) -> dict[str, dict[str, Any]]:
        """Give, by policy, the versions, which one answers here, and why another was refused."""
        self.refresh()
        found: dict[str, dict[str, Any]] = {}
        for name, entry in sorted(read_document(self.generated).policies.items()):
            here = self.snapshot.get(name)
            found[name] = {
                "active": entry.active,
                "previous": entry.previous,
                "versions": sorted(int(number) for number in entry.versions),
                "answering": None if here is None else here.number,
                "refused": self._refusals.get(name, ""),
            }
        return found

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self.generated / FILE)  # noqa: PTH116 -- on the path of a call
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size


_reopened_registries: dict[str, Registry] = {}


def _reopened(generated: str, name: str) -> Policy:
    """Unpickle a policy: in another process it resolves through that process's own registry."""
    return _reopened_registries.setdefault(generated, Registry(Path(generated))).policy(name)
