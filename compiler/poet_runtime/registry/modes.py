"""The function that a call of a policy runs: the active version, with its guard, canary and shadow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from poet_runtime.registry.canary import split
from poet_runtime.registry.guard import Guard
from poet_runtime.registry.load import LoadedVersion
from poet_runtime.registry.policy import OnResult, recorded
from poet_runtime.registry.shadow import Shadow, Tally, read_tallies
from poet_runtime.registry.speed import Timers
from poet_runtime.registry.state import PolicyEntry, RegistryDocument


class OnBroken(Protocol):
    """Callback for a guard that withdraws a version, with the version, the previous one and the reason."""

    def __call__(self, failed: LoadedVersion, previous: LoadedVersion, why: str, /, *, is_slow: bool) -> None:
        """Withdraw the version."""


class Modes:
    """The guards and shadows of one registry, which persist when versions of other policies are swapped.

    Parameters
    ----------
    log
        The folder to which shadows write their counts. If it does not exist, they write nothing.
    on_result
        The hook that records every answer, if any. With a hook the cost of a guard is negligible, so the
        guard stays.
    on_broken, on_proven
        Called when a version failed or was slow too often, and when a version no longer needs a guard.
    timers
        The clocks with which guards measure the speed of a new version.
    """

    def __init__(
        self,
        log: Path,
        *,
        on_result: OnResult | None,
        on_broken: OnBroken,
        on_proven: Callable[[], None],
        timers: Timers,
    ) -> None:
        self._log = log if log.is_dir() else None
        self._on_broken = on_broken
        self._on_result = on_result
        self._on_proven = None if on_result is not None else on_proven
        self._timers = timers
        self._guards: dict[tuple[str, str, str], Guard] = {}
        self._shadows: dict[tuple[str, str, str, float], Shadow] = {}

    def call(
        self,
        champion: LoadedVersion,
        entry: PolicyEntry,
        *,
        previous: LoadedVersion | None,
        canary: LoadedVersion | None,
        shadow: LoadedVersion | None,
    ) -> Callable[..., Any]:
        """Return the function to call: guarded, split with the canary, and compared with the shadow."""
        function = self._recorded(champion, previous)
        if canary is not None and entry.canary is not None:
            function = split(
                champion.policy,
                version=canary.number,
                share=entry.canary.share,
                champion=function,
                canary=self._recorded(canary, champion),
            )
        if shadow is not None and entry.shadow is not None and shadow is not champion:
            function = self._shadow(shadow, champion, entry.shadow.share).attach_to(function)
        return function

    def _recorded(self, loaded: LoadedVersion, previous: LoadedVersion | None) -> Callable[..., Any]:
        """Return the guarded function within the hook, which receives the version that answered."""
        function = self._guarded(loaded, previous)
        return function if self._on_result is None else recorded(loaded, function, self._on_result)

    def _guarded(self, loaded: LoadedVersion, previous: LoadedVersion | None) -> Callable[..., Any]:
        if previous is None:
            return loaded.function
        key = loaded.policy, loaded.sha256, previous.sha256
        if key not in self._guards:
            self._guards[key] = Guard(
                loaded,
                previous,
                on_broken=lambda why: self._broken(key, why, is_slow=False),
                on_slow=lambda why: self._broken(key, why, is_slow=True),
                on_proven=self._on_proven,
                timers=self._timers,
            )
        guard = self._guards[key]
        return loaded.function if guard.is_proven else guard.call(says_who=self._on_result is not None)

    def _broken(self, key: tuple[str, str, str], why: str, *, is_slow: bool) -> None:
        guard = self._guards.pop(key)  # a version that is activated again gets a new guard
        self._on_broken(guard.loaded, guard.previous, why, is_slow=is_slow)

    def _shadow(self, loaded: LoadedVersion, champion: LoadedVersion, share: float) -> Shadow:
        key = loaded.policy, loaded.sha256, champion.sha256, share
        if key not in self._shadows:
            self._shadows[key] = Shadow(loaded, champion, share=share, folder=self._log)
        return self._shadows[key]

    def guard_document(self, policy: str) -> list[dict[str, object]]:
        """Return the counts of a policy's guards in this process as plain data."""
        return [
            {
                "version": guard.loaded.number,
                "answered_by": guard.previous.number,
                "failures": guard.failures.count,
                "first_failure": guard.failures.first,
                "slow_calls": guard.slow_count,
                "first_slow_call": guard.slow_calls.first or guard.slow_series.first,
            }
            for (name, _, _), guard in sorted(self._guards.items(), key=lambda item: item[1].loaded.number)
            if name == policy and not guard.is_sound
        ]

    def tallies(self, document: RegistryDocument) -> list[Tally]:
        """Return the tallies of the shadows that are running."""
        written = {} if self._log is None else read_tallies(self._log)
        found = []
        for policy, entry in sorted(document.policies.items()):
            if entry.shadow is None:
                continue
            sha256 = entry.versions[str(entry.shadow.version)].sha256
            key = policy, entry.shadow.version, sha256, entry.active
            total = written.get(
                key, Tally(policy=policy, version=key[1], sha256=sha256, champion=entry.active)
            )
            for shadow in self._shadows.values():
                new = shadow.unwritten()
                if (new.policy, new.version, new.sha256, new.champion) == key:
                    total += new
            found.append(total)
        return found

    def flush(self) -> None:
        """Wait until every shadow has compared its calls and written its counts."""
        for shadow in list(self._shadows.values()):
            shadow.flush()

    def reset_after_fork(self) -> None:
        """Replace the locks of the guards in a forked child. Shadows reset themselves."""
        for guard in self._guards.values():
            guard.reset_after_fork()
