"""A new version is watched by the one before it, in the same call.

A failure is a call that the new version raises in, or answers with a wrong type, while the version before it
answers the same call well. What both fail at is the caller's doing: the new version's error is raised as it
is, and nothing is counted. A wrong type is one that neither the function before says it returns nor actually
returned to the same call.

A call is slow if the new version takes over `SLOW_S` and over `SLOWER` times as long as the version before,
both in wall time and in CPU time, when both repeat it on data that has been read. The first run of a call
proves nothing: it may wait for a lazy column, a cold cache, or a machine that is busy with other work. A
first run that took over `SLOW_S` only makes a call suspicious. The guard then runs both versions in turn, up
to `ROUNDS` times each, and compares the fastest runs. It stops at the first comparison that clears the new
version. CPU time is that of the calling thread: the process's CPU time would include whatever other threads
do in the meantime. Work that a version hands to other threads is therefore not held against it.

A caller waits while a call is repeated. So each time a version is cleared, the guard leaves twice as many
suspicious calls alone before it looks again, up to `MOST_LEFT_ALONE`. A call is not repeated if an argument
can be read only once or is code of the caller. A policy that runs the caller's own code under deadlines of
its own is not timed. A slow call is answered by the new version: the answer is late, not wrong.

Slow calls and failures are counted apart. Failures quarantine a version. Slow calls only activate the version
before, since the same code may be fast enough on other data or on another machine.

Is a version at fault more often than it may be? An e-process, in plain Python: it runs beside the calls.

*What is tested*: given everything before it, each call fails with probability at most `ALLOWED`. Capital is
split in advance over rates that would be worse and over the calls from which on to bet on each of them,
1 / (j (j + 1)) from call j. Each bet multiplies by the likelihood ratio of its rate against `ALLOWED`, so
while the hypothesis holds the capital is a supermartingale that starts below 1: it ever reaches `ENOUGH`
with probability at most 1 / `ENOUGH`, however many calls there are and however often one looks (Ville 1939).
Bets that start late are what lets a version that was sound for a million calls be found out within a few.

Runs of successes are settled when the next failure comes: their bets at once, and late starters among them at
no more than their last share, which understates the capital and so keeps the bound.

The versions that failed or were slow in this process, until ``registry.json`` says so to all.
"""

import copy
import itertools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from time import perf_counter, thread_time
from types import GeneratorType
from typing import Any, Final, NamedTuple

from poet_runtime.errors import PoetError
from poet_runtime.policies.policy import runtime_policy
from poet_runtime.registry.changes import withdraw
from poet_runtime.registry.load import LoadedVersion
from poet_runtime.registry.state import PolicyEntry

ALLOWED: Final = 0.001  # of the calls: what no version is rolled back for
ENOUGH: Final = 1000.0
RATES: Final = (0.004, 0.02, 0.1, 0.5, 0.99)
MOST: Final = 1e290  # capital that is not counted further: the next factor must stay finite


class FailureEvidence:
    """The capital made of one version's failures, in order of the calls."""

    def __init__(self) -> None:
        self._capital = [0.0] * len(RATES)
        self._settled = 0

    @property
    def e_value(self) -> float:
        """What betting against "at most `ALLOWED` of the calls fail" has made of 1."""
        return sum(self._capital) / len(RATES)

    def failed_at(self, call: int) -> float:
        """Settle a failure at this call, counted from 1, and all successes before it; give the e-value."""
        call = max(call, self._settled + 1)  # of two threads the later call may fail first
        successes = call - 1 - self._settled
        for index, rate in enumerate(RATES):
            kept = (1.0 - rate) / (1.0 - ALLOWED)
            left = kept**successes
            capital = self._capital[index] * left
            if successes:
                capital += _share(call - 1) * kept * (1.0 - left) / (1.0 - kept)
            self._capital[index] = min((capital + _share(call)) * rate / ALLOWED, MOST)
        self._settled = call
        return self.e_value


def _share(call: int) -> float:
    return 1.0 / (call * (call + 1))


SLOW_S: Final = 1.0
SLOWER: Final = 20.0
ROUNDS: Final = 2  # of both versions: the fastest of two runs is rarely one that was interrupted
LONGEST_S: Final = 5.0  # of repeating one call, after which no further round begins
MOST_LEFT_ALONE: Final = 63  # suspicious calls between two that are repeated
PROVEN_AFTER: Final = (
    100_000  # calls without a failure, after which a version that nobody records is called directly
)
LONGEST_REASON: Final = 200  # characters
_log = logging.getLogger("poet_runtime.registry")
_TEE: Final[type] = type(itertools.tee(())[0])
_READ_ONCE: Final = frozenset(
    {GeneratorType, map, filter, zip, _TEE, *(type(iter(kind())) for kind in (list, tuple, dict, set))}
)
_FAILED_TOO: Final = object()
_Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class Timers(NamedTuple):
    """The clocks of a guard, both in seconds from any start: wall time and the calling thread's CPU time."""

    wall: Callable[[], float] = perf_counter
    cpu: Callable[[], float] = thread_time


SYSTEM_TIMERS: Final = Timers()


class _Spent(NamedTuple):
    """What runs of the same call took in seconds; of several runs, the least of each."""

    wall: float = float("inf")
    cpu: float = float("inf")

    def least(self, other: "_Spent") -> "_Spent":
        return _Spent(min(self.wall, other.wall), min(self.cpu, other.cpu))

    def is_far_above(self, other: "_Spent") -> bool:
        return all(mine > max(SLOW_S, SLOWER * theirs) for mine, theirs in zip(self, other, strict=True))

    def __str__(self) -> str:
        return f"{self.wall:.3g} s ({self.cpu:.3g} s of CPU time)"


class _Counted:
    """How often something was held against a version, what it was first, and what that proves."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ""
        self._evidence = FailureEvidence()

    def add(self, call: int, reason: str) -> bool:
        """Count a call, numbered from 1; return whether there is enough evidence to withdraw the version."""
        self.count += 1
        self.first = self.first or reason
        return self._evidence.failed_at(call) >= ENOUGH


class Guard:
    """One new version in one process: what it was seen to do, and who answers where it fails.

    Calls are counted without a lock; only failures take one.
    """

    def __init__(
        self,
        loaded: LoadedVersion,
        previous: LoadedVersion,
        *,
        on_broken: Callable[[str], None],
        on_slow: Callable[[str], None],
        on_proven: Callable[[], None] | None,
        timers: Timers,
    ) -> None:
        self.loaded, self.previous = loaded, previous
        self.failures, self.slow_calls = _Counted(), _Counted()
        self.is_broken = self.is_proven = False
        self._on_broken, self._on_slow, self._on_proven = on_broken, on_slow, on_proven
        self._types: frozenset[type] = _said_types(previous)
        self._budget_s = SLOW_S if runtime_policy(loaded.policy).is_timed else float("inf")
        self._timers = timers
        self._cleared = self._left_alone = 0
        self._count = itertools.count(1)
        self.forked()

    def call(self) -> Callable[..., Any]:
        """Return the version's function, answered by the one before where it fails."""
        function, count, wall = self.loaded.function, self._count.__next__, self._timers.wall

        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            again: _Arguments = (args, kwargs)
            if not (
                _READ_ONCE.isdisjoint(map(type, args)) and _READ_ONCE.isdisjoint(map(type, kwargs.values()))
            ):
                (args, kwargs), again = _twice(args, kwargs)
            begun = wall()
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                answer = self._instead_of(error, again)
                if answer is _FAILED_TOO:
                    raise
                return answer
            took = wall() - begun
            if took > self._budget_s or type(result) not in self._types:
                return self._examined(result, took, again)
            if count() == PROVEN_AFTER:
                self._prove()
            return result

        return guarded

    def _instead_of(self, error: Exception, arguments: _Arguments) -> object:
        answer = self._ask_previous(arguments)
        if answer is _FAILED_TOO:
            next(self._count)
        else:
            self._failed(f"{type(error).__name__}: {error}")
        return answer

    def _examined(self, result: object, took: float, arguments: _Arguments) -> object:
        """Return the answer to a call that took long or was answered with a type not seen before."""
        if type(result) not in self._types:
            answer = self._ask_previous(arguments)
            if answer is _FAILED_TOO:
                next(self._count)
                return result
            if not isinstance(result, type(answer)):
                self._failed(f"answered with {type(result).__name__}, expected {type(answer).__name__}")
                return answer
            self._types |= {type(result)}
        reason = self._slowness(took, arguments) if took > self._budget_s else ""
        if reason:
            self._was_slow(reason)
        else:
            next(self._count)
        return result

    def _ask_previous(self, arguments: _Arguments) -> object:
        # an iterator of an unknown kind is spent by now: answering from what is left of it would be wrong
        if _is_spent(arguments):
            return _FAILED_TOO
        args, kwargs = _unread(arguments)
        try:
            return self.previous.function(*args, **kwargs)
        except Exception:  # noqa: BLE001 -- both fail: the caller's doing, and the new version's error is raised
            return _FAILED_TOO

    def _slowness(self, took: float, arguments: _Arguments) -> str:
        """Return why a suspicious call counts as slow; empty if it does not, or is not repeated.

        Only one thread at a time repeats a call. The others do not wait for it.
        """
        if _is_spent(arguments) or _holds_code(arguments) or not self._timing.acquire(blocking=False):
            return ""
        try:
            if self._left_alone:
                self._left_alone -= 1
                return ""
            reason = self._repeated(took, arguments)
            self._cleared = 0 if reason else self._cleared + 1
            self._left_alone = min(2**self._cleared - 1, MOST_LEFT_ALONE)
            return reason
        finally:
            self._timing.release()

    def _repeated(self, took: float, arguments: _Arguments) -> str:
        """Run both versions in turn and compare their fastest runs; return how they differ if one is slow."""
        begun = self._timers.wall()
        new, old = _Spent(wall=took), _Spent()
        for _ in range(ROUNDS):
            for version in (self.previous, self.loaded):
                spent = self._timed(version, arguments)
                if spent is None:
                    return ""
                new, old = (new, old.least(spent)) if version is self.previous else (new.least(spent), old)
                if not new.is_far_above(old):
                    return ""
            if self._timers.wall() - begun > LONGEST_S:
                break
        return f"took {new} on data already read, version {self.previous.number} {old}"

    def _timed(self, version: LoadedVersion, arguments: _Arguments) -> _Spent | None:
        """Run a call once more and return what it took; None if it raises."""
        args, kwargs = _unread(arguments)
        wall, cpu = self._timers
        begun, cpu_begun = wall(), cpu()
        try:
            version.function(*args, **kwargs)
        except Exception:  # noqa: BLE001 -- the caller has an answer; a call that cannot be repeated proves nothing
            return None
        cpu_spent = cpu() - cpu_begun
        return _Spent(wall() - begun, cpu_spent)

    def _failed(self, why: str) -> None:
        self._count_against(self.failures, f"failed, version {self.previous.number} answered", why)

    def _was_slow(self, why: str) -> None:
        self._count_against(self.slow_calls, "is slow", why)

    def _count_against(self, counted: _Counted, what: str, why: str) -> None:
        reason = plain(why)
        with self._failing:
            is_enough = counted.add(next(self._count), reason)
            is_first = counted.count == 1
            is_news = is_enough and not self.is_broken
            self.is_broken = self.is_broken or is_news
        if is_first:
            _log.warning("%s version %d %s: %s", self.loaded.policy, self.loaded.number, what, reason)
        if is_news:
            (self._on_broken if counted is self.failures else self._on_slow)(counted.first)

    def forked(self) -> None:
        """Replace the locks, in a forked child: the threads that held them do not exist there."""
        self._failing, self._timing = threading.Lock(), threading.Lock()

    def _prove(self) -> None:
        if self._on_proven is not None and self.failures.count == self.slow_calls.count == 0:
            self.is_proven = True
            self._on_proven()


def plain(text: str) -> str:
    """Give a text in one short line without control characters."""
    words = "".join(letter if letter.isprintable() else " " for letter in text).split()
    line = " ".join(words)
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"


def _said_types(version: LoadedVersion) -> frozenset[type]:
    """Give the type that a function says it returns, if it says one."""
    said = getattr(version.function, "__annotations__", {}).get("return")
    return frozenset({said}) if isinstance(said, type) else frozenset()


def _twice(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[_Arguments, _Arguments]:
    """Return the arguments for two calls where some can be read once only."""
    pairs = [itertools.tee(value) if type(value) in _READ_ONCE else (value, value) for value in args]
    named = {
        name: itertools.tee(value) if type(value) in _READ_ONCE else (value, value)
        for name, value in kwargs.items()
    }
    first, second = (
        (tuple(pair[side] for pair in pairs), {name: pair[side] for name, pair in named.items()})
        for side in (0, 1)
    )
    return first, second


def _unread(arguments: _Arguments) -> _Arguments:
    """Return the arguments for one more call; what is kept of an iterator stays at its beginning."""
    args, kwargs = arguments
    return (
        tuple(copy.copy(value) if type(value) is _TEE else value for value in args),
        {name: copy.copy(value) if type(value) is _TEE else value for name, value in kwargs.items()},
    )


def _is_spent(arguments: _Arguments) -> bool:
    """Return whether an argument is an iterator that is not kept for a second call."""
    args, kwargs = arguments
    return any(hasattr(value, "__next__") and type(value) is not _TEE for value in (*args, *kwargs.values()))


def _holds_code(arguments: _Arguments) -> bool:
    """Return whether an argument is code of the caller, which may do more than answer."""
    args, kwargs = arguments
    return any(map(callable, (*args, *kwargs.values())))


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
