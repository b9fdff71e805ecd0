"""A deadline is enforced whatever the monitor does, and no process, thread or pipe is left behind."""

import ctypes
import errno
import faulthandler
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from poet_runtime.recovery import Run, deadline, prepare_run
from poet_runtime.recovery import run as _run
from poet_runtime.results import MonitoringOutcome

DEADLINE_S = 0.3
STARTING_S = 0.4  # allowed in addition to the deadline, for a busy machine
TABLE = {"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]}


def run_of(monitor: Callable[[Any], Any], seconds: float | None = DEADLINE_S, data: Any = TABLE) -> Run:
    """Return a prepared run, with a deadline unless `seconds` is None."""
    run = prepare_run(data, monitor, None, version=1)
    return run if seconds is None else run.with_deadline(seconds)


def in_time(monitor: Callable[[Any], Any], seconds: float = DEADLINE_S) -> MonitoringOutcome:
    """Run a monitor under a deadline and check that the call ends in time."""
    started = time.monotonic()
    outcome = run_of(monitor, seconds).execute()
    assert time.monotonic() - started < 1.1 * seconds + STARTING_S
    return outcome


def children() -> set[str]:
    """Return the ids of all children of this process, including zombies."""
    return {
        pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()
    }


def pipes() -> set[str]:
    """Return the open pipes of this process. Its other files belong to other tests."""
    found: set[str] = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed in the meantime
            found.add(str(entry.readlink()))
    return {each for each in found if each.startswith("pipe:")}


@contextmanager
def nothing_left() -> Iterator[None]:
    """Check that the block leaves no child process, thread or pipe behind."""
    before = children(), threading.active_count(), pipes()
    yield
    assert children() <= before[0]
    assert threading.active_count() <= before[1]
    assert pipes() <= before[2]


def is_gone(pid: int, *, orphaned: bool = False) -> bool:
    """Return whether a process ends within a second. An orphan may remain as a zombie until init reaps it."""
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if orphaned and state == "Z":
            return True
        time.sleep(0.01)
    return False


# monitors that hang


def sleeps(_data: Any) -> None:
    """Wait in a way that a signal could interrupt."""
    time.sleep(60.0)


def backtracks(_data: Any) -> None:
    """Run C code for years while holding the interpreter lock."""
    re.match(r"(a+)+$", "a" * 50 + "b")


def blocks(_data: Any) -> None:
    """Block in a C library call while holding the interpreter lock."""
    ctypes.PyDLL(None).sleep(60)


def ignores_signals(_data: Any) -> None:
    """Ignore every signal that can be ignored."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    while True:
        pass


def swallows(_data: Any) -> None:
    """Catch every exception that is raised in it."""
    while True:
        with suppress(BaseException):
            time.sleep(60.0)


def stops_itself(_data: Any) -> None:
    """Stop this process, as Ctrl-Z does."""
    os.kill(os.getpid(), signal.SIGSTOP)


HANGING = [sleeps, backtracks, blocks, ignores_signals, swallows, stops_itself]


@pytest.mark.parametrize("monitor", HANGING)
def test_a_deadline_ends_a_monitor_that_hangs(monitor: Callable[[Any], Any]) -> None:
    """A monitor that runs C code, ignores signals or is stopped ends with a timeout."""
    with nothing_left():
        outcome = in_time(monitor)
    assert (outcome.strategy, outcome.error, outcome.timed_out) == ("failed", "timeout", True)
    assert outcome.warnings == (
        "the monitor did not return in time; the deadline of the whole call is 0.3 s",
    )


def test_deadlines_are_enforced_outside_the_main_thread() -> None:
    """Several runs at a time have their own deadlines, and fast runs do not wait for slow ones."""
    found: dict[float, tuple[str, float]] = {}

    def ask(seconds: float) -> None:
        started = time.monotonic()
        outcome = run_of(sleeps if seconds < 1.0 else lambda _data: 5, seconds).execute()
        found[seconds] = (outcome.error, time.monotonic() - started)

    with nothing_left():
        threads = [threading.Thread(target=ask, args=(seconds,)) for seconds in (0.2, 0.4, 0.6, 30.0)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {seconds: error for seconds, (error, _) in found.items()} == {
        0.2: "timeout",
        0.4: "timeout",
        0.6: "timeout",
        30.0: "",
    }
    assert all(took < 1.1 * min(seconds, 1.0) + STARTING_S for seconds, (_, took) in found.items())


def test_a_result_that_is_too_large_to_transfer_in_time_is_a_timeout() -> None:
    """The caller reads the pipe while it waits, but not beyond the deadline."""
    with nothing_left():
        assert in_time(lambda _data: bytes(300_000_000), 0.1).error == "timeout"


def test_a_large_result_is_returned() -> None:
    """A result may be larger than the capacity of a pipe."""
    assert run_of(lambda _data: np.arange(3_000_000), 20.0).execute().results.sum() == 4_499_998_500_000


def test_very_short_deadlines_are_enforced() -> None:
    """The deadline is enforced even if there is hardly time to start a process."""
    with nothing_left():
        for seconds in (1e-9, 0.001, 0.01):
            assert in_time(sleeps, seconds).timed_out


def test_the_whole_call_has_one_deadline() -> None:
    """The fallbacks after a timeout share the remaining time, so the whole call meets its deadline."""
    data = {f"f{place}": np.zeros(100) for place in range(4)}
    started = time.monotonic()
    with nothing_left():
        run = run_of(sleeps, 0.8, data)
        outcome = run.recover(
            run.execute(reserve_time=True),
            ("sampled", 0.0),
            ("retry", 0.0),
            ("by_feature", 0.0),
            sample_rows=10,
        )
    assert time.monotonic() - started < 1.1 * 0.8 + STARTING_S
    assert (outcome.strategy, outcome.timed_out) == ("failed", True)
    assert [each.split(":")[0] for each in outcome.warnings[2:]] == ["sampled", "retry", "by_feature"]


# processes, threads and pipes are cleaned up


def test_everything_a_monitor_started_ends_with_it(tmp_path: Path) -> None:
    """Children, programs, threads and daemons that left the process group are all ended."""

    def starts(_data: Any) -> int:
        programs = [subprocess.Popen(["sleep", "60"], start_new_session=own) for own in (False, True)]
        (tmp_path / "programs").write_text(" ".join(str(program.pid) for program in programs))
        if os.fork() == 0:
            os.setsid()
            if (daemon := os.fork()) == 0:
                time.sleep(60.0)
            (tmp_path / "new").write_text(str(daemon))
            (tmp_path / "new").rename(tmp_path / "daemon")
            os._exit(0)
        threading.Thread(target=time.sleep, args=(60.0,)).start()
        while not (tmp_path / "daemon").exists():
            time.sleep(0.001)
        os._exit(0) if waits else None
        return 7

    for waits in (False, True):
        (tmp_path / "daemon").unlink(missing_ok=True)
        with nothing_left():
            outcome = run_of(starts, 20.0).execute()
        assert outcome.error == ("crash" if waits else "")
        started = [(tmp_path / "daemon").read_text(), *(tmp_path / "programs").read_text().split()]
        assert all(is_gone(int(pid)) for pid in started)


def test_a_fork_that_also_returns_does_not_send_a_result() -> None:
    """Only the result of the monitor's own process is returned."""

    def doubles(_data: Any) -> str:
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        return "parent" if child else "child"

    with nothing_left():
        assert run_of(doubles, 20.0).execute().results == "parent"


def test_the_monitor_is_killed_if_its_caller_is_killed(tmp_path: Path) -> None:
    """The keeper notices that the pipe from the caller is closed and kills the monitor."""
    program = f"""
import os, pathlib, time
from poet_runtime.recovery import prepare_run
def monitor(data):
    pathlib.Path({str(tmp_path / "new")!r}).write_text(str(os.getpid()))
    os.rename({str(tmp_path / "new")!r}, {str(tmp_path / "pid")!r})
    time.sleep(60)
prepare_run({{}}, monitor, None, version=1).with_deadline(60).execute()
"""
    caller = subprocess.Popen([sys.executable, "-c", program])
    while not (tmp_path / "pid").exists():
        time.sleep(0.01)
    caller.kill()
    caller.wait()
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_an_interrupt_kills_the_monitor_and_is_raised_in_the_caller() -> None:
    """Ctrl-C is meant for the caller, not for the monitor."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with nothing_left(), pytest.raises(KeyboardInterrupt):
            run_of(sleeps, 30.0).execute()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_caller_that_ignores_sigchld_gets_its_results() -> None:
    """The system discards exit statuses if SIGCHLD is ignored, so the keeper reports them."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with nothing_left():
            assert run_of(len, 20.0).execute().results == 2
            assert run_of(lambda _data: os._exit(3), 20.0).execute().error == "crash"
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_run_works_with_many_open_files() -> None:
    """File descriptors may exceed the limit of select(2)."""
    held = [os.dup(1) for _ in range(1100)]
    try:
        assert run_of(len, 20.0).execute().results == 2
    finally:
        for number in held:
            os.close(number)


def test_runs_with_deadlines_can_be_nested() -> None:
    """The inner run ends at its own deadline, and the outer deadline still applies."""

    def nests(_data: Any) -> tuple[str, float | None]:
        return run_of(sleeps, 0.1).execute().error, deadline()

    with nothing_left():
        assert run_of(nests, 20.0).execute().results == ("timeout", 20.0)


# ways in which a process may end


def segfaults(_data: Any) -> None:
    """Die of SIGSEGV without the traceback of the fault handler that pytest installs."""
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.parametrize(
    ("monitor", "error", "says"),
    [
        (
            segfaults,
            "crash",
            "died of SIGSEGV",
        ),
        (lambda _: os.kill(os.getpid(), signal.SIGKILL), "memory", "was killed (SIGKILL)"),
        (lambda _: os._exit(3), "crash", "ended with status 3 and no answer"),
        (lambda _: lambda: 1, "value", "the monitor's result cannot be pickled"),
        (lambda _: Unreadable(), "other", "the result cannot be read outside the monitor's process"),
    ],
)
def test_a_process_that_ends_without_a_result_is_reported(
    monitor: Callable[[Any], Any], error: str, says: str
) -> None:
    """The error has a kind, and the warning describes how the process ended."""
    with nothing_left():
        outcome = run_of(monitor, 20.0).execute()
    assert (outcome.strategy, outcome.error, outcome.timed_out) == ("failed", error, False)
    assert says in outcome.warnings[-1]


class Unreadable:
    """An object that can be pickled but not unpickled."""

    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        return refuse, ()


def refuse() -> object:
    """Raise an exception that `except Exception` does not catch."""
    raise UncaughtError


class UncaughtError(BaseException):
    """An exception that `except Exception` does not catch and whose repr raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no representation")


@pytest.mark.parametrize(
    ("harms", "says"),
    [
        (os.close, "ended with status 0 and no answer"),
        (lambda number: os.write(number, b"x" * 99), "overwrote its own answer"),
    ],
)
def test_a_monitor_that_tampers_with_its_result_pipe_is_reported(
    harms: Callable[[int], Any], says: str
) -> None:
    """Data that the monitor writes to the pipe is not accepted as a result."""
    before = writable_pipes()

    def meddles(_data: Any) -> None:
        for number in writable_pipes() - before:
            harms(number)

    with nothing_left():
        outcome = run_of(meddles, 20.0).execute()
    assert outcome.error == "crash"
    assert says in outcome.warnings[-1]


def writable_pipes() -> set[int]:
    """Return the file descriptors of this process's pipes that can be written to."""
    poll = select.poll()
    for name in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if str(name.readlink()).startswith("pipe:"):
                poll.register(int(name.name), select.POLLOUT)
    return {number for number, event in poll.poll(0) if event & select.POLLOUT}


@pytest.mark.parametrize("seconds", [None, 20.0])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (TimeoutError(), "timeout"),
        (MemoryError(), "memory"),
        (OSError(errno.ENOMEM, "no memory"), "memory"),
        (ConnectionError(), "io"),
        (EOFError(), "io"),
        (ZeroDivisionError(), "value"),
        (KeyError("x"), "value"),
        (AttributeError(), "value"),
        (RecursionError(), "other"),
        (UncaughtError(), "other"),
        (ExceptionGroup("many", [ValueError()]), "other"),
    ],
)
def test_an_exception_has_the_same_kind_in_this_and_in_another_process(
    seconds: float | None, fault: BaseException, kind: str
) -> None:
    """No exception is raised to the caller, not even one that `except Exception` does not catch."""

    def broken(_data: Any) -> None:
        raise fault

    outcome = run_of(broken, seconds).execute()
    assert (outcome.strategy, outcome.error, outcome.timed_out) == ("failed", kind, kind == "timeout")
    assert type(fault).__name__ in outcome.warnings[-1]


@pytest.mark.parametrize("seconds", [None, 20.0])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_exceptions_that_end_a_program_are_raised_to_the_caller(
    seconds: float | None, stop: type[BaseException]
) -> None:
    """They are raised in the caller with and without a deadline."""

    def leaves(_data: Any) -> None:
        raise stop

    with nothing_left(), pytest.raises(stop):
        run_of(leaves, seconds).execute()


def test_the_status_of_an_exit_is_preserved() -> None:
    """`sys.exit` in the monitor's process raises `SystemExit` with the same status in the caller."""
    with pytest.raises(SystemExit, match="7"):
        run_of(lambda _data: sys.exit(7), 20.0).execute()


def test_read_only_mappings_are_returned() -> None:
    """The results of `detect_drift` contain mapping proxies, which cannot be pickled directly."""
    found = run_of(lambda _data: MappingProxyType({"a": re.compile("x")}), 20.0).execute().results
    assert found == MappingProxyType({"a": re.compile("x")})


def test_output_of_the_monitor_appears_once(capfd: pytest.CaptureFixture[str]) -> None:
    """Output is neither lost with the monitor's process nor repeated from the caller's buffer."""

    def speaks(_data: Any) -> None:
        sys.stdout.write("in")

    sys.stdout.write("before ")
    run_of(speaks, 20.0).execute()
    sys.stdout.flush()
    assert capfd.readouterr().out == "before in"


# operating systems and interpreters


def test_only_our_own_fork_suppresses_the_warning_about_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Newer interpreters warn about forks of multi-threaded programs. Other code still gets the warning."""
    says = "This process (pid=1) is multi-threaded, use of fork() may lead to deadlocks in the child."
    fork = os.fork

    def warning_fork() -> int:
        warnings.warn(says, DeprecationWarning, stacklevel=2)
        return fork()

    monkeypatch.setattr(os, "fork", warning_fork)
    assert run_of(len, 20.0).execute().results == 2
    with pytest.warns(DeprecationWarning, match="multi-threaded"):
        warnings.warn(says, DeprecationWarning, stacklevel=1)
    with pytest.raises(DeprecationWarning):
        warnings.warn("use of fork()", DeprecationWarning, stacklevel=1)


def test_without_fork_the_monitor_runs_and_the_outcome_has_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A deadline that cannot be enforced does not prevent monitoring."""
    monkeypatch.setattr(_run, "CAN_FORK", False)
    outcome = run_of(len).execute()
    assert (outcome.results, outcome.strategy) == (2, "full")
    assert outcome.warnings == (_run.NO_FORK,)
    assert run_of(len, None).execute().warnings == ()


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOMEM, "memory"), (errno.EAGAIN, "io")])
def test_a_failed_fork_is_reported(monkeypatch: pytest.MonkeyPatch, number: int, kind: str) -> None:
    """The error has the kind of the OSError, and no pipe is left open."""

    def full() -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fork", full)
    with nothing_left():
        outcome = run_of(len).execute()
    assert outcome.error == kind
    assert "no process could be started" in outcome.warnings[0]


def test_nothing_is_left_if_the_keeper_is_killed(tmp_path: Path) -> None:
    """The caller kills the monitor's process itself."""

    def kills(_data: Any) -> None:
        (tmp_path / "pid").write_text(str(os.getpid()))
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60.0)

    with nothing_left():
        outcome = in_time(kills, 5.0)
    assert outcome.error == "memory"
    assert is_gone(int((tmp_path / "pid").read_text()), orphaned=True)


def test_starting_a_process_is_fast() -> None:
    """The median of seven runs is below 0.3 seconds."""
    took = []
    for _ in range(7):
        started = time.perf_counter()
        run_of(len, 20.0).execute()
        took.append(time.perf_counter() - started)
    assert sorted(took)[3] < 0.3
