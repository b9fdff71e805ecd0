"""Shadows, which run a version on a sample of the calls without ever answering.

The caller pays for drawing the sample and, on the sampled calls, for copying the arguments: at most `LARGEST`
bytes are copied, and calls with larger arguments are skipped. The rest happens on a background thread that
works at most a fifth of the time. If the thread falls behind, sampled calls are skipped and counted. A call
runs twice only if that is safe: its arguments must be numbers, strings, times, arrays, answers of policies,
or lists and mappings of those. This excludes calls with a function or an open file as an argument.

Every process appends its counts to one file. A line contains the counts since the process's previous line and
a few witnesses, so the total is the sum of all lines. Lines are short and each is written in one append, so
that the lines of several processes are not interleaved.
"""

import inspect
import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec

from poet_runtime import former_names
from poet_runtime.background import BackgroundWorker
from poet_runtime.errors import RegistryError
from poet_runtime.files import append
from poet_runtime.policies.policy import difference, runtime_policy
from poet_runtime.registry.guard import plain
from poet_runtime.registry.load import LoadedVersion
from poet_runtime.results import IMMUTABLE_ANSWERS

FILE: Final = "shadow.jsonl"


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """One call that two versions answered differently, as short texts."""

    difference: str
    feature: str
    champion: str
    shadow: str


class Tally(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Counts of the comparisons of a shadow with the version that answered."""

    policy: str
    version: int
    sha256: str
    champion: int
    compared: int = 0
    fewer_alerts: int = 0
    more_alerts: int = 0
    different: int = 0
    failed: int = 0
    skipped: int = 0  # sampled calls that were too large, too many at once, or not safe to run twice
    witnesses: list[Witness] = []

    @property
    def differ(self) -> int:
        """The number of compared calls with different answers."""
        return self.fewer_alerts + self.more_alerts + self.different

    @property
    def is_empty(self) -> bool:
        """Whether all counts are zero."""
        return not (self.compared or self.failed or self.skipped)

    def __add__(self, other: "Tally") -> "Tally":
        """Return the sum of the counts and all witnesses."""
        counts = ("compared", "fewer_alerts", "more_alerts", "different", "failed", "skipped")
        sums = {name: getattr(self, name) + getattr(other, name) for name in counts}
        return msgspec.structs.replace(self, **sums, witnesses=self.witnesses + other.witnesses)

    def __str__(self) -> str:
        text = f"{_grouped(self.compared)} compared, {_grouped(self.differ)} differ"
        kinds = (
            ("fewer_alerts", self.fewer_alerts),
            ("more_alerts", self.more_alerts),
            ("different", self.different),
        )
        details = ", ".join(f"{_grouped(count)} {name.replace('_', ' ')}" for name, count in kinds if count)
        text += f" ({details})" if details else ""
        text += f", {_grouped(self.failed)} failed"
        return text + (f", {_grouped(self.skipped)} skipped" if self.skipped else "")


def add_to_file(folder: Path, tallies: Iterable[Tally]) -> None:
    """Append tallies to the file in a folder."""
    content = b"".join(msgspec.json.encode(each) + b"\n" for each in tallies)
    append(folder / FILE, content)


def read_tallies(folder: Path) -> dict[tuple[str, int, str, int], Tally]:
    """Return the tallies by policy, version, digest and version that answered.

    Raises
    ------
    RegistryError
        A complete line is not a tally.
    """
    path = folder / FILE
    content = path.read_bytes() if path.exists() else b""
    found: dict[tuple[str, int, str, int], Tally] = {}
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            new = msgspec.convert(former_names.tally(msgspec.json.decode(line, type=dict[str, Any])), Tally)
        except msgspec.DecodeError as error:
            raise RegistryError(f"{path}, line {number}: {error}; move the file away") from error
        key = new.policy, new.version, new.sha256, new.champion
        found[key] = found[key] + new if key in found else new
    return found


def _grouped(count: int) -> str:
    return f"{count:,}".replace(",", " ")


LARGEST: Final = 1 << 20  # bytes of array arguments in a sampled call
MOST_MEMBERS: Final = 2_000  # of all lists and mappings together
WAITING: Final = 64  # sampled calls
REST: Final = 4.0  # length of the thread's pause after a call, relative to the duration of the call
LONGEST_REST_S: Final = 1.0
WRITE_INTERVAL_S: Final = 5.0  # between two lines of the file
WITNESSES: Final = 3  # per line
_PLAIN: Final = (
    str,
    int,
    float,
    complex,
    bytes,
    type(None),
    date,
    timedelta,
    *IMMUTABLE_ANSWERS,
)
_log = logging.getLogger("poet_runtime.registry")


class _Unsafe(Exception):  # noqa: N818 -- never leaves this module
    """A call whose arguments cannot be copied, or that must not run twice."""


class Shadow(BackgroundWorker):
    """A shadow version in one process, compared with the version that answers."""

    _thread_name: ClassVar[str] = "poet-shadow"
    _exit_order: ClassVar[int] = 10  # before the recorder: a version may call recorded policies

    def __init__(
        self,
        loaded: LoadedVersion,
        champion: LoadedVersion,
        *,
        share: float,
        folder: Path | None,
        fresh: Callable[[], float] = random.random,
    ) -> None:
        self.loaded, self.champion, self.share = loaded, champion, share
        self._folder, self._fresh = folder, fresh
        self._signature = inspect.signature(champion.function)
        self.reset_after_fork()
        super().__init__()

    def reset_after_fork(self) -> None:
        """Start empty, because after a fork the parent writes its own counts."""
        self._waiting: queue.Queue[tuple[inspect.BoundArguments, Any] | threading.Event | None]
        self._waiting = queue.Queue(WAITING)
        self._guarding = threading.Lock()
        self._written_at = 0.0
        self._new = self._nothing()

    def _nothing(self) -> Tally:
        return Tally(
            policy=self.loaded.policy,
            version=self.loaded.number,
            sha256=self.loaded.sha256,
            champion=self.champion.number,
            witnesses=[],
        )

    def attach_to(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with sampling for the shadow added."""
        fresh, share = self._fresh, self.share

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            answer = function(*args, **kwargs)
            if fresh() < share:
                self._offer(args, kwargs, answer)
            return answer

        return call

    def _offer(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], answer: Any) -> None:
        """Queue a call for comparison, or skip it. Errors do not matter to the caller, who has the answer."""
        try:
            copier = _ArgumentCopier()
            bound = self._signature.bind(
                *map(copier.value, args), **{name: copier.value(value) for name, value in kwargs.items()}
            )
            if self._thread is None:
                self._start_thread()
            self._waiting.put_nowait((bound, answer))
        except (_Unsafe, TypeError, queue.Full, RuntimeError):
            with self._guarding:
                self._new.skipped += 1

    def close_at_exit(self, deadline: float) -> None:
        """Compare the queued calls until the deadline, without pauses, and write the counts."""
        if self._stop_thread(deadline):
            self.write_counts()

    def _wake_thread(self) -> None:
        self._woken.set()
        if self._thread is not None:
            with suppress(queue.Full):  # after the deadline the thread ends without this item
                self._waiting.put(None, timeout=self._time_left)

    def _run(self) -> None:
        while True:
            try:
                item = self._waiting.get(timeout=WRITE_INTERVAL_S)
            except queue.Empty:
                with self._step():
                    self.write_counts()
                continue
            if item is None or self._is_late:
                return
            started = time.perf_counter()
            with self._step():
                self._process(item)
            if not isinstance(item, threading.Event):
                self._woken.wait(min(REST * (time.perf_counter() - started), LONGEST_REST_S))

    def _process(self, item: "tuple[inspect.BoundArguments, Any] | threading.Event") -> None:
        if isinstance(item, threading.Event):
            self.write_counts()
            item.set()
            return
        self._compare(*item)
        if time.monotonic() - self._written_at >= WRITE_INTERVAL_S:
            self.write_counts()

    def _compare(self, bound: inspect.BoundArguments, answer: Any) -> None:
        policy = runtime_policy(self.loaded.policy)
        feature = policy.feature_of(bound.arguments)
        found: str
        was = ""
        try:
            was = policy.for_answer(answer).brief(answer)
            shadowed = self.loaded.function(*bound.args, **bound.kwargs)
            found, shown = (
                difference(policy.name, answer, shadowed),
                policy.for_answer(shadowed).brief(shadowed),
            )
        except Exception as error:  # noqa: BLE001 -- counted; no caller waits for this answer
            found, shown = "failed", f"{type(error).__name__}: {error}"
        with self._guarding:
            new = self._new
            if found == "failed":
                new.failed += 1
            else:
                new.compared += 1
            if found in ("fewer_alerts", "more_alerts", "different"):
                setattr(new, found, getattr(new, found) + 1)
            if found and len(new.witnesses) < WITNESSES:
                new.witnesses.append(
                    Witness(
                        difference=found,
                        feature=plain(feature),
                        champion=plain(was),
                        shadow=plain(shown),
                    )
                )

    def write_counts(self) -> None:
        """Append the new counts to the file. If that fails, keep them for the next attempt."""
        with self._guarding:
            new, self._new = self._new, self._nothing()
        self._written_at = time.monotonic()
        if new.is_empty:
            return
        if self._folder is None:  # versions without a workspace: the counts stay in this process
            self._keep(new)
            return
        try:
            add_to_file(self._folder, [new])
        except OSError as error:
            _log.debug(
                "%s: the counts of its shadow are not written (%s)", self.loaded.policy, error.strerror
            )
            self._keep(new)

    def _keep(self, unwritten: Tally) -> None:
        with self._guarding:
            self._new = unwritten + self._new
            del self._new.witnesses[WITNESSES:]

    def flush(self) -> None:
        """Wait until all calls queued so far are compared and their counts are written."""
        if self._thread is None:
            self.write_counts()
            return
        written = threading.Event()
        self._waiting.put(written)
        written.wait()

    def unwritten(self) -> Tally:
        """Return the counts that are not in the file yet."""
        with self._guarding:
            return msgspec.structs.replace(self._new, witnesses=list(self._new.witnesses))


class _ArgumentCopier:
    """Copier of the arguments of one call, which the caller may change immediately."""

    def __init__(self) -> None:
        self._bytes = self._members = 0

    def value(self, value: Any) -> Any:
        """Return a copy of a mutable value, and an immutable value itself."""
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, list | tuple):
            self._count(len(value))
            members = [self.value(each) for each in value]
            return members if isinstance(value, list) else tuple(members)
        if isinstance(value, dict):
            self._count(len(value))
            return {self.value(name): self.value(each) for name, each in value.items()}
        if _is_array(value):
            self._bytes += int(value.nbytes)
            if self._bytes > LARGEST:
                raise _Unsafe
            return value.copy()
        raise _Unsafe

    def _count(self, members: int) -> None:
        self._members += members
        if self._members > MOST_MEMBERS:
            raise _Unsafe


def _is_array(value: Any) -> bool:
    """Return whether a value is a numpy array or a pandas Series, without importing either library."""
    kind = type(value)
    is_series = (kind.__module__.partition(".")[0], kind.__name__) == ("pandas", "Series")
    return is_series or (kind.__module__ == "numpy" and hasattr(value, "dtype"))
