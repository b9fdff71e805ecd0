"""The guard, which compares a new version with the previous version in the same call.

A failure is a call in which the new version raises an exception or returns a wrong type, while the previous
version answers the same call correctly. If both fail, the caller is at fault: the new version's error is
raised unchanged, and nothing is counted. A return type is wrong if the previous function neither declares it
nor returned it in the same call.

If the previous version answers, the new version is called again, up to `ASKED_AGAIN` times. An error that
does not recur may come from a network or a lazy column, so the new version's later answer is returned and
nothing is counted.

`poet_runtime.registry.speed` describes how slow calls are found and which causes are ruled out. A policy that
runs the caller's code under its own deadlines is not timed. A slow call returns the answer of the new
version, because the answer is late but not wrong.

Slow calls and failures are counted separately. Failures quarantine a version. Slow calls only reactivate the
previous version, since the same code may be fast enough on other data or on another machine.

`FailureEvidence` tests whether a version fails more often than allowed. It is an e-process in plain Python,
because it runs within calls.

*Null hypothesis*: given everything before it, each call fails with probability at most `ALLOWED`. The capital
is split in advance over higher failure rates and over the calls at which betting on each of them starts,
with weight 1 / (j (j + 1)) for a start at call j. Each bet multiplies its capital by the likelihood ratio of
its rate against `ALLOWED`. Under the null hypothesis the capital is therefore a supermartingale that starts
below 1. It ever reaches `ENOUGH` with probability at most 1 / `ENOUGH`, for any number of calls and with
continuous monitoring (Ville 1939). Because some bets start late, a version that worked for a million calls is
still detected within a few failures.

A run of successes is settled at the next failure: all its bets in one step, and the bets that start within
the run at no more than their last share. This understates the capital and therefore keeps the bound.

`Withdrawn` records the versions that failed or were slow in this process until ``registry.json`` records
them for all processes.
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

ALLOWED: Final = 0.001  # share of calls that may fail without a rollback
ENOUGH: Final = 1000.0
RATES: Final = (0.004, 0.02, 0.1, 0.5, 0.99)
MOST: Final = 1e290  # cap on the capital, so that the next product stays finite


class FailureEvidence:
    """The e-process of one version's failures, in the order of the calls."""

    def __init__(self) -> None:
        self._capital = [0.0] * len(RATES)
        self._settled = 0

    @property
    def e_value(self) -> float:
        """The e-value against the hypothesis that at most a share `ALLOWED` of the calls fails."""
        return sum(self._capital) / len(RATES)

    def failed_at(self, call: int) -> float:
        """Update with a failure at this call, counted from 1, and all successes before it.

        Returns the e-value.
        """
        call = max(call, self._settled + 1)  # with two threads the later call may fail first
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


ASKED_AGAIN: Final = 2  # repetitions before an error counts, so it occurred three times in a row
PROVEN_AFTER: Final = 100_000  # calls without a failure until a version without a hook is called directly
LONGEST_REASON: Final = 200  # characters
_log = logging.getLogger("poet_runtime.registry")
_FAILED_TOO: Final = object()


class AnsweredByPrevious(NamedTuple):
    """An answer of the previous version, for a hook that records which version answered."""

    version: int
    answer: Any


class _Counted:
    """The number of incidents of one kind, the first of them, and the evidence that they amount to."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ""
        self._evidence = FailureEvidence()

    def add(self, call: int, reason: str) -> bool:
        """Count a call or a series, numbered from 1, and return whether the evidence suffices to withdraw."""
        self.count += 1
        self.first = self.first or reason
        return self._evidence.failed_at(call) >= ENOUGH


class Guard:
    """The guard of one new version in one process, which lets the previous version answer failed calls.

    Calls are counted without a lock; only failures acquire one.
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
        self._types: frozenset[type] = _declared_types(previous)
        self._budget_s = SUSPICIOUS_S if runtime_policy(loaded.policy).is_timed else float("inf")
        self._timers = timers
        self._speed = SpeedWatch(loaded.function, previous.function, previous.number, timers)
        self._count = itertools.count(1)
        self.reset_after_fork()

    def call(self, *, says_who: bool = False) -> Callable[..., Any]:
        """Return the version's function, with the previous version's answer if it fails.

        With `says_who` such answers are wrapped as `AnsweredByPrevious`.
        """
        function, count, wall = self.loaded.function, self._count.__next__, self._timers.wall
        budget_s, can_be_reread = self._budget_s, READ_ONCE.isdisjoint

        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            again: Arguments = (args, kwargs)
            if not (can_be_reread(map(type, args)) and can_be_reread(map(type, kwargs.values()))):
                (args, kwargs), again = twice(args, kwargs)
            started = wall()
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                answer = self._instead_of(error, again)
                if answer is _FAILED_TOO:
                    raise
                return _given(answer, says_who=says_who)
            took = wall() - started
            if took > budget_s or type(result) not in self._types:
                return _given(self._examined(result, took, again), says_who=says_who)
            if count() == PROVEN_AFTER:
                self._prove()
            return result

        return guarded

    def _instead_of(self, error: Exception, arguments: Arguments) -> Any:
        """Return the answer to a call in which the new version raised an exception."""
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
        """Return the new version's answer from a repeated call, or `_FAILED_TOO` if there is none."""
        for _ in range(0 if holds_code(arguments) else ASKED_AGAIN):
            args, kwargs = unread(arguments)
            try:
                return self.loaded.function(*args, **kwargs)
            except Exception:  # noqa: BLE001, S112 -- the first error is reported
                continue
        return _FAILED_TOO

    def _examined(self, result: object, took: float, arguments: Arguments) -> Any:
        """Return the answer to a call that took long or returned a type not seen before."""
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
        # An iterator of an unknown kind is already consumed; an answer from its remainder would be wrong.
        if is_spent(arguments):
            return _FAILED_TOO
        args, kwargs = unread(arguments)
        try:
            return self.previous.function(*args, **kwargs)
        except Exception:  # noqa: BLE001 -- both fail, so the caller is at fault and the new version's error is raised
            return _FAILED_TOO

    def _failed(self, why: str) -> None:
        self._count_against(self.failures, f"failed, version {self.previous.number} answered", why)

    def _count_against(self, counted: _Counted, what: str, why: str, *, at: int | None = None) -> None:
        """Count an incident at the current call, or at `at` for a series with its own number."""
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

    def reset_after_fork(self) -> None:
        """Replace the locks in a forked child, where the threads that held them do not exist."""
        self._failing = threading.Lock()
        self._speed.reset_after_fork()

    @property
    def slow_count(self) -> int:
        """The number of times the version was found slow."""
        return self.slow_calls.count + self.slow_series.count

    @property
    def is_sound(self) -> bool:
        """Whether the version had neither failures nor slow calls."""
        return self.failures.count == self.slow_count == 0

    def _prove(self) -> None:
        if self._on_proven is not None and self.is_sound:
            self.is_proven = True
            self._on_proven()


def _given(answer: Any, *, says_who: bool) -> Any:
    is_previous = type(answer) is AnsweredByPrevious
    return answer.answer if is_previous and not says_who else answer


def plain(text: str) -> str:
    """Return a text as one short line without control characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(printable.split())
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"


def _declared_types(version: LoadedVersion) -> frozenset[type]:
    """Return the declared return type of a version's function, if it declares one."""
    declared = getattr(version.function, "__annotations__", {}).get("return")
    return frozenset({declared}) if isinstance(declared, type) else frozenset()


@dataclass(frozen=True, slots=True)
class _Failure:
    sha256: str
    to: int
    why: str
    at: str
    is_slow: bool
    unwritten: str = ""  # why the registry could not be changed, if so


class Withdrawn:
    """The versions that this process has already replaced. Only used while following is locked."""

    def __init__(self, generated: Path, clock: Callable[[], float]) -> None:
        self._generated, self._clock = generated, clock
        self._failures: dict[tuple[str, int], _Failure] = {}

    def add(self, failed: LoadedVersion, previous: LoadedVersion, why: str, *, is_slow: bool) -> None:
        """Record that a version failed or was slow, and which version answers instead."""
        at = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds")
        key = failed.policy, failed.number
        self._failures[key] = _Failure(failed.sha256, previous.number, why, at, is_slow)

    def why(self, policy: str, number: int, entry: PolicyEntry) -> str | None:
        """Return why a version does not answer in this process; None if it may answer."""
        failure, version = self._failures.get((policy, number)), entry.versions.get(str(number))
        if failure is None or version is None or version.sha256 != failure.sha256:
            return None
        kind = "set aside as slow" if failure.is_slow else "withdrawn"
        reason = f"{kind} by this process: {failure.why}"
        return (
            f"{reason}; registry.json was not changed: {failure.unwritten}" if failure.unwritten else reason
        )

    def instead(self, policy: str, number: int) -> int | None:
        """Return the version that answers instead of one that failed."""
        failure = self._failures.get((policy, number))
        return None if failure is None else failure.to

    def settle(self, *, patience_s: float = 0.0) -> None:
        """Write the withdrawals to the registry, and forget those that it records.

        A caller is waiting meanwhile. If another process holds the lock, the next poll tries again.
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
