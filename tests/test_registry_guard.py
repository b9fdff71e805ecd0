"""Tests of the guard: a new version that keeps failing or is far slower is replaced by the previous one."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poet_runtime.errors import PublishError, SampleError
from poet_runtime.registry import (
    Registry,
    Timers,
    activate,
    on_trial,
    read_document,
    read_journal,
    release,
    rollback,
)
from poet_runtime.registry.changes import withdraw
from poet_runtime.registry.guard import ALLOWED, ENOUGH, FailureEvidence
from poet_runtime.registry.speed import SERIES, SpeedWatch
from tests.handmade import write_registry, write_version

PROVENANCE: dict[str, Any] = {"who": "user/ana", "why": "a test", "at": "2026-01-01T00:00:00+00:00"}
SOUND = "VERSION = {number}\n\n\ndef one(value=0, *more) -> int:\n    return {number}\n"


def two_versions(generated: Path, body: str, *, old: str = "    return 1\n") -> Registry:
    """Publish version 1, which works, and version 2 with this body, which is active."""
    generated.mkdir(exist_ok=True)
    sources = {
        number: f"VERSION = {number}\n\n\ndef one(value=0, *more) -> int:\n{text}"
        for number, text in ((1, old), (2, body))
    }
    versions = {
        "one": {
            str(number): write_version(generated, "one", number, source=text)
            for number, text in sources.items()
        }
    }
    write_registry(generated, {"one": 2}, versions, previous=1)
    return Registry(generated)


def test_a_version_that_raises_is_rolled_back(tmp_path: Path) -> None:
    """No call fails. The registry and the journal record who, when and why."""
    one = two_versions(tmp_path, "    raise ZeroDivisionError('no\\nrows')\n").policy("one")
    assert [one() for _ in range(10)] == [1] * 10
    entry = read_document(tmp_path).policies["one"]
    assert (entry.active, entry.previous) == (1, None)
    journal = [(move.mode, move.from_, move.to, move.who, move.why) for move in read_journal(tmp_path)]
    why = "ZeroDivisionError: no rows"
    assert journal == [("active", 2, 1, "guard", why), ("quarantine", 2, 2, "guard", why)]


def test_a_rollback_takes_at_most_five_failures(tmp_path: Path) -> None:
    """The version always fails, immediately or after ten thousand successful calls."""
    for sound in (0, 10_000):
        generated = tmp_path / str(sound)
        registry = two_versions(generated, "    return 2 if value else 1 // value\n")
        one = registry.policy("one")
        assert all(one(1) == 2 for _ in range(sound))
        answers = [one(0) for _ in range(5)]
        assert answers == [1] * 5
        assert read_document(generated).policies["one"].active == 1


def test_errors_of_the_caller_do_not_count(tmp_path: Path) -> None:
    """A wrong type is a programming error with every version, and its exception is raised unchanged."""
    wrong = (
        "    from poet_runtime.errors import SampleError\n    raise SampleError('version {} wants numbers')\n"
    )
    registry = two_versions(tmp_path, wrong.format(2), old=wrong.format(1))
    one = registry.policy("one")
    for _ in range(20):
        with pytest.raises(SampleError, match="version 2 wants numbers"):
            one("text")
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        one(colour="red")
    status = registry.status()["one"]
    assert (status["active"], status["guard"], status["quarantine"]) == (2, [], [])


def test_an_error_that_the_previous_version_does_not_raise_counts(tmp_path: Path) -> None:
    """A new version must accept what the old one accepted. The type of the error does not matter."""
    body = "    from poet_runtime.errors import SampleError\n    raise SampleError('no')\n"
    one = two_versions(tmp_path, body).policy("one")
    assert [one() for _ in range(5)] == [1] * 5
    assert read_document(tmp_path).policies["one"].active == 1


@pytest.mark.parametrize("body", ["    return None\n", "    return 2.0\n", "    return '2'\n"])
def test_after_a_wrong_type_the_previous_version_answers(tmp_path: Path, body: str) -> None:
    """The type is wrong by the annotation, or by comparison with the previous version's answer."""
    one = two_versions(tmp_path, body).policy("one")
    assert [one() for _ in range(5)] == [1] * 5
    assert "expected int" in read_document(tmp_path).policies["one"].quarantine[0].why


def test_an_unannotated_policy_is_compared_with_the_previous_version(tmp_path: Path) -> None:
    """A new type is accepted if both versions return it."""
    bodies = {1: "return [1] if value else 1", 2: "return [2] if value else 2"}
    versions = {
        "one": {
            str(number): write_version(
                tmp_path, "one", number, source=f"VERSION = {number}\ndef one(value=0):\n    {body}\n"
            )
            for number, body in bodies.items()
        }
    }
    write_registry(tmp_path, {"one": 2}, versions, previous=1)
    registry = Registry(tmp_path)
    one = registry.policy("one")
    assert [one(), one(1), one(), one(1)] == [2, [2], 2, [2]]
    assert registry.status()["one"]["guard"] == []


class Clocks:
    """Clocks that only a test advances."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0
        self.timers = Timers(wall=lambda: self.wall_s, cpu=lambda: self.cpu_s)

    def spend(self, *, waiting: float = 0.0, computing: float = 0.0) -> None:
        """Advance the time; computing also takes wall time."""
        self.wall_s += waiting + computing
        self.cpu_s += computing


class Column:
    """A column whose first read is slower, and on which the two versions have different speeds."""

    def __init__(
        self,
        clocks: Clocks,
        *,
        first_read: dict[str, float] | None = None,
        every_read: dict[str, float] | None = None,
        old: dict[str, float] | None = None,
        new: dict[str, float] | None = None,
    ) -> None:
        self._clocks, self._first, self._every = clocks, first_read, every_read
        self._work = {1: old or {"computing": 0.001}, 2: new or {"computing": 0.001}}
        self.runs: list[int] = []

    def work(self, version: int) -> None:
        """Spend the time of a version on this column."""
        self.runs.append(version)
        self._clocks.spend(**(self._first or {}))
        self._first = None
        self._clocks.spend(**(self._every or {}))
        self._clocks.spend(**self._work[version])


WORKING = "    value.work({number})\n    return {number}\n"
FIFTY_TIMES = {"old": {"computing": 0.04}, "new": {"computing": 2.0}}
SLOW_WHY = "took 2 s (2 s of CPU time) on data already read, version 1 0.04 s (0.04 s of CPU time)"


def timed_versions(generated: Path, clocks: Clocks, *, body: str = WORKING) -> Registry:
    """Publish two versions that work on a `Column`; version 2 is active and timed with these clocks."""
    two_versions(generated, body.format(number=2), old=body.format(number=1))
    return Registry(generated, timers=clocks.timers)


def test_a_version_that_is_fifty_times_slower_is_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The late answers are used, and the version is not quarantined. Log, status and journal record it."""
    clocks = Clocks()
    registry = timed_versions(tmp_path, clocks)
    one = registry.policy("one")
    assert [one(Column(clocks, **FIFTY_TIMES)) for _ in range(4)] == [2, 2, 1, 1]
    entry = read_document(tmp_path).policies["one"]
    assert (entry.active, entry.previous, entry.quarantine) == (1, None, ())
    found = entry.slowness(2)
    assert found is not None
    assert (found.who, found.why) == ("guard", SLOW_WHY)
    journal = [(move.mode, move.from_, move.to, move.who, move.why) for move in read_journal(tmp_path)]
    assert journal == [("active", 2, 1, "guard", SLOW_WHY)]
    (slow,) = registry.status()["one"]["slow"]
    assert (slow["version"], slow["why"]) == (2, SLOW_WHY)
    assert caplog.messages == [
        f"one version 2 is slow: {SLOW_WHY}",
        f"one: version 2 is set aside as slow by this process: {SLOW_WHY}",
    ]


def test_one_slow_call_is_reported_but_is_not_evidence(tmp_path: Path) -> None:
    """The status counts it separately from failures."""
    clocks = Clocks()
    registry = timed_versions(tmp_path, clocks)
    one = registry.policy("one")
    assert one(Column(clocks, **FIFTY_TIMES)) == 2
    assert all(one(Column(clocks)) == 2 for _ in range(100))
    (guard,) = registry.status()["one"]["guard"]
    assert (guard["failures"], guard["slow_calls"], guard["first_slow_call"]) == (0, 1, SLOW_WHY)


@pytest.mark.parametrize(
    "column",
    [
        {"first_read": {"waiting": 1.3}},
        {"first_read": {"computing": 30.0}},  # such as a lazy table that is computed by the caller's thread
        {"every_read": {"waiting": 1.3}},
        {"every_read": {"computing": 1.3}},
        {"first_read": {"waiting": 5.0}, "every_read": {"waiting": 0.5}},
        {"first_read": {"waiting": 60.0}, "new": {"computing": 0.015}},
    ],
)
def test_a_slow_read_does_not_count_against_the_version(tmp_path: Path, column: dict[str, Any]) -> None:
    """The first read or every read is slow, and waits or computes."""
    clocks = Clocks()
    registry = timed_versions(tmp_path, clocks)
    one = registry.policy("one")
    assert [one(Column(clocks, **column)) for _ in range(50)] == [2] * 50
    status = registry.status()["one"]
    assert (status["active"], status["guard"], status["slow"]) == (2, [], [])


def test_a_version_that_only_waits_is_detected(tmp_path: Path) -> None:
    """The version takes no CPU time. It is slower in twenty rounds, at most three per call."""
    clocks = Clocks()
    registry = timed_versions(tmp_path, clocks)
    one = registry.policy("one")
    column = Column(clocks, old={"waiting": 0.04}, new={"waiting": 2.0})
    answers = [one(column) for _ in range(10)]
    assert answers == [2] * 8 + [1] * 2
    entry = read_document(tmp_path).policies["one"]
    assert entry.quarantine == ()
    why = "took 2 s (0 s of CPU time) on data already read, version 1 0.04 s (0 s of CPU time)"
    assert [each.why for each in entry.slow] == [f"{why}, in each of 10 rounds"]


@pytest.mark.parametrize("kind", ["computing", "waiting"])
def test_a_version_that_takes_15_ms_instead_of_a_third_is_detected(tmp_path: Path, kind: str) -> None:
    """Two calls are enough because their rounds are short."""
    clocks = Clocks()
    one = timed_versions(tmp_path, clocks).policy("one")
    column = Column(clocks, old={kind: 0.0003}, new={kind: 0.015})
    assert [one(column) for _ in range(4)] == [2, 2, 1, 1]


def test_five_additional_milliseconds_are_ignored(tmp_path: Path) -> None:
    """The ratio does not matter."""
    clocks = Clocks()
    one = timed_versions(tmp_path, clocks).policy("one")
    column = Column(clocks, old={"computing": 0.00001}, new={"computing": 0.0049})
    assert [one(column) for _ in range(100)] == [2] * 100
    assert column.runs == [2] * 100


class StallingMachine(Column):
    """A column on a machine that stalls for two seconds, at random or in bursts, in any version."""

    def __init__(self, clocks: Clocks, *, share: float, stays: float, seed: int) -> None:
        super().__init__(clocks)
        self._clock, self._draw, self._is_stalled = clocks, np.random.default_rng(seed), False
        self._share, self._stays = share, stays

    def work(self, version: int) -> None:
        """Spend a millisecond, and two seconds more while the machine stalls."""
        super().work(version)
        if self._draw.random() >= self._stays:
            self._is_stalled = bool(self._draw.random() < self._share)
        if self._is_stalled:
            self._clock.spend(waiting=2.0)


@pytest.mark.parametrize("stays", [0.0, 0.6])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
def test_a_stalling_machine_does_not_count_against_the_version(
    tmp_path: Path, share: float, stays: float
) -> None:
    """To blame one version, stalls would have to miss the other in twenty rounds."""
    clocks = Clocks()
    registry = timed_versions(tmp_path, clocks)
    one = registry.policy("one")
    machine = StallingMachine(clocks, share=share, stays=stays, seed=1)
    assert all(one(machine) == 2 for _ in range(4_000))
    assert registry.status()["one"]["slow"] == []


def test_false_detections_are_as_rare_as_series_of_heads() -> None:
    """In the worst case, a stall hits one of the two runs in every round."""
    clocks = Clocks()
    runs = [0]

    def run() -> None:
        """Stall the second run of every round; the first run of a call is the warm-up."""
        clocks.spend(waiting=2.0 if runs[0] and runs[0] % 2 == 0 else 0.001)
        runs[0] += 1

    watch = SpeedWatch(run, run, 1, clocks.timers)
    series, found = 0, 0
    for _ in range(100_000):
        runs[0] = 0
        slowness = watch.judge(1e9, ((), {}))  # long enough to amortize the cost of the last one
        found += slowness is not None
        series = slowness.series if slowness else series
    assert series > 20_000
    expected = series / 2**SERIES
    assert abs(found - expected) < 6 * expected**0.5


def test_other_load_does_not_count_against_the_version(tmp_path: Path) -> None:
    """The fastest of two runs counts."""
    clocks = Clocks()
    registry = timed_versions(tmp_path, clocks)
    one = registry.policy("one")

    class Disturbed(Column):
        def work(self, version: int) -> None:
            """Slow down all runs of version 2 except its last."""
            super().work(version)
            if version == 2 and self.runs.count(2) < 3:
                clocks.spend(computing=3.0)

    columns = [Disturbed(clocks) for _ in range(20)]
    assert [one(column) for column in columns] == [2] * 20
    assert (columns[0].runs[:2], sorted(columns[0].runs)) == ([2, 1], [1, 1, 1, 2, 2, 2])
    assert registry.status()["one"]["guard"] == []


def test_a_lazy_column_is_read_before_both_versions_are_timed(tmp_path: Path) -> None:
    """A column that is slow at every read has no effect on the comparison."""
    clocks = Clocks()
    body = (
        "    rows = value if type(value) is list else value.__array__()\n"
        "    seen.append(({number}, type(value).__name__))\n    return {number}\n"
    )
    seen: list[tuple[int, str]] = []
    registry = timed_versions(tmp_path, clocks, body="    seen = more[0]\n" + body)
    one = registry.policy("one")

    class Lazy:
        def __array__(self) -> list[int]:
            """Take time at every read."""
            clocks.spend(waiting=3.0)
            return [1, 2]

    assert one(Lazy(), seen) == 2
    assert (seen[0], sorted(seen[1:])) == ((2, "Lazy"), [(1, "list"), (1, "list"), (2, "list")])
    assert clocks.wall_s == pytest.approx(6.0)
    assert all(one(Lazy(), seen) == 2 for _ in range(50))
    assert registry.status()["one"]["guard"] == []


def test_a_lazy_column_that_cannot_be_read_ahead_is_timed_unread(tmp_path: Path) -> None:
    """The versions use more of it than its values."""
    clocks = Clocks()
    one = timed_versions(tmp_path, clocks).policy("one")

    class Lazy(Column):
        def __array__(self) -> list[int]:
            """Return an array, which has no `work`."""
            return [1, 2]

    assert [one(Lazy(clocks, **FIFTY_TIMES)) for _ in range(3)] == [2, 2, 1]


def test_a_slow_version_is_detected_after_many_slow_reads(tmp_path: Path) -> None:
    """The pauses after slow reads only delay the detection."""
    clocks = Clocks()
    one = timed_versions(tmp_path, clocks).policy("one")
    assert all(one(Column(clocks, first_read={"waiting": 1.3})) == 2 for _ in range(20))
    slow = [one(Column(clocks, **FIFTY_TIMES, first_read={"waiting": 1.3})) for _ in range(50)]
    assert slow[-1] == 1
    assert read_document(tmp_path).policies["one"].quarantine == ()


def test_calls_that_are_slow_in_both_versions_are_rarely_repeated(tmp_path: Path) -> None:
    """Only fifteen of a thousand calls are repeated, only with the previous version."""
    clocks = Clocks()
    one = timed_versions(tmp_path, clocks).policy("one")
    column = Column(clocks, old={"computing": 3.0}, new={"computing": 3.0})
    assert all(one(column) == 2 for _ in range(1_000))
    assert (column.runs.count(2), column.runs.count(1)) == (1_000, 15)


def test_one_call_is_repeated_for_a_few_seconds(tmp_path: Path) -> None:
    """A version that takes a minute is repeated once and not twice."""
    clocks = Clocks()
    one = timed_versions(tmp_path, clocks).policy("one")
    for seconds, runs in ((2.0, [1, 1, 1, 2, 2, 2]), (60.0, [1, 1, 2, 2])):
        column = Column(clocks, new={"computing": seconds})
        one(column)
        assert sorted(column.runs) == runs


def test_a_slow_generator_does_not_count_against_the_version(tmp_path: Path) -> None:
    """The generator is read once, and every repetition gets all of its items."""
    clocks = Clocks()
    counting = "    return {number} * 100 + sum(value)\n"
    registry = timed_versions(tmp_path, clocks, body=counting)
    one = registry.policy("one")

    def rows() -> Iterator[int]:
        for row in (1, 2, 3):
            clocks.spend(computing=0.5)
            yield row

    assert [one(rows()) for _ in range(10)] == [206] * 10
    assert registry.status()["one"]["guard"] == []


def test_every_repetition_gets_the_whole_generator(tmp_path: Path) -> None:
    """Both versions get the same rows three times."""
    clocks = Clocks()
    body = WORKING.replace("    return", "    value.runs.append(list(more[0]))\n    return")
    one = timed_versions(tmp_path, clocks, body=body).policy("one")
    column = Column(clocks, **FIFTY_TIMES)
    assert one(column, iter([1, 2])) == 2
    assert sorted(column.runs[::2]) == [1, 1, 1, 2, 2, 2]
    rows: list[Any] = column.runs[1::2]
    assert rows == [[1, 2]] * 6


def test_calls_that_cannot_be_repeated_are_not_timed(tmp_path: Path) -> None:
    """Their arguments are unknown iterators or contain code of the caller."""
    clocks = Clocks()
    one = timed_versions(tmp_path, clocks).policy("one")
    for argument in (enumerate([1]), print, {"check": print}, [print]):
        column = Column(clocks, **FIFTY_TIMES)
        assert [one(column, argument) for _ in range(5)] == [2] * 5
        assert column.runs == [2] * 5


def test_a_repetition_that_raises_is_not_a_failure(tmp_path: Path) -> None:
    """The caller has the first answer, and no failure is counted."""
    clocks = Clocks()
    body = "    value.work({number})\n    return {number} if len(value.runs) < 3 else 1 // 0\n"
    registry = timed_versions(tmp_path, clocks, body=body)
    one = registry.policy("one")
    assert [one(Column(clocks, **FIFTY_TIMES)) for _ in range(5)] == [2] * 5
    assert registry.status()["one"]["guard"] == []


def test_a_slow_wrong_type_is_quarantined_for_its_type(tmp_path: Path) -> None:
    """Slowness does not hide the wrong type."""
    clocks = Clocks()
    two_versions(tmp_path, "    value.work(2)\n    return None\n", old="    value.work(1)\n    return 1\n")
    one = Registry(tmp_path, timers=clocks.timers).policy("one")
    assert [one(Column(clocks, **FIFTY_TIMES)) for _ in range(5)] == [1] * 5
    entry = read_document(tmp_path).policies["one"]
    assert (entry.slow, [word.version for word in entry.quarantine]) == ((), [2])


def test_a_policy_that_runs_the_callers_code_under_deadlines_is_not_timed(tmp_path: Path) -> None:
    """The `RuntimePolicy` of the policy declares this."""
    clocks = Clocks()
    versions = {
        "monitor_with_recovery": {
            str(number): write_version(
                tmp_path,
                "monitor_with_recovery",
                number,
                source=(
                    "from poet_runtime.results import MonitoringOutcome\n"
                    f"VERSION = {number}\n\n\ndef monitor_with_recovery(value) -> MonitoringOutcome:\n"
                    f"    value.work({number})\n"
                    "    return MonitoringOutcome.__new__(MonitoringOutcome)\n"
                ),
            )
            for number in (1, 2)
        }
    }
    write_registry(tmp_path, {"monitor_with_recovery": 2}, versions, previous=1)
    column = Column(clocks, **FIFTY_TIMES)
    one = Registry(tmp_path, timers=clocks.timers).policy("monitor_with_recovery")
    for _ in range(5):
        one(column)
    assert column.runs == [2] * 5


def test_a_slow_version_is_activated_without_a_flag_and_watched_again(tmp_path: Path) -> None:
    """Activation removes the record of its slowness, and two more slow calls restore it."""
    clocks = Clocks()
    registry = timed_versions(tmp_path, clocks)
    one = registry.policy("one")
    for _ in range(2):
        assert [one(Column(clocks, **FIFTY_TIMES)) for _ in range(3)] == [2, 2, 1]
        assert len(read_document(tmp_path).policies["one"].slow) == 1
        activate(tmp_path, "one", 2, **PROVENANCE)
        assert read_document(tmp_path).policies["one"].slow == ()
        registry.refresh()
        assert one(Column(clocks)) == 2


def test_a_slow_canary_ends(tmp_path: Path) -> None:
    """The active version stays, and the registry records why the canary ended."""
    clocks = Clocks()
    body = "VERSION = {0}\n\n\ndef one(value=0, feature='') -> int:\n    value.work({0})\n    return {0}\n"
    versions = {
        "one": {
            str(number): write_version(tmp_path, "one", number, source=body.format(number))
            for number in (1, 2)
        }
    }
    write_registry(tmp_path, {"one": 1}, versions)
    on_trial(tmp_path, "one", 2, mode="canary", share=0.999999, **PROVENANCE)
    one = Registry(tmp_path, timers=clocks.timers).policy("one")
    assert [one(Column(clocks, **FIFTY_TIMES), "age") for _ in range(3)] == [2, 2, 1]
    entry = read_document(tmp_path).policies["one"]
    assert (entry.active, entry.canary, entry.quarantine, len(entry.slow)) == (1, None, (), 1)
    assert [move.mode for move in read_journal(tmp_path)] == ["canary", "canary ends"]


def test_in_a_read_only_folder_a_slow_version_is_replaced_locally(
    tmp_path: Path,
) -> None:
    """The version is treated like a failed version, and the status has the reason."""
    clocks = Clocks()
    registry = timed_versions(tmp_path, clocks)
    one = registry.policy("one")
    lock = tmp_path / ".lock"
    lock.mkdir()
    assert [one(Column(clocks, **FIFTY_TIMES)) for _ in range(3)] == [2, 2, 1]
    status = registry.status()["one"]
    assert (status["active"], status["answering"]) == (2, 1)
    assert (
        f"set aside as slow by this process: {SLOW_WHY}; registry.json was not changed" in status["refused"]
    )
    lock.rmdir()
    status = registry.status()["one"]
    assert (status["active"], status["refused"], status["quarantine"]) == (1, "", [])


def test_two_processes_replace_a_slow_version_once(tmp_path: Path) -> None:
    """The second process finds the change already made."""
    clocks = Clocks()
    first = timed_versions(tmp_path, clocks).policy("one")
    second = Registry(tmp_path, timers=clocks.timers).policy("one")
    for one in (first, second):
        one(Column(clocks, **FIFTY_TIMES))
    sha256 = read_document(tmp_path).policies["one"].versions["2"].sha256
    for _ in range(2):
        withdraw(
            tmp_path,
            "one",
            2,
            sha256=sha256,
            to=1,
            why="slow",
            at=PROVENANCE["at"],
            patience_s=1.0,
            is_slow=True,
        )
    assert len(read_journal(tmp_path)) == 1


def test_a_later_rollback_skips_a_slow_version(tmp_path: Path) -> None:
    """When version 3 fails, the version before it answers, and no previous version remains."""
    versions = {"one": {}}  # type: dict[str, dict[str, Any]]
    for number in (1, 2, 3, 4):
        versions["one"][str(number)] = write_version(
            tmp_path, "one", number, source=SOUND.format(number=number)
        )
    write_registry(tmp_path, {"one": 2}, versions, previous=1)
    sha256 = {number: each.sha256 for number, each in versions["one"].items()}
    options: dict[str, Any] = {"at": PROVENANCE["at"], "patience_s": 1.0}
    withdraw(tmp_path, "one", 2, sha256=sha256["2"], to=1, why="slow", is_slow=True, **options)
    activate(tmp_path, "one", 3, **PROVENANCE)
    activate(tmp_path, "one", 4, **PROVENANCE)
    withdraw(tmp_path, "one", 4, sha256=sha256["4"], to=3, why="KeyError", **options)
    entry = read_document(tmp_path).policies["one"]
    assert (entry.active, entry.previous) == (3, 1)


def test_only_one_thread_at_a_time_repeats_a_call(tmp_path: Path) -> None:
    """The other threads answer without waiting."""
    clocks = Clocks()
    one = timed_versions(tmp_path, clocks).policy("one")
    inner: list[Column] = []

    class Nested(Column):
        def work(self, version: int) -> None:
            """Make a slow call in another thread while the call is repeated."""
            super().work(version)
            if version == 1 and not inner:
                inner.append(Column(clocks, **FIFTY_TIMES))
                thread = threading.Thread(target=one, args=(inner[0],))
                thread.start()
                thread.join()

    one(Nested(clocks, **FIFTY_TIMES))
    assert inner[0].runs == [2]


def test_the_system_clocks_detect_a_slow_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One version uses CPU time and the other does nothing."""
    monkeypatch.setattr("poet_runtime.registry.speed.SLOW_S", 0.01)
    one = two_versions(tmp_path, "    return 2 if sum(range(2_000_000)) else 0\n").policy("one")
    assert any(one() == 1 for _ in range(300))
    entry = read_document(tmp_path).policies["one"]
    assert (entry.active, entry.quarantine, len(entry.slow)) == (1, (), 1)


class Network:
    """A column whose first reads fail, and which records its readers."""

    def __init__(self, failures: int) -> None:
        self.failures, self.read_by = failures, []  # type: int, list[int]

    def read(self, version: int) -> int:
        """Fail, or return the version."""
        self.read_by.append(version)
        if len(self.read_by) <= self.failures:
            raise OSError("connection reset")
        return version


READING = "    return value.read({number})\n"


def test_an_error_that_does_not_recur_is_not_a_failure(tmp_path: Path) -> None:
    """The previous version gets an answer at the second read, and the new version at the third."""
    registry = two_versions(tmp_path, READING.format(number=2), old=READING.format(number=1))
    one = registry.policy("one")
    columns = [Network(failures=1) for _ in range(50)]
    assert [one(column) for column in columns] == [2] * 50
    assert columns[0].read_by == [2, 1, 2]
    status = registry.status()["one"]
    assert (status["active"], status["guard"]) == (2, [])


def test_a_flaky_column_does_not_withdraw_a_version(tmp_path: Path) -> None:
    """The column fails in up to one of twenty reads. Three failures with a success between are very rare."""
    registry = two_versions(tmp_path, READING.format(number=2), old=READING.format(number=1))
    one = registry.policy("one")
    draw = np.random.default_rng(5)

    class Flaky(Network):
        def read(self, version: int) -> int:
            """Fail at random."""
            if draw.random() < 0.05:
                raise OSError("connection reset")
            return version

    answered = 0
    for _ in range(20_000):
        try:
            answered += one(Flaky(0)) == 2
        except OSError:
            continue
    assert answered > 19_900
    assert registry.active("one") == 2


def test_an_error_counts_after_three_occurrences(tmp_path: Path) -> None:
    """If a version always fails, the second call is still its last."""
    calls = "    more[0].append(2)\n    raise OSError\n"
    one = two_versions(tmp_path, calls, old="    more[0].append(1)\n    return 1\n").policy("one")
    seen: list[int] = []
    assert [one(0, seen) for _ in range(3)] == [1] * 3
    assert seen == [2, 1, 2, 2, 2, 1, 2, 2, 1]


def test_a_call_with_code_of_the_caller_is_not_repeated(tmp_path: Path) -> None:
    """Such code may have side effects."""
    calls: list[int] = []
    body = "    value({number})\n    {end}\n"
    new = body.format(number=2, end="raise OSError")
    one = two_versions(tmp_path, new, old=body.format(number=1, end="return 1")).policy("one")
    assert one(calls.append) == 1
    assert calls == [2, 1]


def test_the_hook_gets_the_version_that_answered(tmp_path: Path) -> None:
    """Scalar answers do not contain it."""
    two_versions(tmp_path, "    return 2 if value else [None, 1 // value][more[0]]\n")
    seen: list[tuple[int, int]] = []

    def hook(_policy: str, _arguments: Any, result: int, version: int) -> int:
        seen.append((result, version))
        return result

    one = Registry(tmp_path, on_result=hook).policy("one")
    assert [one(1), one(0, 0), one(1)] == [2, 1, 2]
    assert seen == [(2, 2), (1, 1), (2, 2)]


def test_the_hook_gets_the_version_that_replaced_a_wrong_type(tmp_path: Path) -> None:
    """The hook gets the same as after an error."""
    two_versions(tmp_path, "    return None\n")
    seen: list[int] = []

    def hook(_policy: str, _arguments: Any, result: int, version: int) -> int:
        seen.append(version)
        return result

    assert Registry(tmp_path, on_result=hook).policy("one")() == 1
    assert seen == [1]


def test_the_previous_version_gets_whole_iterators(tmp_path: Path) -> None:
    """The new version has consumed half of them when it fails."""
    reading = "    return sum(1 for _ in value)\n"
    failing = "    next(iter(value))\n    raise OSError\n"
    kinds: tuple[Callable[[], Iterator[int]], ...] = (
        lambda: iter([1, 2, 3]),
        lambda: (each for each in (1, 2, 3)),
        lambda: map(int, "123"),
    )
    for number, make in enumerate(kinds):
        one = two_versions(tmp_path / str(number), failing, old=reading).policy("one")
        assert one(make()) == 3


def test_an_iterator_of_an_unknown_kind_is_not_read_twice(tmp_path: Path) -> None:
    """The new version's error is better than an answer from the remaining items."""

    class Rows:
        def __iter__(self) -> "Rows":
            return self

        def __next__(self) -> int:
            return 1

    one = two_versions(tmp_path, "    next(value)\n    raise OSError('gone')\n").policy("one")
    with pytest.raises(OSError, match="gone"):
        one(Rows())


def test_an_older_version_is_not_guarded_by_a_newer_one(tmp_path: Path) -> None:
    """After a rollback, the active version is the trusted one."""
    two_versions(tmp_path, "    return 2\n", old="    raise OSError('as ever')\n")
    rollback(tmp_path, "one", **PROVENANCE)
    with pytest.raises(OSError, match="as ever"):
        Registry(tmp_path).policy("one")()


def test_a_quarantined_version_needs_a_flag_to_be_activated(tmp_path: Path) -> None:
    """The error names the flag. The flag is recorded in the journal, and the guard watches again."""
    registry = two_versions(tmp_path, "    return 1 // value\n")
    one = registry.policy("one")
    assert [one() for _ in range(5)] == [1] * 5
    with pytest.raises(PublishError, match=r"quarantined by guard .*ZeroDivision.*--despite-quarantine"):
        activate(tmp_path, "one", 2, **PROVENANCE)
    activate(tmp_path, "one", 2, **PROVENANCE, despite_quarantine=True)
    registry.refresh()
    assert one(1) == 1
    assert registry.active("one") == 2
    assert [move.mode for move in read_journal(tmp_path)][-2:] == ["active", "release"]


def test_a_released_version_starts_with_a_count_of_zero(tmp_path: Path) -> None:
    """Failures before the release do not count."""
    registry = two_versions(tmp_path, "    return 1 // value\n")
    one = registry.policy("one")
    for _ in range(2):
        assert [one() for _ in range(5)] == [1] * 5
        assert read_document(tmp_path).policies["one"].active == 1
        release(tmp_path, "one", 2, **PROVENANCE)
        assert read_document(tmp_path).policies["one"].quarantined(2) is None
        with pytest.raises(PublishError, match="is not quarantined"):
            release(tmp_path, "one", 2, **PROVENANCE)
        activate(tmp_path, "one", 2, **PROVENANCE)
        registry.refresh()
    assert [word.is_release for word in read_document(tmp_path).policies["one"].quarantine] == [
        False,
        True,
    ] * 2


def test_in_a_read_only_folder_only_this_process_rolls_back(tmp_path: Path) -> None:
    """The status has the reason, and the registry is changed as soon as possible."""
    registry = two_versions(tmp_path, "    raise OSError\n")
    one = registry.policy("one")
    lock = tmp_path / ".lock"
    lock.mkdir()  # no user can open it, not even root
    assert [one() for _ in range(10)] == [1] * 10
    status = registry.status()["one"]
    assert (status["active"], status["answering"]) == (2, 1)
    assert "withdrawn by this process: OSError" in status["refused"]
    assert "registry.json was not changed: Is a directory" in status["refused"]
    lock.rmdir()
    status = registry.status()["one"]
    assert (status["active"], status["answering"], status["refused"]) == (1, 1, "")


def test_every_process_rolls_back_within_two_seconds(tmp_path: Path) -> None:
    """One process fails, and another one without failures follows."""
    two_versions(tmp_path, "    return 2 if value else 1 // value\n")
    code = (
        "import sys, time; from pathlib import Path; from poet_runtime.registry import Registry\n"
        "one = Registry(Path(sys.argv[1])).policy('one'); print(one(1), flush=True)\n"
        "end = time.monotonic() + 10\n"
        "while one(1) == 2 and time.monotonic() < end: time.sleep(0.01)\n"
        "print(one(1), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "2\n"
        one = Registry(tmp_path).policy("one")
        start = time.monotonic()
        while read_document(tmp_path).policies["one"].active == 2:
            assert one(0) == 1
        assert other.stdout.readline() == "1\n"
        assert time.monotonic() - start < 2.0


def test_threads_that_fail_concurrently_roll_back_once(tmp_path: Path) -> None:
    """None of their calls fails."""
    one = two_versions(tmp_path, "    raise OSError\n").policy("one")
    answers: list[object] = []
    gate = threading.Barrier(16)

    def work() -> None:
        gate.wait()
        answers.extend(one() for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [1] * 800
    assert [move.mode for move in read_journal(tmp_path)] == ["active", "quarantine"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_guarded(tmp_path: Path) -> None:
    """The parent follows a rollback of the child."""
    registry = two_versions(tmp_path, "    return 2 if value else 1 // value\n")
    one = registry.policy("one")
    assert one(1) == 2
    child = os.fork()
    if child == 0:
        os._exit(0 if [one(0) for _ in range(10)] == [1] * 10 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    registry.refresh()
    assert one(1) == 1


def test_a_proven_version_is_called_directly_if_nothing_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded answers remain guarded because this costs little there."""
    monkeypatch.setattr("poet_runtime.registry.guard.PROVEN_AFTER", 50)
    registry = two_versions(tmp_path, "    return 2 if value else 1 // value\n")
    one = registry.policy("one")
    assert all(one(1) == 2 for _ in range(50))
    assert one.__call__ is registry.version("one", 2)
    with pytest.raises(ZeroDivisionError):
        one(0)
    recorded = Registry(tmp_path, on_result=lambda _policy, _arguments, result, _version: result).policy(
        "one"
    )
    assert all(recorded(1) == 2 for _ in range(50))
    assert recorded(0) == 1


def test_an_error_of_the_hook_is_not_a_failure_of_the_version(tmp_path: Path) -> None:
    """A full disk of the recorder rolls nothing back."""
    two_versions(tmp_path, "    return 2\n")

    def hook(*_: object) -> object:
        raise OSError("disk full")

    one = Registry(tmp_path, on_result=hook).policy("one")
    for _ in range(10):
        with pytest.raises(OSError, match="disk full"):
            one()
    assert read_document(tmp_path).policies["one"].active == 2


def e_value_reaches(failures: np.ndarray[Any, np.dtype[np.bool_]]) -> bool:
    """Return whether failures at these calls ever reach the threshold."""
    evidence = FailureEvidence()
    return any(evidence.failed_at(int(call) + 1) >= ENOUGH for call in np.flatnonzero(failures))


def test_a_version_at_the_allowed_failure_rate_is_rarely_rolled_back() -> None:
    """2 000 worlds of 20 000 calls fail with probability `ALLOWED`. The bound is 1 in 1 000."""
    draw = np.random.default_rng(7)
    false = sum(e_value_reaches(draw.random(20_000) < ALLOWED) for _ in range(2_000))
    assert false <= 7  # 2 expected at most; 8 or more has a chance of 0.1 %


def test_the_probability_of_reaching_a_threshold_is_at_most_its_inverse() -> None:
    """Every sequence of twelve calls that fail with probability `ALLOWED` is summed."""
    chances: list[tuple[float, float]] = []
    for pattern in range(1 << 12):
        calls = [call for call in range(1, 13) if pattern >> (call - 1) & 1]
        evidence = FailureEvidence()
        highest = max((evidence.failed_at(call) for call in calls), default=0.0)
        chances.append((highest, ALLOWED ** len(calls) * (1 - ALLOWED) ** (12 - len(calls))))
    for bar in (2.0, 10.0, 50.0, 100.0, ENOUGH, 1e5, 1e7):
        assert sum(chance for highest, chance in chances if highest >= bar) <= 1.0 / bar


@pytest.mark.parametrize(("rate", "most"), [(1.0, 2), (0.5, 20), (0.1, 100), (0.02, 700)])
def test_more_frequent_failures_are_detected_sooner(rate: float, most: int) -> None:
    """The numbers are medians over 200 worlds, in calls."""
    draw = np.random.default_rng(3)
    found = []
    for _ in range(200):
        evidence = FailureEvidence()
        calls = np.flatnonzero(draw.random(20_000) < rate) + 1
        found.append(next(int(call) for call in calls if evidence.failed_at(int(call)) >= ENOUGH))
    assert np.median(found) <= most


def test_a_million_good_calls_do_not_hide_later_failures() -> None:
    """Some bets start late."""
    evidence = FailureEvidence()
    values = [evidence.failed_at(1_000_000 + failure) for failure in range(1, 12)]
    assert next(n for n, value in enumerate(values, start=1) if value >= ENOUGH) <= 8
