"""The command line as people type it: what it prints, and its exit status."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.builders import SEED_PAYLOADS

POET = Path(shutil.which("poet", path=str(Path(__import__("sys").executable).parent)) or "poet")


def run(folder: Path, *words: str, stdin: str = "") -> tuple[int, str, str]:
    """Run a command; gives exit status, standard output, standard error."""
    ended = subprocess.run(
        [str(POET), *words], cwd=folder, input=stdin, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a workspace by `poet init`."""
    folder = tmp_path_factory.mktemp("cli")
    code, out, _ = run(folder, "init", "--start", "ks")
    assert code == 0, out
    return folder


def test_init_says_what_is_ready_and_what_is_next(tmp_path: Path, home: Path) -> None:
    """A second init in the same folder is wrong usage."""
    assert {path.name for path in home.iterdir()} >= {"poet.toml", "generated", "templates", "feedback_log"}
    code, _, errors = run(home, "init")
    assert code == 2
    assert "is a workspace already" in errors
    assert run(tmp_path, "init", "--start", "guess")[0] == 2


def test_init_points_to_calls_that_feedback_can_cite(tmp_path: Path) -> None:
    """A call past the workspace, straight from `generated/`, is not recorded and has no execution id."""
    code, out, _ = run(tmp_path, "init", "shop")
    assert code == 0
    assert 'Workspace.policy("detect_drift")' in out
    assert "from generated/" not in out


def test_all_seed_payloads_go_through_emit_verbatim(home: Path) -> None:
    """Each is in the log afterwards."""
    for type_, data in SEED_PAYLOADS[:3]:
        code, out, errors = run(home, "emit", type_, json.dumps(data), "--source", "user/ana")
        assert (code, errors) == (0, "")
        assert out.strip().endswith("is in the log")


def test_emit_reads_payloads_from_standard_input(home: Path) -> None:
    """Bad lines are refused with their reasons, good ones land."""
    lines = '{"execution_id": "a", "was_real_drift": true}\n{"execution_id": "b"}\nnot json\n'
    code, out, errors = run(home, "--json", "emit", "drift.validation", "-", stdin=lines)
    document = json.loads(out)
    assert (code, len(document["emitted"]), len(document["refused"])) == (2, 1, 2)
    assert "was_real_drift: expected a value, it is required, got nothing" in errors


def test_import_counts_and_buries(home: Path) -> None:
    """Exit status 1 when something was refused."""
    good = [json.dumps({"type": type_, "data": data}) for type_, data in SEED_PAYLOADS]
    (home / "seed.jsonl").write_text("\n".join(good), encoding="utf-8")
    (home / "bad.jsonl").write_text('{"type": "x", "data": {}}\n', encoding="utf-8")
    assert run(home, "import", "seed.jsonl")[:2] == (0, "18 events accepted, 0 refused\n")
    code, out, _ = run(home, "import", "bad.jsonl")
    assert code == 1
    assert "dead-letters.jsonl" in out


def test_status_plan_and_compile_speak_of_the_workspace(home: Path) -> None:
    """Without enough evidence nothing changes; what things cost is said first."""
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
    """And is content with what was published."""
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


def test_explain_diff_and_validate(home: Path) -> None:
    """Each names what it speaks of."""
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


def test_activate_and_rollback_say_what_cannot_be(home: Path) -> None:
    """There is only one version yet."""
    assert run(home, "activate", "detect_drift", "1")[:2] == (0, "detect_drift: version 1 is active\n")
    code, _, errors = run(home, "rollback", "detect_drift")
    assert code == 2
    assert "has only ever run version 1" in errors


def test_a_missing_workspace_is_bad_input(tmp_path: Path) -> None:
    """Status 2 and the command that helps."""
    code, _, errors = run(tmp_path, "status")
    assert code == 2
    assert "run `poet init" in errors


def test_help_is_quick_and_shows_examples(tmp_path: Path) -> None:
    """The compiler is not imported for it."""
    code, out, _ = run(tmp_path, "emit", "--help")
    assert code == 0
    assert "poet emit drift.validation" in out
