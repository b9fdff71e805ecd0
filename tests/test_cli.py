"""Tests of the commands as a user runs them: their output and exit status."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.builders import SEED_PAYLOADS

POET = Path(shutil.which("poet", path=str(Path(__import__("sys").executable).parent)) or "poet")


def run(folder: Path, *words: str, stdin: str = "") -> tuple[int, str, str]:
    """Run a command; return exit status, standard output and standard error."""
    ended = subprocess.run(
        [str(POET), *words], cwd=folder, input=stdin, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a workspace with `poet init`."""
    folder = tmp_path_factory.mktemp("cli")
    code, out, _ = run(folder, "init", "--start", "ks")
    assert code == 0, out
    return folder


def test_init_creates_a_workspace_once(tmp_path: Path, home: Path) -> None:
    """A second init in the same folder and an unknown preset are wrong usage."""
    assert {path.name for path in home.iterdir()} >= {"poet.toml", "generated", "templates", "feedback_log"}
    code, _, errors = run(home, "init")
    assert code == 2
    assert "is a workspace already" in errors
    assert run(tmp_path, "init", "--start", "guess")[0] == 2


def test_init_points_to_calls_that_feedback_can_cite(tmp_path: Path) -> None:
    """A call of a module in `generated/` without the workspace is not recorded and has no execution id."""
    code, out, _ = run(tmp_path, "init", "shop")
    assert code == 0
    assert 'Workspace.policy("detect_drift")' in out
    assert "from generated/" not in out


def test_emit_accepts_seed_payloads(home: Path) -> None:
    """The command confirms that each event is in the log."""
    for type_, data in SEED_PAYLOADS[:3]:
        code, out, errors = run(home, "emit", type_, json.dumps(data), "--source", "user/ana")
        assert (code, errors) == (0, "")
        assert out.strip().endswith("is in the log")


def test_emit_reads_payloads_from_standard_input(home: Path) -> None:
    """Invalid lines are refused with their reasons, and valid ones are stored."""
    lines = '{"execution_id": "a", "was_real_drift": true}\n{"execution_id": "b"}\nnot json\n'
    code, out, errors = run(home, "--json", "emit", "drift.validation", "-", stdin=lines)
    document = json.loads(out)
    assert (code, len(document["emitted"]), len(document["refused"])) == (2, 1, 2)
    assert "was_real_drift: expected a value, it is required, got nothing" in errors


def test_import_counts_accepted_and_refused_events(home: Path) -> None:
    """If any event is refused, the exit status is 1 and the event is a dead letter."""
    good = [json.dumps({"type": type_, "data": data}) for type_, data in SEED_PAYLOADS]
    (home / "seed.jsonl").write_text("\n".join(good), encoding="utf-8")
    (home / "bad.jsonl").write_text('{"type": "x", "data": {}}\n', encoding="utf-8")
    assert run(home, "import", "seed.jsonl")[:2] == (0, "18 events accepted, 0 refused\n")
    code, out, _ = run(home, "import", "bad.jsonl")
    assert code == 1
    assert "dead-letters.jsonl" in out


def test_status_plan_and_compile_describe_the_workspace(home: Path) -> None:
    """Without enough evidence nothing changes. The plan prints the costs first."""
    code, out, _ = run(home, "status")
    assert code == 0
    assert "detect_drift: version 1 of 1 active" in out
    code, out, _ = run(home, "plan", "--exit-code")
    assert code == 0
    assert out.startswith("No changes: no rule has the evidence yet")
    assert out.splitlines()[1].startswith("costs: miss 3")
    code, out, _ = run(home, "--json", "compile")
    assert (code, json.loads(out)["published"]) == (0, {})


def test_compile_check_finds_an_edit(home: Path, tmp_path: Path) -> None:
    """Unedited versions pass the check."""
    shutil.copytree(home, tmp_path / "w")
    assert run(tmp_path / "w", "compile", "--check")[0] == 0
    module = tmp_path / "w" / "generated" / "detect_drift_v1.py"
    module.write_text(module.read_text().replace("0.05", "0.01"))
    code, out, _ = run(tmp_path / "w", "compile", "--check")
    assert code == 1
    assert "- generated/detect_drift_v1.py: was edited after it was published; the published" in out
    assert "`poet compile` makes the edit a rule" in out
    code, out, _ = run(tmp_path / "w", "--json", "compile", "--check")
    assert json.loads(out)["differences"][0]["path"] == str(module)
    code, out, _ = run(tmp_path / "w", "status")
    assert code == 0
    assert f"  {module} was edited after it was published; the published source runs; `poet compile`" in out


def test_explain_diff_and_validate_name_their_subject(home: Path) -> None:
    """An unknown rule is wrong usage."""
    code, out, _ = run(home, "explain", "detect_drift", "numeric")
    assert code == 0
    assert "numeric: KS p < 0.05" in out
    code, out, _ = run(home, "diff", "detect_drift")
    assert code == 0
    assert out.startswith("detect_drift: version 1 → 1")
    code, out, _ = run(home, "validate", "generated/generate_alerts_v1.py", "--max-examples", "10")
    assert code == 0
    assert out.strip().endswith("keeps the contract of generate_alerts")
    assert run(home, "explain", "detect_drift", "no-such-rule")[0] == 2


def test_rollback_needs_a_previous_version(home: Path) -> None:
    """Activating the active version succeeds."""
    assert run(home, "activate", "detect_drift", "1")[:2] == (0, "detect_drift: version 1 is active\n")
    code, _, errors = run(home, "rollback", "detect_drift")
    assert code == 2
    assert "has only ever run version 1" in errors


def test_a_missing_workspace_is_wrong_usage(tmp_path: Path) -> None:
    """The exit status is 2, and the message names the command that creates a workspace."""
    code, _, errors = run(tmp_path, "status")
    assert code == 2
    assert "run `poet init" in errors


def test_help_shows_examples(tmp_path: Path) -> None:
    """The help of a command has the command line of an example."""
    code, out, _ = run(tmp_path, "emit", "--help")
    assert code == 0
    assert "poet emit drift.validation" in out
