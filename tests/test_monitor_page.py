"""Tests that run the code of docs/monitor.md."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.workspaces import first_workspace

PAGE = (Path(__file__).parents[1] / "docs" / "monitor.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the page's blocks in a language, in order."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", PAGE, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for _, block in found]


def test_the_code_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code runs in one program next to the workspace of the page."""
    first_workspace(tmp_path / "checkout")
    program = tmp_path / "program.py"
    program.write_text("\n".join(blocks("python")), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(program)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(blocks("python")) == 8


def test_the_command_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command runs as printed, with one check so that the test ends."""
    first_workspace(tmp_path / "checkout")
    monkeypatch.chdir(tmp_path)
    (command,) = blocks("console")
    words = command.split()[2:]
    run = [sys.executable, "-c", "from poet.cli import main; main()", *words, "--once"]
    ended = subprocess.run(run, capture_output=True, text=True, check=True)
    assert ended.stderr == "0 of 10 feedback events since the last compile: nothing to do\n"
