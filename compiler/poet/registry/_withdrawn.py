"""The versions that failed or were slow in this process, until ``registry.json`` says so to all."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from poet.errors import PoetError
from poet.registry._alias import withdraw
from poet.registry._document import PolicyEntry
from poet.registry._guard import plain
from poet.registry._load import LoadedVersion

__all__ = ["Withdrawn"]


@dataclass(frozen=True, slots=True)
class _Failure:
    sha256: str
    to: int
    why: str
    at: str
    is_slow: bool
    unwritten: str = ""  # why the registry could not be told, if it could not


class Withdrawn:
    """What this process answers by an older version already. Only used while following is locked."""

    def __init__(self, generated: Path, clock: Callable[[], float]) -> None:
        self._generated, self._clock = generated, clock
        self._failures: dict[tuple[str, int], _Failure] = {}

    def add(self, failed: LoadedVersion, previous: LoadedVersion, why: str, *, is_slow: bool) -> None:
        """Record that a version failed or was slow, and which version answers instead."""
        at = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds")
        key = failed.policy, failed.number
        self._failures[key] = _Failure(failed.sha256, previous.number, why, at, is_slow)

    def why(self, policy: str, number: int, entry: PolicyEntry) -> str | None:
        """Say why a version does not answer here; None for one that may."""
        failure, version = self._failures.get((policy, number)), entry.versions.get(str(number))
        if failure is None or version is None or version.sha256 != failure.sha256:
            return None
        kind = "set aside as slow" if failure.is_slow else "withdrawn"
        said = f"{kind} by this process: {failure.why}"
        return f"{said}; registry.json cannot say so: {failure.unwritten}" if failure.unwritten else said

    def instead(self, policy: str, number: int) -> int | None:
        """Give the version that answers instead of one that failed."""
        failure = self._failures.get((policy, number))
        return None if failure is None else failure.to

    def settle(self, *, patience_s: float = 0.0) -> None:
        """Tell the registry, and forget what it knows: from then on its word counts.

        A caller is waiting meanwhile. Where another process holds the lock, the next look tries again.
        """
        for (policy, number), failure in list(self._failures.items()):
            try:
                withdraw(
                    self._generated,
                    policy,
                    number,
                    sha256=failure.sha256,
                    to=failure.to,
                    why=failure.why,
                    at=failure.at,
                    patience_s=patience_s,
                    is_slow=failure.is_slow,
                )
            except (PoetError, OSError) as error:
                reason = error.strerror or "" if isinstance(error, OSError) else str(error)
                self._failures[policy, number] = replace(failure, unwritten=plain(reason))
            else:
                del self._failures[policy, number]
