"""What a call of a policy runs: the version that answers, and what stands beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from poet.registry._canary import split
from poet.registry._document import PolicyEntry, RegistryDocument
from poet.registry._guard import Guard
from poet.registry._load import LoadedVersion
from poet.registry._shadow import Shadow
from poet.registry._tally import Tally, read_tallies

__all__ = ["Modes"]

OnBroken = Callable[[LoadedVersion, LoadedVersion, str], None]


class Modes:
    """Guards and shadows of one registry; they outlive the swaps of other policies.

    Parameters
    ----------
    log
        The folder that shadows tell what they saw to, if it is there.
    is_recorded
        Whether every answer is recorded: then a guard costs next to nothing, and stays.
    on_broken, on_proven
        Called when a version failed too often, and when one needs no guard any more.
    """

    def __init__(
        self, log: Path, *, is_recorded: bool, on_broken: OnBroken, on_proven: Callable[[], None]
    ) -> None:
        self._log = log if log.is_dir() else None
        self._on_broken = on_broken
        self._on_proven = None if is_recorded else on_proven
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
        """Give the call: guarded, split with the canary, the shadow beside both."""
        function = self._guarded(champion, previous)
        if canary is not None and entry.canary is not None:
            function = split(
                champion.policy,
                version=canary.number,
                share=entry.canary.share,
                champion=function,
                canary=self._guarded(canary, champion),
            )
        if shadow is not None and entry.shadow is not None and shadow is not champion:
            function = self._shadow(shadow, champion, entry.shadow.share).beside(function)
        return function

    def _guarded(self, loaded: LoadedVersion, previous: LoadedVersion | None) -> Callable[..., Any]:
        if previous is None:
            return loaded.function
        key = loaded.policy, loaded.sha256, previous.sha256
        if key not in self._guards:
            self._guards[key] = Guard(
                loaded,
                previous,
                on_broken=lambda why: self._broken(key, why),
                on_proven=self._on_proven,
            )
        guard = self._guards[key]
        return loaded.function if guard.is_proven else guard.call()

    def _broken(self, key: tuple[str, str, str], why: str) -> None:
        guard = self._guards.pop(key)  # if the version is ever released, it is watched from the beginning
        self._on_broken(guard.loaded, guard.previous, why)

    def _shadow(self, loaded: LoadedVersion, champion: LoadedVersion, share: float) -> Shadow:
        key = loaded.policy, loaded.sha256, champion.sha256, share
        if key not in self._shadows:
            self._shadows[key] = Shadow(loaded, champion, share=share, folder=self._log)
        return self._shadows[key]

    def guard_document(self, policy: str) -> list[dict[str, object]]:
        """Give what the guards of a policy counted in this process, as plain data."""
        return [
            {
                "version": guard.loaded.number,
                "answered_by": guard.previous.number,
                "failures": guard.failures,
                "first_failure": guard.first_failure,
            }
            for (name, _, _), guard in sorted(self._guards.items(), key=lambda item: item[1].loaded.number)
            if name == policy and guard.failures
        ]

    def tallies(self, document: RegistryDocument) -> list[Tally]:
        """Give what is known of the shadows that run now."""
        told = {} if self._log is None else read_tallies(self._log)
        found = []
        for policy, entry in sorted(document.policies.items()):
            if entry.shadow is None:
                continue
            sha256 = entry.versions[str(entry.shadow.version)].sha256
            key = policy, entry.shadow.version, sha256, entry.active
            total = told.get(key, Tally(policy=policy, version=key[1], sha256=sha256, champion=entry.active))
            for shadow in self._shadows.values():
                new = shadow.untold()
                if (new.policy, new.version, new.sha256, new.champion) == key:
                    total += new
            found.append(total)
        return found

    def flush(self) -> None:
        """Return when every shadow has compared and told what it took over."""
        for shadow in list(self._shadows.values()):
            shadow.flush()

    def forked(self) -> None:
        """Replace, in a forked child, the locks that other threads held; shadows reset themselves."""
        for guard in self._guards.values():
            guard.forked()
