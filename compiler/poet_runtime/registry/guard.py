"""A new version is watched by the one before it, in the same call.

A failure is a call that the new version raises in, or answers with a wrong type, while the version before it
answers the same call well. What both fail at is the caller's doing: the new version's error is raised as it
is, and nothing is counted. A wrong type is one that neither the function before says it returns nor actually
returned to the same call.

Where the version before answers, the new version is asked again, up to `ASKED_AGAIN` times: an error that
does not come again may have been that of a network or a lazy column, so the new version's later answer is
returned and nothing is counted.

How slow calls are found, and whose fault they are not, is said in `poet_runtime.registry.speed`. A policy
that runs the caller's own code under deadlines of its own is not timed. A slow call is answered by the new
version: the answer is late, not wrong.

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

import itertools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, Final, NamedTuple

from poet_runtime.errors import PoetError
from poet_runtime.policies.policy import runtime_policy
from poet_runtime.registry.changes import withdraw
from poet_runtime.registry.load import LoadedVersion
from poet_runtime.registry.speed import (
    READ_ONCE,
    SUSPICIOUS_S,
    Arguments,
    SpeedWatch,
    Timers,
    holds_code,
    is_spent,
    twice,
    unread,
)
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


ASKED_AGAIN: Final = 2  # times, before an error counts: it came three times in a row then
PROVEN_AFTER: Final = (
    100_000  # calls without a failure, after which a version that nobody records is called directly
)
LONGEST_REASON: Final = 200  # characters
_log = logging.getLogger("poet_runtime.registry")
_FAILED_TOO: Final = object()


class AnsweredByPrevious(NamedTuple):
    """An answer of the version before, for a hook that records who answered."""

    version: int
    answer: Any


class _Counted:
    """How often something was held against a version, what it was first, and what that proves."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ""
        self._evidence = FailureEvidence()

    def add(self, call: int, reason: str) -> bool:
        """Count a call or a series, numbered from 1; return whether that is enough to withdraw it."""
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
        self.failures, self.slow_calls, self.slow_series = _Counted(), _Counted(), _Counted()
        self.is_broken = self.is_proven = False
        self._on_broken, self._on_slow, self._on_proven = on_broken, on_slow, on_proven
        self._types: frozenset[type] = _said_types(previous)
        self._budget_s = SUSPICIOUS_S if runtime_policy(loaded.policy).is_timed else float("inf")
        self._timers = timers
        self._speed = SpeedWatch(loaded.function, previous.function, previous.number, timers)
        self._count = itertools.count(1)
        self.forked()

    def call(self, *, says_who: bool = False) -> Callable[..., Any]:
        """Return the version's function, answered by the one before where it fails.

        With `says_who` such answers are given as `AnsweredByPrevious`.
        """
        function, count, wall = self.loaded.function, self._count.__next__, self._timers.wall
        budget_s, can_be_reread = self._budget_s, READ_ONCE.isdisjoint

        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            again: Arguments = (args, kwargs)
            if not (can_be_reread(map(type, args)) and can_be_reread(map(type, kwargs.values()))):
                (args, kwargs), again = twice(args, kwargs)
            begun = wall()
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                answer = self._instead_of(error, again)
                if answer is _FAILED_TOO:
                    raise
                return _given(answer, says_who=says_who)
            took = wall() - begun
            if took > budget_s or type(result) not in self._types:
                return _given(self._examined(result, took, again), says_who=says_who)
            if count() == PROVEN_AFTER:
                self._prove()
            return result

        return guarded

    def _instead_of(self, error: Exception, arguments: Arguments) -> Any:
        """Return the answer to a call that the new version raised in."""
        answer = self._ask_previous(arguments)
        if answer is _FAILED_TOO:
            next(self._count)
            return answer
        again = self._ask_again(arguments)
        if again is not _FAILED_TOO and isinstance(again, type(answer)):
            next(self._count)
            return again
        self._failed(f"{type(error).__name__}: {error}")
        return AnsweredByPrevious(self.previous.number, answer)

    def _ask_again(self, arguments: Arguments) -> object:
        """Return what the new version answers when it is asked again, if it does and may be."""
        for _ in range(0 if holds_code(arguments) else ASKED_AGAIN):
            args, kwargs = unread(arguments)
            try:
                return self.loaded.function(*args, **kwargs)
            except Exception:  # noqa: BLE001, S112 -- the first error is the one that is told
                continue
        return _FAILED_TOO

    def _examined(self, result: object, took: float, arguments: Arguments) -> Any:
        """Return the answer to a call that took long or was answered with a type not seen before."""
        if type(result) not in self._types:
            answer = self._ask_previous(arguments)
            if answer is _FAILED_TOO:
                next(self._count)
                return result
            if not isinstance(result, type(answer)):
                self._failed(f"answered with {type(result).__name__}, expected {type(answer).__name__}")
                return AnsweredByPrevious(self.previous.number, answer)
            self._types |= {type(result)}
        found = self._speed.judge(took, arguments) if took > self._budget_s else None
        if found is None:
            next(self._count)
        elif found.series:
            self._count_against(self.slow_series, "is slow", found.why, at=found.series)
        else:
            self._count_against(self.slow_calls, "is slow", found.why)
        return result

    def _ask_previous(self, arguments: Arguments) -> object:
        # an iterator of an unknown kind is spent by now: answering from what is left of it would be wrong
        if is_spent(arguments):
            return _FAILED_TOO
        args, kwargs = unread(arguments)
        try:
            return self.previous.function(*args, **kwargs)
        except Exception:  # noqa: BLE001 -- both fail: the caller's doing, and the new version's error is raised
            return _FAILED_TOO

    def _failed(self, why: str) -> None:
        self._count_against(self.failures, f"failed, version {self.previous.number} answered", why)

    def _count_against(self, counted: _Counted, what: str, why: str, *, at: int | None = None) -> None:
        """Count a call against the version, or a series with its own number."""
        reason = plain(why)
        with self._failing:
            call = next(self._count)
            is_enough = counted.add(call if at is None else at, reason)
            is_first = counted.count == 1
            is_news = is_enough and not self.is_broken
            self.is_broken = self.is_broken or is_news
        if is_first:
            _log.warning("%s version %d %s: %s", self.loaded.policy, self.loaded.number, what, reason)
        if is_news:
            (self._on_broken if counted is self.failures else self._on_slow)(counted.first)

    def forked(self) -> None:
        """Replace the locks, in a forked child: the threads that held them do not exist there."""
        self._failing = threading.Lock()
        self._speed.forked()

    @property
    def slow_count(self) -> int:
        """How often the version was found slow."""
        return self.slow_calls.count + self.slow_series.count

    @property
    def is_sound(self) -> bool:
        """Whether nothing was held against the version."""
        return self.failures.count == self.slow_count == 0

    def _prove(self) -> None:
        if self._on_proven is not None and self.is_sound:
            self.is_proven = True
            self._on_proven()


def _given(answer: Any, *, says_who: bool) -> Any:
    is_previous = type(answer) is AnsweredByPrevious
    return answer.answer if is_previous and not says_who else answer


def plain(text: str) -> str:
    """Give a text in one short line without control characters."""
    words = "".join(letter if letter.isprintable() else " " for letter in text).split()
    line = " ".join(words)
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"


def _said_types(version: LoadedVersion) -> frozenset[type]:
    """Give the type that a function says it returns, if it says one."""
    said = getattr(version.function, "__annotations__", {}).get("return")
    return frozenset({said}) if isinstance(said, type) else frozenset()


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
