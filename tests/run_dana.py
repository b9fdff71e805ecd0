"""Run the eighteen emits of the seed with Dana: ``python -m tests.run_dana [PYTHON]`` or ``make dana``.

Without uv, Python 3.12 or the network, the run is skipped with a reason.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from tests.builders import SEED_PAYLOADS

ROOT = Path(__file__).parents[1]
HOME = ROOT / "build" / "dana"
COUNT = "import sys, poet; print(sorted(poet.Workspace.open(sys.argv[1]).log.count_by_type().items()))"
UNREACHABLE = ("Failed to fetch", "error sending request", "dns error", "tcp connect error", "Network")


def main(python: str) -> None:
    """Install Dana, run the program and count the events; `python` is a version or a path, as for uv."""
    uv = shutil.which("uv")
    if uv is None:
        skip("there is no uv on the path")
    created = run(uv, "venv", "--quiet", "--clear", "--python", python, str(HOME))
    if created.returncode:
        skip(f"uv found no Python {python}: {created.stderr.strip()}")
    packages = ["dana>=0.6,<0.7", "pypdf", str(ROOT)]
    installed = run(uv, "pip", "install", "--quiet", "--python", str(HOME / "bin" / "python"), *packages)
    if installed.returncode:
        problem = f"dana cannot be installed: {installed.stderr.strip()}"
        if any(word in installed.stderr for word in UNREACHABLE):
            skip(problem)
        sys.exit(problem)
    with tempfile.TemporaryDirectory(prefix="poet-dana-") as name:
        check(Path(name))


def check(folder: Path) -> None:
    """Run the program in an empty workspace and compare the events in the log."""
    for file in ("seed.na", "dana_events.py"):
        shutil.copy(ROOT / "examples" / file, folder)
    workspace = str(folder / "shop")
    commands = (
        ("poet", "init", workspace),
        ("dana", str(folder / "seed.na")),
        ("python", "-c", COUNT, workspace),
    )
    for command, *words in commands:
        variables = {**os.environ, "HOME": str(folder), "POET_WORKSPACE": workspace}
        ended = run(str(HOME / "bin" / command), *words, env=variables)
        if ended.returncode:
            sys.exit(f"{command} ended with {ended.returncode}:\n{ended.stdout}\n{ended.stderr}")
    expected = str(sorted((type_, 1) for type_, _ in SEED_PAYLOADS))
    if ended.stdout.strip() != expected:
        sys.exit(f"the log holds {ended.stdout.strip()}, expected {expected}")
    sys.stdout.write(f"{len(SEED_PAYLOADS)} events of a Dana program are in the log\n")


def run(*command: str, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a command and capture its output."""
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def skip(why: str) -> NoReturn:
    """Exit with status 0 and print the reason."""
    sys.stdout.write(f"skipped: {why}\n")
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "3.12")
