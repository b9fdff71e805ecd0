"""Tests of four processes that monitor one workspace, with real series and late labels in any order."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from poet import Workspace
from poet_runtime.registry import read_document
from tests.workspaces import first_workspace

PROCESSES = 4
PATIENCE_S = 900.0  # limit of every wait, reached only after a failure


class Monitor:
    """One of the processes, with its output."""

    def __init__(self, folder: Path, who: int, workspace: Workspace) -> None:
        command = [sys.executable, "-m", "tests.stream", str(folder), str(who), str(PROCESSES)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
        )
        self.has_streamed, self.has_followed = threading.Event(), threading.Event()
        self.has_learned = threading.Event()
        self.counted: dict[str, Any] = {}
        self.passed_on = 0
        self._workspace = workspace
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def resume(self) -> None:
        """Start its next step."""
        assert self.process.stdin is not None
        self.process.stdin.write("go on\n")
        self.process.stdin.flush()

    def wait(self) -> None:
        """Return when it has printed its last line."""
        self._reader.join(PATIENCE_S)
        assert self.process.wait(PATIENCE_S) == 0

    def close(self) -> None:
        """Kill the process."""
        self.process.kill()
        with self.process:
            self._reader.join(PATIENCE_S)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if (event := getattr(self, f"has_{line.strip()}", None)) is not None:
                event.set()
                continue
            output = json.loads(line)
            if "pass on" in output:  # this process is not the one that monitored
                type_, data = output["pass on"]
                self._workspace.emit(type_, data, source="user/elsewhere")
                self.passed_on += 1
            else:
                self.counted = output["counted"]


def active(folder: Path) -> int:
    """Return the active version."""
    return read_document(folder / "generated").policies["detect_drift"].active


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Create a workspace that starts from KS, which has many false alarms on these series."""
    return first_workspace(tmp_path / "w", threshold=40)


def test_four_monitors_learn_from_one_log_and_swap_without_a_failed_call(folder: Path) -> None:
    """All processes end with the version that was learned from the feedback of all of them."""
    start = time.monotonic()
    with Workspace.open(folder) as other_process:
        monitors = [Monitor(folder, who, other_process) for who in range(PROCESSES)]
        try:
            assert all(monitor.has_streamed.wait(PATIENCE_S) for monitor in monitors)
            assert all(monitor.has_followed.wait(PATIENCE_S) for monitor in monitors)
            for monitor in monitors:
                monitor.resume()
            assert all(monitor.has_learned.wait(PATIENCE_S) for monitor in monitors)
            for monitor in monitors:
                monitor.resume()
            for monitor in monitors:
                monitor.wait()
        finally:
            for monitor in monitors:
                monitor.close()
        counted = [monitor.counted for monitor in monitors]
        print(f"{time.monotonic() - start:.1f} s", *counted, sep="\n")  # noqa: T201 -- the figures of the show
        assert [each.get("failed calls", 0) for each in counted] == [0] * PROCESSES
        assert [each["failures"] for each in counted] == [[]] * PROCESSES
        assert len({each["last"] for each in counted}) == 1
        assert counted[0]["last"] == active(folder) > 1
        assert all(each["versions"] == sorted(each["versions"]) for each in counted)
        assert all(each["versions"][0] == 1 and len(each["versions"]) > 1 for each in counted)
        types = other_process.log.count_by_type()
        assert sum(monitor.passed_on for monitor in monitors) > 0.2 * sum(each["answers"] for each in counted)
        assert types["execution.recorded"] == sum(each["calls"] for each in counted)
        answers = sum(each["answers"] for each in counted)
        assert types["drift.validation"] + types["drift.false_positive"] == answers
