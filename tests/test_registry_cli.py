"""Tests of the commands `poet shadow`, `canary`, `release` and `activate --despite-quarantine`."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from poet.cli.app import app
from poet_runtime.registry import read_document, read_journal
from poet_runtime.registry.changes import withdraw
from tests.modules import WINDOW, published
from tests.workspaces import first_workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Create a workspace in which version 2 of the window policy is active."""
    made = first_workspace(tmp_path / "w", without=(WINDOW,))
    published(made / "generated", 1, 2)
    return made


def run(folder: Path, *words: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, ["--workspace", str(folder), *words])


def entry(folder: Path) -> Any:
    """Return the registry's entry of the window policy."""
    return read_document(folder / "generated").policies[WINDOW]


def test_a_shadow_and_a_canary_are_started_shown_and_ended(folder: Path) -> None:
    """The status lists the trials."""
    assert (
        run(folder, "shadow", WINDOW, "1").output
        == f"{WINDOW}: version 1 runs as a shadow on 10% of the calls\n"
    )
    assert f"{WINDOW} has no canary" in run(folder, "canary", WINDOW).output
    result = run(folder, "canary", WINDOW, "1", "--share", "0.25", "--why", "trying it")
    assert result.output == f"{WINDOW}: version 1 answers for 25% of the features\n"
    standing = json.loads(run(folder, "--json", "canary", WINDOW).stdout)
    assert (standing["version"], standing["champion"], standing["outcome"]) == (1, 2, "inconclusive")
    status = run(folder, "status").output
    assert f"  canary {WINDOW} v1: inconclusive; answers for 25% of the features since " in status
    assert f"  shadow {WINDOW} v1: 0 compared, 0 differ, 0 failed" in status
    assert run(folder, "rollback", WINDOW).output == f"{WINDOW}: version 2 is active\n"
    assert entry(folder).canary is None
    journal = [(move.mode, move.why) for move in read_journal(folder / "generated")][2:]
    assert journal == [
        ("shadow", "shadow by hand"),
        ("canary", "trying it"),
        ("canary ends", "rolled back by hand"),
    ]


def test_a_canary_of_a_policy_without_features_is_refused(folder: Path) -> None:
    """Nothing is written, and the error has a next step."""
    ended = run(folder, "canary", "generate_alerts", "1")
    assert "`poet shadow generate_alerts N` compares" in str(ended.exception)


def test_a_quarantined_version_is_shown_refused_released_and_forced(folder: Path) -> None:
    """The status has the reason, and the error the next step."""
    generated = folder / "generated"
    sha256 = entry(folder).versions["2"].sha256
    withdraw(generated, WINDOW, 2, sha256=sha256, to=1, why="it failed", at="2026-01-01", patience_s=1.0)
    assert "QUARANTINED version 2 by guard since 2026-01-01: it failed" in run(folder, "status").output
    assert "--despite-quarantine" in str(run(folder, "activate", WINDOW, "2").exception)
    assert entry(folder).active == 1
    assert run(folder, "activate", WINDOW, "2", "--despite-quarantine").exit_code == 0
    assert (entry(folder).active, entry(folder).quarantined(2)) == (2, None)
    assert "is not quarantined; quarantined are none" in str(run(folder, "release", WINDOW, "2").exception)
    words = msgspec.to_builtins(entry(folder).quarantine)
    assert [word["why"] for word in words] == ["it failed", "activated by hand"]


def test_mutually_exclusive_compile_options_are_refused(folder: Path) -> None:
    """The command ends before anything is learned."""
    for words, message in (
        (("--rollout", "shadow", "--no-activate"), "mutually exclusive"),
        ((WINDOW, "--plan-file", "plan.json"), "either a saved plan or policy names"),
        (("plan.json",), "--plan-file plan.json"),
    ):
        ended = run(folder, "compile", *words)
        assert (ended.exit_code, message in ended.output) == (2, True)
