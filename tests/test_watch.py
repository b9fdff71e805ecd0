"""Tests of `poet watch`: it compiles once after enough feedback and a pause, and survives errors."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from poet import Workspace
from poet.cli.app import app
from poet.events import make
from poet.workspace.compile_lock import (
    LOCK_FILE,
    WATCH_LOCK_FILE,
    NewFeedback,
    last_refusal,
    learned_until,
    save_checkpoint,
)
from poet.workspace.pipeline import Plan
from poet.workspace.watch import watch
from poet.workspace.workspace import Report
from poet_runtime.errors import LogError, ValidationError, WorkspaceError
from poet_runtime.files import FileLock
from tests.builders import execution, validation
from tests.workspaces import first_workspace

POET = [sys.executable, "-c", "from poet.cli import main; main()"]
NOTHING = Report(Plan((), 0), {})


class Watched:
    """A watch on a simulated clock, with a script of what happens at each second."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.now = 0.0
        self.compiled_at: list[float] = []
        self.messages: list[str] = []
        self.script: list[tuple[float, Callable[[], None]]] = []
        self.failures: list[Exception] = []
        monkeypatch.setattr(Workspace, "compile", lambda workspace, **_: self._compile(workspace))

    def emit(self, at: float, *numbers: int) -> None:
        """Schedule labels for a time."""
        self.script.append((at, lambda: self.append(*numbers)))

    def append(self, *numbers: int) -> None:
        """Append labels now."""
        with Workspace.open(self.folder) as workspace:
            workspace.log.append([validation(number) for number in numbers], durable=True)

    def run(self, until: float, *, once: bool = False) -> None:
        """Watch with one check per second and a debounce of five seconds."""

        def sleep(seconds: float) -> None:
            self.now += seconds
            for at, happen in [each for each in self.script if each[0] <= self.now]:
                self.script.remove((at, happen))
                happen()
            if self.now > until:
                raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            watch(
                self.folder,
                once=once,
                interval_s=1.0,
                debounce_s=5.0,
                echo=self.messages.append,
                compiled=lambda _report: None,
                sleep=sleep,
            )

    def _compile(self, workspace: Workspace) -> Report:
        if self.failures:
            raise self.failures.pop(0)
        self.compiled_at.append(self.now)
        save_checkpoint(workspace.path, workspace.log.position())
        return NOTHING


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Return a simulated watch on a workspace whose threshold is 3."""
    return Watched(first_workspace(tmp_path / "w", threshold=3), monkeypatch)


def test_a_compile_waits_for_enough_feedback_and_for_a_pause(watched: Watched) -> None:
    """The third event arrives at second 12 and the last at 14. Five quiet seconds later it compiles once."""
    watched.emit(2.0, 1)
    watched.emit(4.0, 2)
    watched.emit(12.0, 3)
    watched.emit(14.0, 4)
    watched.run(60.0)
    assert watched.compiled_at == [22.0]


def test_a_stream_without_pauses_is_compiled(watched: Watched) -> None:
    """The compile starts after ten debounce periods."""
    watched.append(1, 2, 3)
    for second in range(200):
        watched.emit(float(second), 10 + second)
    watched.run(55.0)
    assert watched.compiled_at == [50.0]


def test_executions_and_alerts_do_not_count(watched: Watched) -> None:
    """Without feedback, executions start no compile."""
    with Workspace.open(watched.folder) as workspace:
        workspace.log.append([execution(number) for number in range(20)], durable=True)
        workspace.append(make("alert.raised", {"alert_id": "a"}), durable=True)
    watched.append(1, 2)
    watched.run(30.0)
    assert watched.compiled_at == []


def test_the_option_once_checks_once(watched: Watched) -> None:
    """The count is reported, and with enough feedback the compile does not wait for a pause."""
    watched.append(1, 2)
    watched.run(60.0, once=True)
    assert watched.messages == ["2 of 3 feedback events since the last compile: nothing to do"]
    watched.append(3)
    watched.run(60.0, once=True)
    watched.run(60.0, once=True)
    assert watched.compiled_at == [0.0]
    assert watched.messages[-1] == "0 of 3 feedback events since the last compile: nothing to do"


def test_a_temporary_error_is_retried_and_reported_once(watched: Watched) -> None:
    """A full disk is an example."""
    watched.append(1, 2, 3)
    watched.failures = [LogError("the disk is full") for _ in range(3)]
    watched.run(60.0)
    assert len(watched.compiled_at) == 1
    assert watched.messages.count("poet: the disk is full") == 1


@pytest.mark.parametrize("failure", [ValidationError("detect_drift broke its contract"), KeyError("odd")])
def test_a_refused_compile_waits_for_new_feedback(watched: Watched, failure: Exception) -> None:
    """The same log would be refused again."""
    watched.append(1, 2, 3)
    watched.failures = [failure]
    watched.emit(30.0, 4, 5)
    watched.emit(40.0, 6)
    watched.run(60.0)
    assert watched.compiled_at == [45.0]
    assert str(failure) in " ".join(watched.messages)


def test_the_option_once_raises_the_refusal(watched: Watched) -> None:
    """The refusal is stored for other processes, which need not retry."""
    watched.append(1, 2, 3)
    watched.failures = [ValidationError("detect_drift broke its contract")]
    with pytest.raises(ValidationError):
        watched.run(60.0, once=True)
    assert last_refusal(watched.folder) == "detect_drift broke its contract"
    assert learned_until(watched.folder, 3) == 3


def test_a_compile_of_another_process_counts(watched: Watched) -> None:
    """The previous holder of the lock may have compiled all the feedback."""
    watched.append(1, 2, 3)
    lock = FileLock(watched.folder / LOCK_FILE)
    assert lock.try_acquire()
    watched.script.append((7.0, lambda: save_checkpoint(watched.folder, 3)))
    watched.script.append((8.0, lock.close))
    watched.run(30.0)
    assert watched.compiled_at == []
    assert any("being compiled by process" in message for message in watched.messages)


def test_a_second_watcher_names_the_first_and_waits(watched: Watched) -> None:
    """The second watcher continues when the first one ends for any reason."""
    watched.append(1, 2, 3)
    first = FileLock(watched.folder / WATCH_LOCK_FILE)
    assert first.try_acquire()
    watched.script.append((3.0, first.close))
    watched.run(30.0)
    assert watched.messages[0].startswith("the workspace is being watched by process ")
    assert watched.messages[0].endswith("; waiting until that ends")
    assert len(watched.compiled_at) == 1


def test_watching_without_a_workspace_is_an_error(tmp_path: Path) -> None:
    """The error is raised immediately."""
    with pytest.raises(WorkspaceError):
        watch(tmp_path, echo=print, compiled=lambda _report: None)


def test_the_count_starts_at_the_last_compile(watched: Watched) -> None:
    """With a lost, unreadable or foreign checkpoint, all feedback counts as new.

    The cost of a count is constant.
    """
    folder = watched.folder
    watched.append(*range(7))
    with Workspace.open(folder) as workspace:
        new = NewFeedback(folder, workspace.log)
        assert new.count() == 7
        save_checkpoint(folder, 5)
        assert new.count() == 2
        watched.append(7, 8)
        assert (new.count(), NewFeedback(folder, workspace.log).count()) == (4, 4)
        save_checkpoint(folder, 1000)
        assert new.count() == 9
        (folder / "feedback_log" / "learned.json").write_bytes(b"{")
        assert new.count() == 9


def test_a_compile_resets_the_count(tmp_path: Path) -> None:
    """A compile of only one policy does not: the others are still due."""
    with Workspace.open(first_workspace(tmp_path / "w")) as workspace:
        workspace.log.append([validation(number) for number in range(4)], durable=True)
        workspace.compile(["calculate_adaptive_window"])
        assert NewFeedback(workspace.path, workspace.log).count() == 4
        workspace.compile()
        assert NewFeedback(workspace.path, workspace.log).count() == 0


def test_the_command_compiles_prints_and_ends_cleanly(tmp_path: Path) -> None:
    """Each compile prints one JSON line to standard output, and Ctrl-C exits with status 0."""
    folder = first_workspace(tmp_path / "w", threshold=2)
    command = [*POET, "--workspace", str(folder), "--json", "watch", "--interval", "0.1", "--debounce", "0.1"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    alarm = threading.Timer(60.0, running.kill)
    alarm.start()
    with Workspace.open(folder) as workspace:
        workspace.log.append([validation(number) for number in range(2)], durable=True)
    first = json.loads(running.stdout.readline())
    alarm.cancel()
    assert (first["has_changes"], first["published"], first["log_position"]) == (False, {}, 2)
    second = subprocess.Popen([*POET, "--workspace", str(folder), "watch"], stderr=subprocess.PIPE, text=True)
    assert second.stderr is not None
    assert f"watched by process {running.pid}" in second.stderr.readline()
    for process in (second, running):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors.splitlines()[-1]) == (0, "stopped watching")


def test_the_command_prints_what_a_compile_prints(watched: Watched) -> None:
    """Without --json, the output starts with the plan's summary."""
    watched.append(1, 2, 3)
    ended = CliRunner().invoke(app, ["--workspace", str(watched.folder), "watch", "--once"])
    assert ended.stdout.startswith("No changes: no rule has the evidence yet; log read to position 0.")
    assert ended.stderr == "3 feedback events since the last compile: compiling\n"
    assert ended.exit_code == 0


def test_the_option_once_exits_with_1_if_the_compile_is_refused(watched: Watched) -> None:
    """Wrong usage exits with status 2."""
    watched.append(1, 2, 3)
    watched.failures = [ValidationError("detect_drift broke its contract")]
    ended = CliRunner().invoke(app, ["--workspace", str(watched.folder), "watch", "--once"])
    assert (ended.exit_code, ended.stderr.splitlines()[-1]) == (1, "poet: detect_drift broke its contract")
    assert CliRunner().invoke(app, ["watch", "--interval", "0"]).exit_code == 2
