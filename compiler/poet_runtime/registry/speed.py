"""Test whether a new version is much slower than the previous one, by repeating the same call.

The first run of a call is not evidence: it may wait for a lazy column, a cold cache, or a busy machine. A
first run longer than `SUSPICIOUS_S` only makes a call suspicious. Then lazy columns are read once without
timing, the previous version runs once to warm up, and both versions run in rounds, in random order. The first
round in which the new version is not much slower clears it. A version can be found slow in two ways:

*A slow call*: in two rounds the fastest run took more than `SLOW_S` and more than `SLOWER` times as long as
the fastest run of the previous version, in wall time and in the CPU time of the calling thread. Other work on
a busy machine only increases wall time.

*A slow series*: in `SERIES` consecutive rounds, over several calls if they take long, the new version took
more than `SLOWER` times as long and over `SUSPICIOUS_S` longer, in wall time. This finds a version that waits
or works in other threads, and one that takes 15 ms instead of 0.3 ms. If both versions are equally fast, both
orders of a round are equally likely, regardless of the machine. Given everything before, the new version is
therefore the slower one with probability at most 1/2. A series is wrong with probability at most 1/1024,
without any assumption about how often or how long a machine stalls.

The caller waits meanwhile. The time spent on clearing a version is offset against the time of later
suspicious calls, which are not tested until then: at first the same time, then three times as much, up to
`MOST_LEFT_ALONE` times.
"""

import copy
import itertools
import random
import threading
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter, thread_time
from types import GeneratorType
from typing import Any, Final, NamedTuple

SUSPICIOUS_S: Final = 0.005
SLOW_S: Final = 1.0
SLOWER: Final = 20.0
ROUNDS: Final = 2  # until CPU time counts; the fastest of two runs was rarely interrupted
SERIES: Final = 10  # rounds; 1 / 2**10 is below the failure rate that a version is allowed
LONGEST_S: Final = 5.0  # of repeating one call, after which no further round starts
MOST_LEFT_ALONE: Final = 99  # times the cost of clearing, so at most 1 % of the time of suspicious calls
_MOST_MEMBERS: Final = 1_000  # members of a list or a mapping that are searched for the caller's code
_TEE: Final[type] = type(itertools.tee(())[0])
READ_ONCE: Final = frozenset(
    {GeneratorType, map, filter, zip, _TEE, *(type(iter(kind())) for kind in (list, tuple, dict, set))}
)
_IN_MEMORY: Final = frozenset({"builtins", "datetime", "numpy", "pandas", "polars", "pyarrow"})  # packages
Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class Timers(NamedTuple):
    """The clocks of a guard in seconds with any origin: wall time and CPU time of the calling thread."""

    wall: Callable[[], float] = perf_counter
    cpu: Callable[[], float] = thread_time


SYSTEM_TIMERS: Final = Timers()


class _Spent(NamedTuple):
    """Wall and CPU time of a call in seconds; the minimum of each over several runs."""

    wall: float = float("inf")
    cpu: float = float("inf")

    def least(self, other: "_Spent") -> "_Spent":
        return _Spent(min(self.wall, other.wall), min(self.cpu, other.cpu))

    def is_far_slower_than(self, other: "_Spent") -> bool:
        return all(mine > max(SLOW_S, SLOWER * theirs) for mine, theirs in zip(self, other, strict=True))

    def __str__(self) -> str:
        return f"{self.wall:.3g} s ({self.cpu:.3g} s of CPU time)"


class Slowness(NamedTuple):
    """The reason why a version was found slow, and the series, counted from 1; 0 for a slow call."""

    why: str
    series: int = 0


class _Judged(NamedTuple):
    is_cleared: bool
    slowness: Slowness | None = None


class SpeedWatch:
    """The test of one new version's speed in one process, compared with the previous version."""

    def __init__(
        self, new: Callable[..., Any], previous: Callable[..., Any], number: int, timers: Timers
    ) -> None:
        self._new, self._previous, self._previous_number = new, previous, number
        self._timers = timers
        self._random = random.Random()  # noqa: S311 -- separate, so that the caller's seeded numbers do not change
        self._slower_rounds = self._series = self._cleared = 0
        self._owed_s = 0.0
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Replace the lock in a forked child, where the thread that held it does not exist."""
        self._repeating = threading.Lock()

    def judge(self, took: float, arguments: Arguments) -> Slowness | None:
        """Return why a suspicious call proves that the version is slow; None if it does not, or not yet.

        Only one thread at a time repeats a call. The others do not wait for it.
        """
        if is_spent(arguments) or not self._repeating.acquire(blocking=False):
            return None
        try:
            if self._owed_s > 0.0:
                self._owed_s -= took
                return None
            if holds_code(arguments):
                return None
            started = self._timers.wall()
            judged = self._compared(took, arguments, started)
            self._cleared = min(self._cleared + 1, MOST_LEFT_ALONE) if judged.is_cleared else 0
            self._owed_s = (self._timers.wall() - started) * min(2**self._cleared - 1, MOST_LEFT_ALONE)
            return judged.slowness
        finally:
            self._repeating.release()

    def _compared(self, took: float, arguments: Arguments, started: float) -> _Judged:
        """Run both versions in rounds until a round exonerates the new version or the evidence suffices."""
        old, arguments = self._warmed(arguments)
        if old is None or not _is_far_above(took, old.wall):
            return _Judged(is_cleared=True)
        new = _Spent()
        for rounds in itertools.count(1):
            spent = self._round(arguments)
            if spent is None:
                return _Judged(is_cleared=True)
            new, old = new.least(spent[0]), old.least(spent[1])
            is_last = self._timers.wall() - started > LONGEST_S
            why = f"took {new} on data already read, version {self._previous_number} {old}"
            if (rounds == ROUNDS or (is_last and rounds < ROUNDS)) and new.is_far_slower_than(old):
                return _Judged(is_cleared=False, slowness=Slowness(why))
            if self._slower_rounds == SERIES:
                self._slower_rounds = 0
                slowness = Slowness(f"{why}, in each of {SERIES} rounds", self._series)
                return _Judged(is_cleared=False, slowness=slowness)
            if is_last:
                break
        return _Judged(is_cleared=False)

    def _warmed(self, arguments: Arguments) -> tuple[_Spent | None, Arguments]:
        """Run the previous version once; return its time and the arguments that both versions accept."""
        read = materialized(arguments)
        if read is not arguments and (spent := self._timed(self._previous, read)) is not None:
            return spent, read
        return self._timed(self._previous, arguments), arguments

    def _round(self, arguments: Arguments) -> tuple[_Spent, _Spent] | None:
        """Run both versions in random order. If the new one is cleared, end the series and return None."""
        if self._slower_rounds == 0:
            self._series += 1
        is_new_first = self._random.random() < 0.5
        first, second = (self._new, self._previous)[:: 1 if is_new_first else -1]
        runs = self._timed(first, arguments), self._timed(second, arguments)
        new, old = runs if is_new_first else runs[::-1]
        if new is None or old is None or not _is_far_above(new.wall, old.wall):
            self._slower_rounds = 0
            return None
        self._slower_rounds += 1
        return new, old

    def _timed(self, function: Callable[..., Any], arguments: Arguments) -> _Spent | None:
        """Run a call once more and return its time; None if it raises."""
        args, kwargs = unread(arguments)
        wall, cpu = self._timers
        started, cpu_started = wall(), cpu()
        try:
            function(*args, **kwargs)
        except Exception:  # noqa: BLE001 -- the caller has an answer; a failed repetition is not evidence
            return None
        cpu_spent = cpu() - cpu_started
        return _Spent(wall() - started, cpu_spent)


def _is_far_above(mine: float, theirs: float) -> bool:
    return mine > SLOWER * theirs and mine - theirs > SUSPICIOUS_S


def twice(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Arguments, Arguments]:
    """Return the arguments for two calls if some of them can only be read once."""
    pairs = [itertools.tee(value) if type(value) in READ_ONCE else (value, value) for value in args]
    named = {
        name: itertools.tee(value) if type(value) in READ_ONCE else (value, value)
        for name, value in kwargs.items()
    }
    first, second = (
        (tuple(pair[side] for pair in pairs), {name: pair[side] for name, pair in named.items()})
        for side in (0, 1)
    )
    return first, second


def unread(arguments: Arguments) -> Arguments:
    """Return the arguments for one more call. The kept copies of iterators stay at their start."""
    args, kwargs = arguments
    return (
        tuple(copy.copy(value) if type(value) is _TEE else value for value in args),
        {name: copy.copy(value) if type(value) is _TEE else value for name, value in kwargs.items()},
    )


def is_spent(arguments: Arguments) -> bool:
    """Return whether an argument is an iterator without a copy for a second call."""
    args, kwargs = arguments
    return any(hasattr(value, "__next__") and type(value) is not _TEE for value in (*args, *kwargs.values()))


def holds_code(arguments: Arguments) -> bool:
    """Return whether an argument or a member of one is the caller's code, which may have side effects."""
    args, kwargs = arguments
    return any(map(_is_or_holds_code, (*args, *kwargs.values())))


def _is_or_holds_code(value: Any) -> bool:
    members: Iterable[Any] = ()
    if isinstance(value, Mapping):
        members = value.values()
    elif isinstance(value, list | tuple | set):
        members = value
    return callable(value) or any(map(callable, itertools.islice(members, _MOST_MEMBERS)))


def materialized(arguments: Arguments) -> Arguments:
    """Return the arguments with lazy columns read into memory; the same object if there are none."""
    args, kwargs = arguments
    read_args = tuple(map(_read, args))
    read_kwargs = {name: _read(value) for name, value in kwargs.items()}
    pairs = zip((*args, *kwargs.values()), (*read_args, *read_kwargs.values()), strict=True)
    return arguments if all(mine is read for mine, read in pairs) else (read_args, read_kwargs)


def _read(value: Any) -> Any:
    if type(value).__module__.partition(".")[0] in _IN_MEMORY:
        return value
    reader = getattr(value, "to_numpy", None) or getattr(value, "__array__", None)
    if not callable(reader):
        return value
    try:
        return reader()
    except Exception:  # noqa: BLE001 -- the caller's code failed, so both versions read the column themselves
        return value
