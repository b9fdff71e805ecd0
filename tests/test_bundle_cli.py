"""Tests of the commands `poet keygen`, `bundle`, `pull` and `export`: their output and exit status."""

import json
from pathlib import Path

import pytest

from tests.test_cli import run
from tests.workspaces import first_workspace


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Create a workspace, a key and a bundle."""
    first_workspace(tmp_path / "checkout")
    assert run(tmp_path, "keygen", "key")[0] == 0
    assert run(tmp_path, "--workspace", "checkout", "bundle", "--key", "key", "--out", "b")[0] == 0
    return tmp_path


def trust(home: Path) -> str:
    """Return the public key line."""
    from poet.distribute import read_key

    return read_key(home / "key").public.line


def test_a_key_is_printed_once_and_never_overwritten(home: Path) -> None:
    """The output is one short line. A second key with the same name is wrong usage."""
    code, out, _ = run(home, "keygen", "other")
    assert (code, out.count("\n"), len(out) < 60) == (0, 1, True)
    code, _, errors = run(home, "keygen", "other")
    assert code == 2
    assert "never overwritten" in errors


def test_bundle_prints_its_content(home: Path) -> None:
    """JSON is available, and the same versions give the same file."""
    before = (home / "b").read_bytes()
    words = ("--workspace", "checkout", "--json", "bundle", "--key", "key", "--out", "b")
    code, out, _ = run(home, *words)
    document = json.loads(out)
    assert (code, document["bytes"], document["active"]["detect_drift"]) == (0, len(before), 1)
    assert (home / "b").read_bytes() == before
    assert run(home, "--workspace", "checkout", "bundle", "guess", "--key", "key", "--out", "c")[0] == 2
    assert run(home, "--workspace", "checkout", "bundle", "--key", "none", "--out", "c")[0] == 2
    assert not (home / "c").exists()


def test_pull_prints_what_is_active_and_whether_it_is_new(home: Path) -> None:
    """The JSON output also has the state."""
    code, out, _ = run(home, "pull", "b", "--trust", trust(home), "--into", "here")
    assert code == 0
    assert "detect_drift: version 1 is active" in out
    assert "is new here" in out
    code, out, _ = run(home, "--json", "pull", "b", "--trust", trust(home), "--into", "here")
    document = json.loads(out)
    assert (code, document["is_new"], document["refused"], document["active"]["detect_drift"]) == (
        0,
        False,
        "",
        1,
    )


def test_a_refused_pull_exits_with_1_and_wrong_usage_with_2(home: Path) -> None:
    """The reason goes to standard error, and the served versions do not change."""
    key = trust(home)
    assert run(home, "pull", "b", "--trust", key, "--into", "here")[0] == 0
    for words in (
        ("pull", "b", "--trust", key, "--into", "here", "--require-version", "detect_drift=2"),
        ("pull", "nothing", "--trust", key, "--into", "here"),
        ("pull", "b", "--trust", run(home, "keygen", "another")[1].strip(), "--into", "here"),
    ):
        code, out, errors = run(home, *words)
        assert (code, out) == (1, "")
        assert errors.startswith("poet: ")
    for wrong in (
        ("pull", "b", "--into", "here"),
        ("pull", "b", "--trust", "me", "--into", "here"),
        ("pull", "b", "--trust", key, "--into", "here", "--require-version", "detect_drift"),
    ):
        assert run(home, *wrong)[0] == 2
    from poet.distribute import state

    assert state(home / "here").active["detect_drift"] == 1


def test_export_writes_to_a_file_or_to_standard_output(home: Path) -> None:
    """The format is required, and the policy must be one that it can express."""
    words = ("--workspace", "checkout", "export", "generate_alerts")
    code, out, _ = run(home, *words, "--alertmanager")
    assert code == 0
    assert 'receiver: "drift"' in out
    assert run(home, *words, "--alertmanager", "--out", "alertmanager.yml")[0] == 0
    assert (home / "alertmanager.yml").read_text(encoding="utf-8") == out
    assert run(home, *words)[0] == 2
    assert run(home, *words, "--alertmanager", "7")[0] == 2
    code, _, errors = run(home, "--workspace", "checkout", "export", "detect_drift", "--alertmanager")
    assert code == 2
    assert "export generate_alerts" in errors
