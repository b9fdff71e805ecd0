"""The registry of versions, an immutable snapshot that is swapped by one reference store.

A call reads the snapshot once and uses the version it finds there. Therefore no call sees two versions, and
none waits for a swap: while one caller loads a new version, the others continue with the old one.

Changes by other processes are noticed during calls. At most every `POLL_S` seconds one caller reads
``registry.json`` and compares its bytes with those last seen. A watcher thread would make a call 50 ns
cheaper. But no thread survives a fork, since Python 3.12 every later fork of a program with threads emits a
warning, and the thread would wake up even in a process that calls nothing. Bytes are compared instead of
`os.stat`, because two swaps within one tick of the file system's clock may have equal time, inode and size,
and the second would never be noticed. Reading a few kilobytes four times a second costs 0.01 %.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Final
from weakref import WeakSet

import msgspec

from poet_runtime.background import call_after_fork_in_child
from poet_runtime.errors import RegistryError
from poet_runtime.registry.canary import has_sides
from poet_runtime.registry.guard import Withdrawn
from poet_runtime.registry.load import LoadedVersion, changed_modules, load
from poet_runtime.registry.modes import Modes
from poet_runtime.registry.policy import PINNED, OnResult, Policy, Snapshot
from poet_runtime.registry.shadow import Tally
from poet_runtime.registry.speed import SYSTEM_TIMERS, Timers
from poet_runtime.registry.state import (
    REGISTRY_FILE,
    PolicyEntry,
    RegistryDocument,
    decode_document,
    read_document,
)

POLL_S: Final = 0.25
PATIENCE_S: Final = 0.1  # wait for the folder's lock when a caller's version has just failed
_log = logging.getLogger("poet_runtime.registry")


class Registry:
    """A registry that resolves policies to the versions that ``registry.json`` names.

    Parameters
    ----------
    generated
        The folder of versions.
    on_result
        Called with policy, arguments by name, result and version number of every call. Its return value is
        the answer.
    clock
        Returns seconds since 1970, for the journal entry of a version that fails.
    timers
        The clocks with which guards measure the speed of a new version.
    """

    def __init__(
        self,
        generated: Path,
        *,
        on_result: OnResult | None = None,
        clock: Callable[[], float] = time.time,
        timers: Timers = SYSTEM_TIMERS,
    ) -> None:
        self.generated = Path(generated).absolute()
        self.snapshot = Snapshot({}, {})
        self.calls = self.snapshot.calls  # the same mapping, one attribute lookup closer for a call
        self.next_look = 0.0  # until then a call checks neither the file nor the pins
        self._due = 0.0
        self._pins = 0
        self._pinning = threading.Lock()
        self._document = RegistryDocument()  # the last readable one
        self._seen: bytes | None = None
        self._refusals: dict[str, str] = {}  # by policy, "policy/role", or the file name
        self._loaded: dict[tuple[str, int, str], LoadedVersion] = {}  # versions never change: load each once
        self._policies: dict[str, Policy] = {}
        self._following = threading.RLock()
        self._withdrawn = Withdrawn(self.generated, clock)
        self._modes = Modes(
            self.generated.parent / "feedback_log",
            on_result=on_result,
            on_broken=self._broken,
            on_proven=self._proven,
            timers=timers,
        )
        _registries.add(self)

    def policy(self, name: str) -> Policy:
        """Return the stable callable of a policy.

        Raises
        ------
        RegistryError
            The policy is not published, or none of its versions can be loaded.
        """
        self.loaded(name)
        return self._policies.setdefault(name, Policy(self, name))

    def attribute(self, name: str) -> Policy:
        """Return the callable of a policy for a module's ``__getattr__``.

        Raises
        ------
        AttributeError
            There is no such policy.
        RegistryError
            None of its versions can be loaded.
        """
        self.refresh()
        if REGISTRY_FILE not in self._refusals and name not in self._document.policies:
            known = ", ".join(sorted(self._document.policies)) or "none"
            raise AttributeError(f"no policy {name!r} in {self.generated}; there are {known}")
        return self.policy(name)

    def names(self) -> tuple[str, ...]:
        """Return the names of the published policies."""
        return tuple(sorted(read_document(self.generated).policies))

    def versions(self, name: str) -> tuple[int, ...]:
        """Return the numbers of the published versions of a policy, oldest first."""
        return tuple(sorted(map(int, self._entry(name).versions)))

    def loaded(self, name: str) -> LoadedVersion:
        """Return the version that answers now in this context: the pinned version inside `pin`.

        Raises
        ------
        RegistryError
            The policy is not published, or none of its versions can be loaded.
        """
        pinned = (PINNED.get() or {}).get(self, self.snapshot).versions
        if name in pinned:
            return pinned[name]
        self.refresh()
        if name in self.snapshot.versions:
            return self.snapshot.versions[name]
        unknown = f"{self.generated} has no such policy; run `poet compile {name}`"
        raise RegistryError(
            f"{name}: {self._refusals.get(name) or self._refusals.get(REGISTRY_FILE, unknown)}"
        )

    def active(self, name: str) -> int:
        """Return the number of the version that answers now."""
        return self.loaded(name).number

    def version(self, name: str, number: int) -> Callable[..., Any]:
        """Return the function of a published version, active or not. Its answers are not recorded.

        Raises
        ------
        RegistryError
            There is no such version, or it cannot be loaded.
        """
        with self._following:
            return self._load(name, number, self._entry(name)).function

    def require_sides(self, name: str) -> None:
        """Raise an error if a canary cannot split the calls of a policy.

        Raises
        ------
        RegistryError
            No argument of the policy is a feature, a model or a context, or the policy is not published.
        """
        if not has_sides(name, self.loaded(name).function):
            raise RegistryError(
                f"calls of {name} name no feature and no model, so a canary cannot split them; "
                f"`poet shadow {name} N` compares a version with the active one"
            )

    def called(self, name: str) -> Callable[..., Any]:
        """Return the function for a call that has to check ``registry.json`` or that may be pinned."""
        self.look()
        pinned = PINNED.get()
        snapshot = self.snapshot if pinned is None else pinned.get(self, self.snapshot)
        try:
            return snapshot.calls[name]
        except KeyError:  # first published after the pin was taken
            return self.snapshot.calls[name]

    def look(self) -> None:
        """Follow ``registry.json`` if it is time and no other thread is doing so. A call never waits."""
        now = monotonic()
        if now >= self._due:
            self._due = now + POLL_S
            if self._following.acquire(blocking=False):
                try:
                    self._follow()
                finally:
                    self._following.release()
        with self._pinning:
            if self._pins == 0:
                self.next_look = self._due

    def refresh(self) -> None:
        """Read ``registry.json`` and swap to the versions it names, all policies in one reference store.

        If a version cannot be loaded, the last good one stays, and `status` returns the reason.
        """
        with self._following:
            self._follow()

    @contextmanager
    def pin(self) -> Iterator[None]:
        """Keep the current versions for all calls inside the block, in this thread or task.

        A nested pin keeps the versions of the outer pin, so a batch within a batch sees one version.
        """
        self.refresh()
        with self._pinning:
            self._pins += 1
            self.next_look = 0.0  # from now on every call checks whether it is pinned
        token = PINNED.set({self: self.snapshot} | dict(PINNED.get() or {}))
        try:
            yield
        finally:
            PINNED.reset(token)
            with self._pinning:
                self._pins -= 1

    def status(self) -> dict[str, dict[str, Any]]:
        """Return, by policy, the versions, the version that answers here, and why another was refused.

        ``changed_files`` lists the modules on disk that differ from the published source that runs.
        """
        self.refresh()
        found: dict[str, dict[str, Any]] = {}
        for name, entry in sorted(self._document.policies.items()):
            here = self.snapshot.versions.get(name)
            found[name] = {
                "active": entry.active,
                "previous": entry.previous,
                "versions": sorted(map(int, entry.versions)),
                "answering": None if here is None else here.number,
                "sha256": None if here is None else here.sha256,
                "refused": self._refusals.get(name) or self._refusals.get(REGISTRY_FILE, ""),
                "refused_beside": {
                    key.removeprefix(f"{name}/"): reason
                    for key, reason in sorted(self._refusals.items())
                    if key.startswith(f"{name}/")
                },
                "changed_files": [
                    {
                        "version": each.version,
                        "file": str(each.path),
                        "state": each.state,
                        "says": each.says,
                        "next": each.next_step,
                    }
                    for each in changed_modules(self.generated, name, self._document)
                ],
                "guard": self._modes.guard_document(name),
                "shadow": msgspec.to_builtins(entry.shadow),
                "canary": msgspec.to_builtins(entry.canary),
                "quarantine": [
                    msgspec.to_builtins(quarantine)
                    for number in sorted(map(int, entry.versions))
                    if (quarantine := entry.quarantined(number)) is not None
                ],
                "slow": [msgspec.to_builtins(each) for each in entry.slow],
            }
        return found

    def tallies(self) -> list[Tally]:
        """Return the tallies of the running shadows, from this process and all that wrote theirs.

        Raises
        ------
        RegistryError
            The file of tallies has a line that is not a tally.
        """
        self._modes.flush()
        return self._modes.tallies(self._document)

    def flush(self) -> None:
        """Wait until shadows have compared all sampled calls and written their counts."""
        self._modes.flush()

    def _entry(self, name: str) -> PolicyEntry:
        policies = read_document(self.generated).policies
        if name not in policies:
            known = ", ".join(sorted(policies)) or "none"
            raise RegistryError(f"{self.generated} has no policy {name!r}; there are {known}")
        return policies[name]

    def _follow(self) -> None:
        # Refused versions are tried again, because a checkout may still be writing their files.
        self._withdrawn.settle()
        path = self.generated / REGISTRY_FILE
        try:
            content = path.read_bytes()
            if content == self._seen and not self._refusals:
                return
            document = decode_document(content, path)
        except OSError as error:
            is_new = isinstance(error, FileNotFoundError) and self._seen is None  # nothing published yet
            if not is_new:
                reason = f"{path} cannot be read ({error.strerror}); restore it from version control"
                self._refuse({REGISTRY_FILE: reason})
            return
        except RegistryError as error:
            self._refuse({REGISTRY_FILE: str(error)})
            return
        self._swap(document)
        self._seen = content

    def _swap(self, document: RegistryDocument) -> None:
        refusals: dict[str, str] = {}
        # A policy that the registry no longer names stays unchanged, because callers still use it.
        versions = dict(self.snapshot.versions)
        calls = dict(self.snapshot.calls)
        for name, entry in document.policies.items():
            try:
                self._refuse_failed(name, entry, entry.active)
                versions[name] = self._load(name, entry.active, entry)
            except RegistryError as error:
                refusals[name] = str(error)
                here = versions.get(name)
                is_failed = here is not None and self._has_failed(name, entry, here.number)
                if (here is None or is_failed) and (previous := self._previous(name, entry, refusals)):
                    versions[name] = previous
            if name in versions:
                calls[name] = self._call(entry, versions[name], refusals)
        self._document = document
        self.snapshot = Snapshot(versions, calls)
        self.calls = calls
        self._refuse(refusals)

    def _has_failed(self, name: str, entry: PolicyEntry, number: int) -> bool:
        return entry.quarantined(number) is not None or self._withdrawn.why(name, number, entry) is not None

    def _refuse_failed(self, name: str, entry: PolicyEntry, number: int) -> None:
        quarantine = entry.quarantined(number)
        why = f"quarantined since {quarantine.when}: {quarantine.why}" if quarantine else None
        why = why or self._withdrawn.why(name, number, entry)
        if why is not None:
            raise RegistryError(f"version {number} is {why}")

    def _broken(self, failed: LoadedVersion, previous: LoadedVersion, why: str, *, is_slow: bool) -> None:
        """Return to the previous version, in this process immediately, in others through the registry."""
        with self._following:
            self._withdrawn.add(failed, previous, why, is_slow=is_slow)
            self._swap(self._document)
            self._withdrawn.settle(patience_s=PATIENCE_S)
            self._follow()

    def _proven(self) -> None:
        with self._following:
            self._swap(self._document)

    def _refuse(self, refusals: dict[str, str]) -> None:
        for name in sorted(refusals):
            if self._refusals.get(name) != refusals[name]:
                _log.warning("%s: %s", name, refusals[name])
        self._refusals = refusals

    def _previous(self, name: str, entry: PolicyEntry, refusals: dict[str, str]) -> LoadedVersion | None:
        """Return the last good version for a process that has none loaded, if that version is still good."""
        number = self._withdrawn.instead(name, entry.active) or entry.previous
        return self._load_role("previous", name, number, entry, refusals)

    def _load_role(
        self, role: str, name: str, number: int | None, entry: PolicyEntry, refusals: dict[str, str]
    ) -> LoadedVersion | None:
        """Return the version in a role next to the active one; None if there is none or it is refused."""
        if number is None or (role == "previous" and self._has_failed(name, entry, number)):
            return None
        try:
            if role == "canary":
                self._refuse_failed(name, entry, number)
            return self._load(name, number, entry)
        except RegistryError as error:
            refusals[f"{name}/{role}"] = str(error)
            return None

    def _load(self, name: str, number: int, entry: PolicyEntry) -> LoadedVersion:
        wanted = entry.versions.get(str(number))
        if wanted is None:
            known = ", ".join(sorted(entry.versions, key=int))
            raise RegistryError(f"{self.generated} has no version {number} of {name}; there are {known}")
        key = (name, number, wanted.sha256)
        if key not in self._loaded:
            self._loaded[key] = load(self.generated, name, number, wanted)
        return self._loaded[key]

    def _call(
        self, entry: PolicyEntry, champion: LoadedVersion, refusals: dict[str, str]
    ) -> Callable[..., Any]:
        """Return the function to call: the version's own function if there is no other version to run."""
        is_new = champion.number == entry.active and (entry.previous or champion.number) < champion.number
        numbers = {
            "previous": entry.previous if is_new else None,
            "canary": entry.canary.version if entry.canary else None,
            "shadow": entry.shadow.version if entry.shadow else None,
        }
        loaded_roles = {
            role: self._load_role(role, champion.policy, number, entry, refusals)
            for role, number in numbers.items()
            if number != champion.number
        }
        return self._modes.call(
            champion,
            entry,
            previous=loaded_roles.get("previous"),
            canary=loaded_roles.get("canary"),
            shadow=loaded_roles.get("shadow"),
        )

    def _reset_after_fork(self) -> None:
        self._following = threading.RLock()
        self._pinning = threading.Lock()
        self._modes.reset_after_fork()


# In a forked child there is no thread to release a lock that another thread held.
_registries: "WeakSet[Registry]" = WeakSet()


def _unlock_all() -> None:
    for registry in list(_registries):
        registry._reset_after_fork()  # noqa: SLF001 -- the same module


call_after_fork_in_child(_unlock_all)
