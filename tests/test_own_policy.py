"""The package, commands and outputs of docs/own-policy.md work as shown."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.workspaces import first_workspace

PAGE = (Path(__file__).parents[1] / "docs" / "own-policy.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
ANYTHING = "…"


def files() -> dict[str, str]:
    """Return the files that the page shows, by name."""
    return dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.DOTALL | re.MULTILINE))


def commands() -> list[tuple[str, str]]:
    """Return the commands of the page with their expected output."""
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [
        (command, output) for block in blocks for command, output in re.findall(r"\$ (.*)\n([^$]*)", block)
    ]


def installed(folder: Path) -> Path:
    """Write the page's files and the metadata that an installer would write next to the package."""
    for name, content in files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    package = folder / "retry-policy"
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    )
    info = package / "retry_policy-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    named = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(named, encoding="utf-8")
    return package


def run(command: str, folder: Path, package: Path) -> tuple[int, str, str]:
    """Run a command in a shell with the package on the path."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(package),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }
    ended = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


def is_as_shown(shown: str, printed: str) -> bool:
    """Return whether a printed text matches the page, where `…` stands for omitted parts."""
    pattern = ".*".join(re.escape(part) for part in shown.strip().split(ANYTHING))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def test_the_commands_of_the_page_give_the_shown_outputs(tmp_path: Path) -> None:
    """The page leads from the package to a learned version 2 and a rejected payload."""
    package = installed(tmp_path)
    for command, shown in commands():
        if shlex.split(command)[0] == "pip":  # the package is on the path already
            continue
        code, out, errors = run(command, tmp_path, package)
        is_refusal = shown.startswith("poet: refused")
        assert code == (2 if is_refusal else 0), (command, out, errors)
        assert is_as_shown(shown, errors if is_refusal else out), (command, out, errors)


def test_the_code_of_the_page_passes_the_linter(tmp_path: Path) -> None:
    """Readers copy the code."""
    installed(tmp_path)
    options = ["--isolated", "--line-length", "110", "."]
    for command in (["check", "--select", "F,I,E,W,B,UP"], ["format", "--diff"]):
        ended = subprocess.run(
            [str(BIN / "ruff"), *command, *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout


def test_an_existing_workspace_gets_version_1_by_the_next_compile(tmp_path: Path) -> None:
    """If the package breaks later, its policy is skipped with a warning and the others are compiled."""
    package, workspace = installed(tmp_path), first_workspace(tmp_path / "shop")
    code, out, errors = run("poet --workspace shop compile choose_retry_backoff", tmp_path, package)
    assert code == 0, errors
    assert "choose_retry_backoff: version not there yet → 1" in out
    assert (workspace / "generated" / "choose_retry_backoff_v1.py").is_file()
    (package / "retry_policy" / "policy.py").write_text("import no_such_library\n", encoding="utf-8")
    code, out, errors = run("poet --workspace shop --json plan", tmp_path, package)
    document = json.loads(out)
    assert code == 0, errors
    assert "left out: package retry-policy (poet.policies: choose_retry_backoff =" in errors
    assert "no_such_library" in document["skipped"]["choose_retry_backoff"]
    assert "detect_drift" in {each["policy"] for each in document["policies"]}
    code, out, errors = run("poet --workspace shop compile choose_retry_backoff", tmp_path, package)
    assert code == 2
    assert "no_such_library" in errors
