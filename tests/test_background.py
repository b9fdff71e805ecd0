"""Programs that end without closing their workspace, and processes that fork while a worker is busy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from poet import Workspace
from poet.publish import on_trial
from poet.registry import Registry
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
    "from poet.monitor._connection import connect\n"
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
    """It has its own exit status, and all of its executions are in the log."""
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
from poet.registry import Registry
detect = Registry(Path("generated")).policy("detect")
for _ in range(5):
    detect(1)
"""
SLOW = "__import__('scipy.fft'); import numpy, scipy.fft\n    "
SLOW += "return [len(scipy.fft.fft(numpy.zeros(1 << 18))) for _ in range(20)][0]"


def test_a_program_ends_cleanly_while_a_shadow_computes(tmp_path: Path) -> None:
    """What the shadow took over is compared and written first."""
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
    (told,) = registry.tallies()
    assert (told.compared, told.skipped) == (5, 0)
