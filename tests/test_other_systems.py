"""Tests with the features hidden that Windows and macOS lack: all public functions still work.

`tests/other_systems.py` hides the names. These tests have not run on those systems.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from poet.workspace import jobs
from poet.workspace.watch import compile_job
from poet_runtime import files
from poet_runtime.files import FileLock
from poet_runtime.registry import read_document
from tests.workspaces import first_workspace

ROOT: Final = Path(__file__).parents[1]
PRELUDE: Final = ROOT / "tests" / "other_systems.py"
WINDOW: Final = "calculate_adaptive_window"
CLI: Final = "from poet.cli.app import main\nmain()\n"


def run_on(system: str, code: str, *arguments: object, status: int = 0) -> str:
    """Run code without what this system lacks, and return what it printed."""
    done = subprocess.run(
        [sys.executable, str(PRELUDE), system, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def poet_on(system: str, folder: Path, *arguments: str) -> str:
    """Run the command line on a workspace."""
    return run_on(system, CLI, "--workspace", folder, *arguments)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return first_workspace(tmp_path / "w")


def test_the_names_are_hidden() -> None:
    """The other tests depend on this. Processes that the code starts lack the names, too."""
    shown = """
import os, signal, subprocess, sys
for name in ("fcntl", "resource", "pwd", "grp"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise AssertionError(name)
hidden = "fork", "register_at_fork", "nice", "getuid", "geteuid", "killpg", "SIGKILL", "SIGPROF", "setitimer"
assert not any(hasattr(module, name) for module in (os, signal) for name in hidden)
try:
    subprocess.Popen([sys.executable, "-c", ""], pass_fds=(1,))
except AssertionError:
    pass
else:
    raise RuntimeError("pass_fds is taken")
"""
    inside = f"import subprocess, sys\nsubprocess.run([sys.executable, '-I', '-c', {shown!r}], check=True)"
    run_on("windows", shown)
    run_on("windows", inside)


def test_every_module_can_be_imported_on_windows() -> None:
    """Adapters are skipped because they import the libraries that they adapt."""
    run_on(
        "windows",
        """
import importlib, pkgutil
import poet, poet_runtime

count = 0
for package in (poet, poet_runtime):
    for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not each.name.startswith("poet.integrations."):
            importlib.import_module(each.name)
            count += 1
assert count > 100, count
""",
    )


def test_the_policies_answer_on_windows() -> None:
    """They are this repository's modules, called through its registry."""
    run_on(
        "windows",
        """
import numpy as np
import generated

random = np.random.default_rng(0)
reference, same, other = random.normal(size=500), random.normal(size=500), random.normal(3.0, size=500)
drift = generated.detect_drift(other, reference, feature="age")
assert drift.drifted and not generated.detect_drift(same, reference, feature="age").drifted
assert generated.calculate_adaptive_window("age", 10.0, "low") > 0
assert generated.calculate_feature_importance("age", {}) > 0.0
assert generated.generate_alerts([drift]).alerts
assert generated.adaptive_monitoring_strategy({"model": "churn"}).frequency
outcome = generated.monitor_with_recovery({"age": other}, context={"reference": {"age": reference}})
assert outcome.results["age"].drifted and outcome.strategy == "full", outcome
failed = generated.monitor_with_recovery({"age": other}, monitor=lambda data: 1 / 0)
assert failed.error == "value", failed
""",
    )


def test_a_deadline_on_windows_is_passed_on_and_not_enforced() -> None:
    """The outcome has a warning. After a run that took too long, no other run starts."""
    run_on(
        "windows",
        """
from types import SimpleNamespace
from poet_runtime.recovery import deadline, prepare_run, run as runs

def monitor(data):
    calls.append(deadline())
    clock.append(5.1)
    raise TimeoutError

calls, clock = [], [0.0]
runs.time = SimpleNamespace(monotonic=lambda: clock[-1])
run = prepare_run({"a": [1.0, 2.0]}, monitor, {}, version=1).with_deadline(5.0)
outcome = run.recover(run.execute(), ("retry", 0.0))
assert calls == [5.0] and deadline() is None, calls
assert (outcome.strategy, outcome.timed_out) == ("failed", True), outcome
assert "cannot fork" in outcome.warnings[0] and "no time was left" in outcome.warnings[-1], outcome
run = prepare_run({"a": [1.0, 2.0]}, len, {}, version=1).isolated()
outcome = run.execute()
assert outcome.results == 1 and "cannot fork" in outcome.warnings[0], outcome
""",
    )


def test_a_workspace_records_learns_and_swaps_on_windows(folder: Path) -> None:
    """The calls, the log, compile, rollback and activation work in one process and in its subprocesses."""
    run_on(
        "windows",
        """
import sys
import numpy as np
from poet import Workspace

random = np.random.default_rng(0)
with Workspace.open(sys.argv[1]) as workspace:
    window = workspace.policy("calculate_adaptive_window")
    before = window("age", 10.0, "low")
    current, reference = random.normal(3.0, size=300), random.normal(size=300)
    drift = workspace.policy("detect_drift")(current, reference, feature="age")
    workspace.flush()
    data = {"execution_id": drift.execution_id, "was_real_drift": True}
    workspace.emit("drift.validation", data, source="user/ana", durable=True)
    workspace.pin_rule("calculate_adaptive_window", "window", values={"window": 4000}, why="less to read")
    assert workspace.plan().changes
    assert dict(workspace.compile().versions) == {"calculate_adaptive_window": 2}
    assert (before, window("age", 10.0, "low")) == (5000, 4000)
    assert workspace.rollback("calculate_adaptive_window") == 1
    assert window("age", 10.0, "low") == 5000
    workspace.activate("calculate_adaptive_window", 2)
    assert window("age", 10.0, "low") == 4000
""",
        folder,
    )
    assert f"{WINDOW}: version 2 of 2 active, previous: 1" in poet_on("windows", folder, "status")
    assert "calculate_adaptive_window: version 2 of 2 active, digests as published" in poet_on(
        "windows", folder, "doctor"
    )
    assert read_document(folder / "generated").policies[WINDOW].active == 2


def test_a_compile_subprocess_on_windows_acquires_the_lock_itself(folder: Path) -> None:
    """A subprocess cannot inherit the lock there."""
    run_on(
        "windows",
        """
import sys
from pathlib import Path
from poet import Workspace
from poet.workspace import jobs
from poet.workspace.watch import compile_job

folder, stages = Path(sys.argv[1]), []
with Workspace.open(folder) as workspace:
    workspace.pin_rule("calculate_adaptive_window", "window", values={"window": 4000})
with jobs.compile_lock(folder) as lock:
    assert jobs.acquire_compile_lock(lock, is_given_up=lambda: False)
    outcome = jobs.run(jobs.job(compile_job, folder), lock, jobs.Control(progress=stages.append))
    assert outcome is not None and outcome.error is None, outcome
    assert outcome.versions == {"calculate_adaptive_window": 2} and stages, outcome
    assert lock.try_acquire()  # it was released
""",
        folder,
    )


def test_a_server_accepts_events_on_windows(tmp_path: Path) -> None:
    """An accepted event is on disk."""
    run_on(
        "windows",
        """
import sys
from pathlib import Path
from tests.served import LABEL, served

with served(Path(sys.argv[1])) as client:
    headers = {"ce-specversion": "1.0", "ce-type": "drift.validation", "ce-source": "user/ana", "ce-id": "v1"}
    answer = client.post("/v1/events", json=LABEL, headers=headers)
    assert answer.status_code == 200, answer.text
    assert [event.id for event in client.logged_events()] == ["v1"]
    assert client.get("/metrics").status_code == 200
""",
        tmp_path / "w",
    )


def test_a_job_that_does_not_inherit_the_lock_waits_for_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two compiles never run at a time: this one is canceled before its first stage."""
    monkeypatch.setattr(files, "CAN_INHERIT_DESCRIPTORS", False)
    looks, stages = iter([False] * 40), list[str]()
    with jobs.compile_lock(folder) as other, jobs.compile_lock(folder) as lock:
        assert other.try_acquire()
        outcome = jobs.run(
            jobs.job(compile_job, folder),
            lock,
            jobs.Control(progress=stages.append, is_ended=lambda: next(looks, True)),
        )
    assert outcome is not None
    assert outcome.error is not None
    assert jobs.ENDED in outcome.error.message
    assert stages == []


def test_a_process_without_fcntl_excludes_others(tmp_path: Path) -> None:
    """It excludes processes that have fcntl, and a second lock of its own on the same file."""
    path = tmp_path / "x.lock"
    code = """
import sys
from pathlib import Path
from poet_runtime.files import FileLock

mine, other = FileLock(Path(sys.argv[1])), FileLock(Path(sys.argv[1]))
if not mine.try_acquire():
    sys.exit(3)
assert not other.try_acquire()
mine.release()
assert other.try_acquire()
"""
    run_on("windows", code, path)
    with FileLock(path):
        run_on("windows", code, path, status=3)
    run_on("windows", code, path)


VALIDATED: Final = """
import json, sys
from pathlib import Path
from poet.build.render import render
from poet.build.sandbox import Limits
from poet.build.validate import validate_file
from poet.spec import policy

folder, found = Path(sys.argv[1]), {}
source = render(policy("calculate_adaptive_window").version_1("")).source
for name, (changed, limits, _) in json.loads(sys.argv[2]).items():
    path = folder / "candidate.py"
    changed = source.replace("VERSION: Final = 1\\n", f"VERSION: Final = 1\\n{changed}\\n")
    path.write_text(changed, encoding="utf-8")
    report = validate_file(
        "calculate_adaptive_window", path, staging=folder / "staging", effort=5, limits=Limits(**limits)
    )
    found[name] = [report.passed, report.gates[-1].counterexample]
print(json.dumps(found))
"""
ENDLESS: Final = "while True:\n    try:\n        sum(range(10**6))\n    except Exception:\n        pass"
THREAD: Final = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()"
CANDIDATES: Final[dict[str, tuple[str, dict[str, float], str]]] = {
    "good": ("", {}, ""),
    "writes": ("open('/tmp/prize', 'w')", {}, "it tried: open '/tmp/prize' to write"),
    "network": ("import socket\nsocket.socket()", {}, "it tried: socket."),
    "program": ("import os\nos.system('true')", {}, "it tried: os.system"),
    "signal": ("import os\nos.kill(os.getppid(), 0)", {}, "it tried: os.kill"),
    "thread": (THREAD, {}, "it tried: to leave a thread running"),
    "call": (ENDLESS, {"call_cpu_s": 0.3}, "used more than 0.3 s of CPU time"),
    "process": (ENDLESS, {"cpu_s": 0}, "used up its CPU time"),
    "clock": ("import time\ntime.sleep(600)", {"wall_s": 2.0}, "did not finish within 2 s"),
}


def test_the_sandbox_on_windows_reports_what_a_candidate_tries(tmp_path: Path) -> None:
    """The audit hook, a thread that measures CPU time, and the clock detect it."""
    printed = run_on("windows", VALIDATED, tmp_path, json.dumps(CANDIDATES))
    found = json.loads(printed.partition("\n")[0])
    assert {name for name, (passed, _) in found.items() if passed} == {"good"}
    for name, (_, _, message) in CANDIDATES.items():
        assert message in found[name][1]


DEADLINES: Final = """
import sys
from pathlib import Path
from poet.build.check import check
from poet.build.render import render
from poet.build.validate import validate
from tests.policies.monitor_with_recovery import recovery_rules as rules

decisions = rules.decisions_of(
    rules.sample(), rules.deadline("psi"), rules.deadline(seconds=1.0), rules.fallback("crash"),
    rules.fallback("timeout"),
)
validate(check(render(decisions)), staging=Path(sys.argv[1]), effort=5)
"""


@pytest.mark.parametrize("system", ["windows", "macos"])
def test_a_version_with_deadlines_is_validated(tmp_path: Path, system: str) -> None:
    """On Windows, validation omits the runs that only another process can survive."""
    run_on(system, DEADLINES, tmp_path)


def test_the_doctor_reports_the_sandbox_on_macos(folder: Path) -> None:
    """A compile works without Landlock, without seccomp and without a limit on the address space."""
    poet_on("macos", folder, "pin", WINDOW, "window", "window=4000")
    assert f"published {WINDOW} version 2, active now" in poet_on("macos", folder, "compile")
    assert enforced(poet_on("macos", folder, "doctor")) == {
        "file writes": "audit hook only",
        "network": "audit hook only",
        "processes": "audit hook only",
        "signals": "audit hook only",
        "memory": "nothing",
        "CPU time": "rlimit",
    }


def test_the_doctor_reports_the_sandbox_on_windows(folder: Path) -> None:
    """The kernel enforces none of it."""
    found = enforced(poet_on("windows", folder, "doctor"))
    assert found.pop("CPU time").startswith("a thread of the process")
    assert found.pop("memory") == "nothing"
    assert found == dict.fromkeys(("file writes", "network", "processes", "signals"), "audit hook only")


def enforced(printed: str) -> dict[str, str]:
    """Return how the doctor describes the enforcement of each capability, up to the colon."""
    lines = [line.partition("sandbox, ")[2] for line in printed.splitlines() if " sandbox, " in line]
    return {name: means.partition(":")[0] for name, _, means in (line.partition(": ") for line in lines)}
