"""A new version is watched by the one before it, in the same call.

A failure is a call that the new version raises in, answers with a wrong type, or takes far too long for,
while the version before it answers the same call well. What both fail at is the caller's doing: the new
version's error is raised as it is, and nothing is counted.

A wrong type is one that neither the function before says it returns nor actually returned to the same call.
Too long is over `SLOW_S` and over `SLOWER` times what the version before took for the same call; a running
call cannot be stopped from here, so it is counted afterwards. A policy that runs the caller's own code under
deadlines of its own is not timed.
"""

import itertools
import logging
import threading
from collections.abc import Callable
from functools import wraps
from time import perf_counter
from types import GeneratorType
from typing import Any

from poet.registry._evidence import ENOUGH, FailureEvidence
from poet.registry._load import LoadedVersion
from poet.runtime.policies import runtime_policy

__all__ = ["PROVEN_AFTER", "Guard", "plain"]

SLOW_S = 1.0
SLOWER = 20.0
PROVEN_AFTER = (
    100_000  # calls without a failure, after which a version that nobody records is called directly
)
LONGEST_REASON = 200  # characters
_log = logging.getLogger("poet.registry")
_TEE: type = type(itertools.tee(())[0])
_READ_ONCE = frozenset(
    {GeneratorType, map, filter, zip, _TEE, *(type(iter(kind())) for kind in (list, tuple, dict, set))}
)
_FAILED_TOO = object()
_Arguments = tuple[tuple[Any, ...], dict[str, Any]]


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
        on_proven: Callable[[], None] | None = None,
    ) -> None:
        self.loaded, self.previous = loaded, previous
        self.failures = 0
        self.first_failure = ""
        self.is_broken = self.is_proven = False
        self._on_broken, self._on_proven = on_broken, on_proven
        self._types: frozenset[type] = _said_types(previous)
        self._budget_s = SLOW_S if runtime_policy(loaded.policy).is_timed else float("inf")
        self._count = itertools.count(1)
        self._evidence = FailureEvidence()
        self._failing = threading.Lock()

    def call(self) -> Callable[..., Any]:
        """Give the version's function, answered by the one before where it fails."""
        function, count = self.loaded.function, self._count.__next__

        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            again: _Arguments = (args, kwargs)
            if not (
                _READ_ONCE.isdisjoint(map(type, args)) and _READ_ONCE.isdisjoint(map(type, kwargs.values()))
            ):
                (args, kwargs), again = _twice(args, kwargs)
            begun = perf_counter()
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                answer = self._instead_of(error, again)
                if answer is _FAILED_TOO:
                    raise
                return answer
            took = perf_counter() - begun
            if took > self._budget_s or type(result) not in self._types:
                return self._compared(result, took, again)
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

    def _compared(self, result: object, took: float, arguments: _Arguments) -> object:
        begun = perf_counter()
        answer = self._ask_previous(arguments)
        allowed = SLOWER * (perf_counter() - begun)
        if answer is _FAILED_TOO:
            next(self._count)
            return result
        if type(result) not in self._types and not isinstance(result, type(answer)):
            self._failed(f"answered with {type(result).__name__}, expected {type(answer).__name__}")
            return answer
        if took > max(self._budget_s, allowed):
            self._failed(f"took {took:.3g} s, version {self.previous.number} {allowed / SLOWER:.3g} s")
            return answer
        self._types |= {type(result)}
        self._budget_s = max(self._budget_s, allowed)  # data of that size takes its time in any version
        next(self._count)
        return result

    def _ask_previous(self, arguments: _Arguments) -> object:
        args, kwargs = arguments
        # an iterator of an unknown kind is spent by now: answering from what is left of it would be wrong
        if any(hasattr(value, "__next__") and type(value) is not _TEE for value in (*args, *kwargs.values())):
            return _FAILED_TOO
        try:
            return self.previous.function(*args, **kwargs)
        except Exception:  # noqa: BLE001 -- both fail: the caller's doing, and the new version's error is raised
            return _FAILED_TOO

    def _failed(self, why: str) -> None:
        reason = plain(why)
        with self._failing:
            self.failures += 1
            self.first_failure = self.first_failure or reason
            e_value = self._evidence.failed_at(next(self._count))
            is_news = e_value >= ENOUGH and not self.is_broken
            self.is_broken = self.is_broken or is_news
        if self.failures == 1:
            name, number = self.loaded.policy, self.loaded.number
            _log.warning(
                "%s version %d failed, version %d answered: %s", name, number, self.previous.number, reason
            )
        if is_news:
            self._on_broken(self.first_failure)

    def forked(self) -> None:
        """Make the lock anew in a forked child: nobody is left there to let go of it."""
        self._failing = threading.Lock()

    def _prove(self) -> None:
        if self._on_proven is not None and self.failures == 0:
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
    """Give the arguments for two calls where some can be read once only."""
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
