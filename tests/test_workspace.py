"""Tests of the whole loop: monitor, label, learn, compile, swap and roll back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from poet import Workspace
from poet_runtime.errors import EventError, WorkspaceError
from poet_runtime.policies.policy import BUILT_IN
from poet_runtime.registry import read_document
from poet_runtime.results import DriftResult

DAY_S, HOUR_S = 86_400.0, 3600.0


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create one workspace that all tests of this module copy, because version 1 is validated only once."""
    folder = tmp_path_factory.mktemp("made") / "w"
    Workspace.create(folder, start="ks").close()
    return folder


@pytest.fixture
def workspace(created: Path, tmp_path: Path) -> Iterator[Workspace]:
    """Open a copy with a simulated clock and numbered execution ids."""
    import itertools
    import shutil

    shutil.copytree(created, tmp_path / "w")
    hours, ids = itertools.count(), itertools.count(1)
    with Workspace.open(
        tmp_path / "w",
        clock=lambda: 1.7e9 + HOUR_S * next(hours),
        new_execution_id=lambda: f"x{next(ids)}",
    ) as opened:
        yield opened


def window(seed: int, *, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray, dict[str, object]]:
    """Draw a week of hourly data with slow waves, and the hours after it."""
    chance = np.random.default_rng(seed)
    noise = chance.standard_normal(7 * 24 + 18)
    slow = np.convolve(chance.standard_normal(len(noise) + 23), np.ones(24) / 5.0, mode="valid")
    times = HOUR_S * np.arange(len(noise))
    values = 2.0 * np.sin(2.0 * np.pi * times / DAY_S) + slow + 0.3 * noise
    cut = 7 * 24
    keywords = {"current_times": times[cut:], "reference_times": times[:cut], "context": {"period": DAY_S}}
    return values[cut:] + shift, values[:cut], keywords


def monitor_and_label(workspace: Workspace, runs: int) -> list[DriftResult]:
    """Run the drift policy and label every alert truthfully."""
    detect_drift = workspace.policy("detect_drift")
    results = []
    for seed in range(runs):
        is_drift = seed % 4 == 0
        current, reference, keywords = window(seed, shift=12.0 if is_drift else 0.0)
        result = detect_drift(current, reference, feature=f"f{seed % 5}", **keywords)
        workspace.flush()
        if result.drifted:
            data = {"execution_id": result.execution_id, "was_real_drift": is_drift}
            workspace.emit("drift.validation", data, source="user/ana")
        results.append(result)
    return results


def test_labels_lead_to_a_new_version_that_is_swapped_in(workspace: Workspace) -> None:
    """Version 2 has fewer false alarms on the next hundred windows and finds the drifts, until a rollback."""
    detect_drift = workspace.policy("detect_drift")
    before = monitor_and_label(workspace, 90)
    report = workspace.compile(["detect_drift"])
    assert dict(report.versions) == {"detect_drift": 2}
    for version in (1, 2):  # the guard times calls: neither version may pay for imports on a busy machine
        current, reference, keywords = window(0)
        workspace.registry.version("detect_drift", version)(current, reference, **keywords)
    after = [detect_drift(c, r, **k) for c, r, k in (window(seed) for seed in range(500, 600))]
    real = [detect_drift(c, r, **k) for c, r, k in (window(seed, shift=12.0) for seed in range(600, 630))]
    quiet_before = [result.drifted for seed, result in enumerate(before) if seed % 4]
    assert np.mean(quiet_before) > 0.4
    assert np.mean([result.drifted for result in after]) < 0.5 * np.mean(quiet_before)
    assert np.mean([result.drifted for result in real]) > 0.9
    assert {result.policy_version for result in after} == {2}
    assert workspace.rollback("detect_drift") == 1
    assert detect_drift(*window(1)[:2]).policy_version == 1
    assert workspace.check() == []


def test_a_plan_writes_nothing_and_lets_every_policy_learn(workspace: Workspace) -> None:
    """Every built-in policy has a learner, and the plan has the costs."""
    monitor_and_label(workspace, 10)
    before = sorted(path.name for path in workspace.generated.iterdir())
    plan = workspace.plan()
    assert sorted(path.name for path in workspace.generated.iterdir()) == before
    assert len([each for each in plan.policies if each.decisions.learned]) == len(BUILT_IN)
    assert [each.name for each in plan.costs] == ["miss", "false_alarm", "run"]


def test_a_compile_without_evidence_gives_no_new_version(workspace: Workspace) -> None:
    """No file changes."""
    assert dict(workspace.compile().versions) == {}


def test_every_answer_is_recorded_with_what_replay_needs(workspace: Workspace) -> None:
    """The execution has the scores of all candidates, the profile, the propensity and its id."""
    current, reference, keywords = window(3)
    result = workspace.policy("detect_drift")(current, reference, feature="age", **keywords)
    workspace.flush()
    (stored,) = workspace.log.read()
    data = stored.event.data
    assert (stored.event.id, data.execution_id, data.feature) == (result.execution_id, "x1", "age")  # type: ignore[attr-defined]
    assert {"ks/raw", "wasserstein/deseasonalized", "mean_absolute_difference/raw"} <= set(data.scores)  # type: ignore[attr-defined]
    assert data.profile.period == DAY_S  # type: ignore[attr-defined]


def test_a_sample_that_cannot_be_compared_is_recorded(workspace: Workspace) -> None:
    """Missing data lose no execution."""
    result = workspace.policy("detect_drift")(np.full(10, np.nan), np.arange(100.0))
    workspace.flush()
    assert result.reason == "current is all missing"
    assert workspace.log.count_by_type() == {"execution.recorded": 1}


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_records_its_own_answers(workspace: Workspace) -> None:
    """Parent and child both answer, and each answer is in the log once."""
    detect_drift = workspace.policy("detect_drift")
    detect_drift([1.0, 2.0] * 20, [1.0, 2.0] * 20)
    workspace.flush()
    child = os.fork()
    if child == 0:
        # ids are numbered here, so the child must continue the numbering
        detect_drift([1.0, 2.0] * 20, [1.0, 2.0] * 20)
        workspace.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert [stored.event.id for stored in workspace.log.read()] == ["x1", "x2"]


def test_non_alerts_are_audited_at_the_configured_rate() -> None:
    """The choice is uniform and depends only on the id."""
    from poet.workspace.recording import is_audited

    audited = sum(is_audited(f"x{row}", 0.02) for row in range(20_000))
    assert abs(audited - 400) < 60


def test_the_generated_package_is_importable(workspace: Workspace) -> None:
    """The statement is `from generated import detect_drift`."""
    code = "from generated import detect_drift; print(detect_drift([1.0] * 9, [1.0] * 9).policy_version)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=workspace.path, capture_output=True, check=True)
    assert ended.stdout.strip() == b"1"


def test_a_refused_event_changes_nothing(workspace: Workspace) -> None:
    """The log is unchanged."""
    with pytest.raises(EventError):
        workspace.emit("drift.validation", {"execution_id": "x"})
    workspace.flush()
    assert workspace.log.position() == 0


def test_a_folder_without_a_workspace_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    """The error names the command to run."""
    with pytest.raises(WorkspaceError, match="poet init"):
        Workspace.open(tmp_path)


def test_a_misspelled_setting_is_an_error(created: Path, tmp_path: Path) -> None:
    """No setting of poet.toml is silently ignored."""
    text = (created / "poet.toml").read_text().replace("risk =", "risc =")
    (tmp_path / "poet.toml").write_text(text)
    with pytest.raises(WorkspaceError, match="risc"):
        Workspace.open(tmp_path)


COMPILING = """
import sys
from poet import Workspace
print("compiling", flush=True)
Workspace.open(sys.argv[1]).compile(["detect_drift"])
"""


def test_a_killed_compile_leaves_the_old_or_the_new_version_active(workspace: Workspace) -> None:
    """The next compile recovers."""
    monitor_and_label(workspace, 90)
    workspace.flush()
    chance = np.random.default_rng(1)
    command = [sys.executable, "-c", COMPILING, str(workspace.path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(float(chance.uniform(0.3, 3.0)))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    active = read_document(workspace.generated).active("detect_drift")
    assert active in (1, 2)
    workspace.registry.refresh()
    assert workspace.policy("detect_drift")([1.0] * 30, [1.0] * 30).policy_version == active
    workspace.compile(["detect_drift"])
    assert read_document(workspace.generated).active("detect_drift") == 2
    assert workspace.check() == []


def test_a_workspace_is_opened_by_a_path_or_a_string(created: Path) -> None:
    """Python names folders by both."""
    with Workspace(str(created)) as workspace:
        assert workspace.path == created
