"""Tests that run the commands and the code of docs/stores.md."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from poet.log import open_log
from tests.builders import filled_log, validation
from tests.stores import binaries, server
from tests.workspaces import first_workspace

PAGE = (Path(__file__).parents[1] / "docs" / "stores.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def test_the_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server is running, and libpq gets its address from the environment."""
    home = server().partition("host=")[2].replace("%2F", "/")
    for name, value in {"PGHOST": home, "PGUSER": "poet", "PGDATABASE": "postgres"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{binaries()}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    first_workspace(tmp_path / "checkout", threshold=3)
    filled_log(tmp_path / "checkout" / "feedback_log", [validation(7)]).close()
    output = ""
    for language, block in re.findall(r"^```(console|python)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        if language == "console":
            script = "\n".join(line.removeprefix("$ ") for line in block.splitlines())
            run = ["sh", "-euc", script]
        else:
            run = [sys.executable, "-W", "error", "-c", block]
        ended = subprocess.run(run, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{block}\n{ended.stderr}"
        output = ended.stdout
    assert output.endswith(" drift.validation |      4\n\n")
    assert (tmp_path / "checkout" / "feedback_log" / "learned.json").exists()
    with open_log("postgresql:///feedback") as log:
        sources = sorted(stored.event.source for stored in log.read())
    assert sources == ["user/ana", "user/ana", "user/bo", "user/cleo"]
    assert not (tmp_path / "refused.jsonl").exists()
