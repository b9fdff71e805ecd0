"""Tests of programs that end without closing their workspace, and of forks while a worker is busy."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from poet import Workspace
from poet.workspace import jobs
from poet.workspace.watch import compile_job
from poet_runtime import background
from poet_runtime.background import BackgroundWorker
from poet_runtime.errors import LearnError
from poet_runtime.registry import Registry, on_trial
from tests.handmade import write_registry, write_version
from tests.workspaces import first_workspace

ROOT = Path(__file__).parents[1]
PATIENCE_S = 120.0

OPEN = """
import os, sys, threading
import numpy as np
from poet import SmartMonitor, Workspace
rows = np.random.default_rng(0).normal(size=300)
busy = threading.Event()
class Lazy:
    def __init__(self, read): self.read = read
    def __array__(self, dtype=None, copy=None):
        if threading.current_thread().name.startswith("poet-"):
            busy.set()
            self.read()
        return rows
def fft():
    import scipy.fft
    numbers = np.zeros(1 << 18)
    for _ in range(40): scipy.fft.fft(numbers)
def duck():
    import duckdb
    connection = duckdb.connect()
    for _ in range(40): connection.execute("select sum(i) from range(2000000) t(i)").fetchall()
"""
WORK = {
    "a recorder in scipy": "w = Workspace.open('.'); d = w.policy('detect_drift')\n"
    "d(Lazy(fft), rows); busy.wait()",
    "a recorder in DuckDB": "import duckdb; w = Workspace.open('.'); d = w.policy('detect_drift')\n"
    "d(Lazy(duck), rows); busy.wait()",
    "a recorder at its first import": "w = Workspace.open('.'); d = w.policy('detect_drift')\n"
    "for _ in range(20): d(rows, rows + 1)",
    "a plan and events": "w = Workspace.open('.'); d = w.policy('detect_drift')\n"
    "for n in range(20): w.emit('drift.validation', {'execution_id': d(rows, rows + 1).execution_id,"
    " 'was_real_drift': True}, source='user/a')\n"
    "w.plan(engine='duckdb')\nfor _ in range(19): d(rows, rows + 1)\nd(Lazy(fft), rows)",
    "a monitor": "m = SmartMonitor('.')\n"
    "for _ in range(19): m.detect_drift(rows, rows + 1)\nm.detect_drift(Lazy(fft), rows); busy.wait()",
    "a monitor's handler": "m = SmartMonitor('.'); w = m.workspace; d = w.policy('detect_drift')\n"
    "from poet.monitor.connection import connect\n"
    "i = connect(w).inbox; x = d(rows, rows + 1).execution_id\n"
    "i.track(x, lambda event: (busy.set(), fft()))\n"
    "o = Workspace.open('.')\n"
    "o.emit('drift.validation', {'execution_id': x, 'was_real_drift': True}, source='user/a', durable=True)\n"
    "busy.wait()",
    "a forked child of multiprocessing": "import multiprocessing\nw = Workspace.open('.')\n"
    "d = w.policy('detect_drift')\nd(rows, rows)\n"
    "def task():\n    d(Lazy(fft), rows); busy.wait()\n"
    "p = multiprocessing.get_context('fork').Process(target=task)\n"
    "p.start(); p.join(); print('child', p.exitcode); d(Lazy(fft), rows); busy.wait()",
}
RECORDED = {
    "a monitor's handler": 1,
    "a recorder in scipy": 1,
    "a recorder in DuckDB": 1,
    "a plan and events": 40,
}
RECORDED |= {"a forked child of multiprocessing": 3}
ENDS = {
    "its last line": ("", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "an exception": ("raise ValueError('the program is wrong')", 1),
}


def ended(folder: Path, code: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in the workspace until it ends."""
    return subprocess.run(
        [sys.executable, "-c", OPEN + code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


@pytest.mark.parametrize(
    ("work", "end"),
    [(work, "its last line") for work in WORK] + [("a recorder in scipy", end) for end in list(ENDS)[1:]],
)
def test_a_program_that_does_not_close_its_workspace_ends_cleanly(
    tmp_path: Path, work: str, end: str
) -> None:
    """The program has its own exit status, and all its executions are in the log."""
    folder = first_workspace(tmp_path / "w", threshold=10_000)
    last, status = ENDS[end]
    done = ended(folder, f"{WORK[work]}\n{last}")
    assert (done.returncode, "terminate" in done.stderr) == (status, False), done.stderr
    assert ("Traceback" in done.stderr) == (end == "an exception"), done.stderr
    if "child" in work:
        assert "child 0" in done.stdout
    with Workspace.open(folder) as workspace:
        assert workspace.log.count_by_type()["execution.recorded"] == RECORDED.get(work, 20)


SHADOW = """
from pathlib import Path
from poet_runtime.registry import Registry
detect = Registry(Path("generated")).policy("detect")
for _ in range(5):
    detect(1)
"""
SLOW = "__import__('scipy.fft'); import numpy, scipy.fft\n    "
SLOW += "return [len(scipy.fft.fft(numpy.zeros(1 << 18))) for _ in range(20)][0]"


def test_a_program_ends_cleanly_while_a_shadow_computes(tmp_path: Path) -> None:
    """The queued calls are compared and written first."""
    generated, log = tmp_path / "generated", tmp_path / "feedback_log"
    generated.mkdir()
    log.mkdir()
    bodies = "return 1", SLOW
    versions = {
        str(number): write_version(
            generated, "detect", number, source=f"VERSION = {number}\ndef detect(a) -> int:\n    {body}\n"
        )
        for number, body in enumerate(bodies, start=1)
    }
    write_registry(generated, {"detect": 1}, {"detect": versions})
    on_trial(generated, "detect", 2, mode="shadow", share=1.0, who="user/a", why="test", at="2026-01-01")
    done = ended(tmp_path, SHADOW)
    assert (done.returncode, done.stderr) == (0, "")
    registry = Registry(generated)
    registry.refresh()
    (tally,) = registry.tallies()
    assert (tally.compared, tally.skipped) == (5, 0)


class Stepping(BackgroundWorker):
    """A worker with one step, which lasts until the test ends it."""

    def __init__(self) -> None:
        self.is_inside, self.may_leave = threading.Event(), threading.Event()
        self.calls: list[str] = []
        super().__init__()
        self._start_thread()

    def before_fork(self) -> None:
        """Record the call, and whether the step has ended."""
        self.calls.append(f"before, step over: {self.may_leave.is_set()}")

    def after_fork_in_parent(self) -> None:
        """Record the call."""
        self.calls.append("parent")

    def reset_after_fork(self) -> None:
        """Record the call, and whether the thread was reset."""
        self.calls.append(f"child, thread: {self._thread}")

    def _run(self) -> None:
        with self._step():
            self.is_inside.set()
            self.may_leave.wait(PATIENCE_S)


def forked(calls: list[str]) -> str:
    """Fork, and return the records of the worker in the child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, calls[-1].encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_waits_for_the_running_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hooks run in the parent and in the child, which has no thread."""
    monkeypatch.setattr(background, "FORK_S", PATIENCE_S)
    worker = Stepping()
    assert worker.is_inside.wait(PATIENCE_S)
    threading.Timer(0.2, worker.may_leave.set).start()
    assert forked(worker.calls) == "child, thread: None"
    assert worker.calls == ["before, step over: True", "parent"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_step_that_does_not_end_blocks_no_fork_and_no_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork and stop continue after their time limits."""
    monkeypatch.setattr(background, "FORK_S", 0.05)
    monkeypatch.setattr(background, "LAST_STEP_S", 0.05)
    worker = Stepping()
    assert worker.is_inside.wait(PATIENCE_S)
    assert forked(worker.calls) == "child, thread: None"
    assert worker.calls == ["before, step over: False", "parent"]
    assert not worker._stop_thread(0.0)
    worker.may_leave.set()
    assert worker._stop_thread()


def test_one_module_registers_for_forks_and_exits() -> None:
    """All other modules use it, so the order of the hooks is defined."""
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "compiler").rglob("*.py")
        if "os.register_at_fork(" in (text := path.read_text()) or "atexit.register" in text
    }
    assert found == {"compiler/poet_runtime/background.py"}


def test_modules_can_be_imported_without_fork() -> None:
    """Windows has no `os.register_at_fork`."""
    code = "import os; del os.register_at_fork, os.fork; import poet.workspace.workspace, poet.monitor"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def fail(_workspace: Workspace, arguments: Mapping[str, str], _progress: jobs.Progress) -> Mapping[str, int]:
    """Fail, because this module must not run as a job."""
    raise LearnError(arguments["reason"])


def test_a_job_that_fails_reports_the_type_of_its_error(tmp_path: Path) -> None:
    """Only functions of this package can run as jobs."""
    folder = first_workspace(tmp_path / "w")
    with jobs.compile_lock(folder) as lock:
        assert jobs.acquire_compile_lock(lock, is_given_up=lambda: False)
        job = jobs.Job(
            function="poet.server.proposals:apply", workspace=str(folder), arguments={"proposal": "x"}
        )
        found = jobs.run(job, lock)
        foreign = jobs.run(jobs.job(fail, folder, reason="no"), lock)
        crashed = jobs.run(jobs.Job(function="poet.workspace.jobs:none", workspace=str(folder)), lock)
    assert found is not None
    assert found.error is not None
    assert found.error.type == "PublishError"
    assert "plan" in found.error.message
    assert foreign is not None
    assert foreign.error is not None
    assert foreign.error.message == f"'{__name__}:fail' is not a function of poet"
    assert crashed is not None
    assert crashed.error is not None
    assert (crashed.error.type, "AttributeError" in crashed.error.message) == ("crash", True)


def test_a_job_can_be_left_and_ended(tmp_path: Path) -> None:
    """Leaving a job is not an error. An ended job reports that it was ended."""
    folder = first_workspace(tmp_path / "w")
    job = jobs.job(compile_job, folder)
    with jobs.compile_lock(folder) as lock:
        assert jobs.run(job, lock, jobs.Control(is_left=lambda: True)) is None
        done = jobs.run(job, lock, jobs.Control(is_ended=lambda: True))
    assert done is not None
    assert done.error is not None
    assert jobs.ENDED in done.error.message
