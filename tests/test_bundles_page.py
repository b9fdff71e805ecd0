"""Tests that run the commands and the code of docs/bundles.md."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workspaces import first_workspace

PAGE = (Path(__file__).parents[1] / "docs" / "bundles.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def test_the_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks run in order next to the workspace of the page."""
    first_workspace(tmp_path / "checkout")
    monkeypatch.chdir(tmp_path)
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    found = re.findall(r"^```(console|python)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for language, block in found:
        if language == "console":
            script = "\n".join(line.removeprefix("$ ") for line in block.splitlines())
            run = ["sh", "-euc", script]
        else:
            run = [sys.executable, "-W", "error", "-c", block]
        ended = subprocess.run(run, capture_output=True, text=True, check=False, env=environment)
        assert (ended.returncode, ended.stderr) == (0, ""), block
    assert [language for language, _ in found].count("console") == 4
    assert (tmp_path / "signing.pem").stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load((tmp_path / "alertmanager.yml").read_text())["route"]["group_by"] == ["feature"]
