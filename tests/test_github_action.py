"""Tests of the example workflow: minimal permissions, no untrusted text in a shell, and working steps."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from poet.workspace.configuration import initial_text
from tests.browsed import LEARNED_EVENTS, LOG
from tests.workspaces import first_workspace

ROOT = Path(__file__).parents[1]
FILE = ROOT / "examples" / "github-action.yml"
GH = """#!/bin/sh
echo "$@" >> "$RECORD"
for word in "$@"; do case "$word" in *.md) cat "$word" >> "$RECORD";; esac; done
if [ "$1 $2" = "pr list" ] && [ -f "$RECORD.open" ]; then echo 7; fi
"""


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    """Return the only job."""
    workflow: dict[Any, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    assert workflow[True].keys() == {"schedule", "workflow_dispatch"}  # YAML reads `on` as a boolean
    found: dict[str, Any] = workflow["jobs"]["compile"]
    return found


def test_the_workflow_has_minimal_permissions(job: dict[str, Any]) -> None:
    """Actions are pinned by digest, and expressions occur only in the environment."""
    assert job["permissions"] == {"contents": "write", "pull-requests": "write"}
    for step in job["steps"]:
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
        assert "${{" not in step.get("run", "")
    assert set(re.findall(r"\$\{\{ (.*?) \}\}", FILE.read_text(encoding="utf-8"))) == {
        "github.token",
        "secrets.FEEDBACK_PASSWORD",
    }


def test_the_steps_compile_push_and_open_a_pull_request(job: dict[str, Any], tmp_path: Path) -> None:
    """Feedback in files becomes a branch with a new version and a pull request that describes it."""
    origin, folder, temporary = tmp_path / "origin.git", tmp_path / "monitors", tmp_path / "runner"
    temporary.mkdir()
    first_workspace(folder)
    (folder / "poet.toml").write_text(initial_text(start="ks"), encoding="utf-8")
    (folder / "feedback").mkdir()
    lines = LOG.read_text(encoding="utf-8").splitlines(keepends=True)[:LEARNED_EVENTS]
    (folder / "feedback" / "november.jsonl").write_text("".join(lines), encoding="utf-8")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gh").write_text(GH, encoding="utf-8")
    (tools / "gh").chmod(0o755)
    record = tmp_path / "record"
    environment = {
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "RUNNER_TEMP": str(temporary),
        "RECORD": str(record),
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{name: value for name, value in job["env"].items() if "${{" not in value},
    }

    def shell(script: str) -> str:
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run_all() -> str:
        scripts = [step["run"] for step in job["steps"] if "run" in step and step["name"] != "Install"]
        return "".join(map(shell, scripts))

    shell(f"git init --quiet --bare {origin} && git init --quiet --initial-branch main")
    shell("git config user.name us && git config user.email us@example.org")
    shell(f"git remote add origin {origin} && git add --all && git commit --quiet --message start")
    shell("git push --quiet origin main")
    run_all()
    recorded = record.read_text(encoding="utf-8")
    assert "pr create --head poet/learned --title Learned from feedback --body-file" in recorded
    assert "### POET: 1 of 6 policies would change: 1 rule adopted, 0 retired" in recorded
    assert "**detect_drift** v1 → v2" in recorded
    changed = shell("git diff --name-only main origin/poet/learned").split()
    assert "generated/detect_drift_v2.py" in changed
    assert all(name.startswith("generated/") for name in changed)
    record.unlink()
    assert "nothing learned" in run_all()
    assert not record.exists()
    shutil.rmtree(folder / "feedback_log")
