"""Tests that every command of docs/tutorial.md runs and prints what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text(encoding="utf-8")
ANYTHING = "…"
MINUTES = 10


def test_the_tutorial_runs_from_top_to_bottom(tmp_path: Path) -> None:
    """The folder is empty, and only the commands and the file of the page are used."""
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    folder, false = tmp_path, list[int]()
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            if command == "cd shop":
                folder = tmp_path / "shop"
                (folder / "monitor.py").write_text(program, encoding="utf-8")
                continue
            done = subprocess.run(
                ["sh", "-c", command],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60 * MINUTES,
                check=False,
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            assert re.fullmatch(as_pattern(shown), done.stdout.strip(), re.DOTALL), (
                command,
                shown,
                done.stdout,
            )
            false += map(
                int, re.findall(r"^version \d: \d+ alerts, (\d+) of them false", done.stdout, re.MULTILINE)
            )
    assert false[1] < false[0] / 2


def as_pattern(shown: str) -> str:
    """Return a pattern for an output; random audits may change its numbers."""
    escaped = ".*".join(map(re.escape, shown.strip().split(ANYTHING)))
    return re.sub(r"(?<![\w.])\d+(?:\\\.\d+)?", r"[-\\d.e+]+", escaped)
