"""One environment per tool, created if it is missing, with uv if it is installed."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.tools import POET, Tool

__all__ = ["BARE", "NotInstalledError", "interpreter", "settings"]

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "build" / "peers"
BARE = "pass"
# No telemetry: it would be measured too.
SILENT = {
    "DISABLE_DEEPCHECKS_ANONYMOUS_TELEMETRY": "True",
    "DISABLE_LATEST_VERSION_CHECK": "True",
    "DO_NOT_TRACK": "1",
    "EVIDENTLY_DISABLE_TELEMETRY": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "WHYLOGS_NO_ANALYTICS": "True",
}
LONGEST_S = 900.0


class NotInstalledError(Exception):
    """A tool cannot be installed here; the message says why, in one line."""


def settings() -> dict[str, str]:
    """Return the environment variables of a measured process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return environment | SILENT


def interpreter(tool: Tool) -> Path:
    """Return the Python in which a tool is installed, and install the tool if it is missing.

    Raises
    ------
    NotInstalledError
        There is no suitable Python, or the packages cannot be installed.
    """
    if tool is POET:
        return Path(sys.executable)
    folder = HOME / tool.name
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = hashlib.sha256("\n".join((*tool.requirements, *tool.pythons)).encode()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print(f"installing {tool.name}: {' '.join(tool.requirements)}", file=sys.stderr, flush=True)
    failure = f"needs Python {' or '.join(tool.pythons)}"
    for version in tool.pythons:
        shutil.rmtree(folder, ignore_errors=True)
        failure = _create(folder, version, tool.requirements) or _unusable(python, tool)
        if not failure:
            stamp.write_text(wanted, encoding="utf-8")
            return python
    raise NotInstalledError(failure)


def _create(folder: Path, version: str, requirements: tuple[str, ...]) -> str:
    """Create an environment; return the reason if it cannot be created, else an empty text."""
    if uv := shutil.which("uv"):
        return _run([uv, "venv", "--python", version, folder]) or _run(
            [uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", *requirements]
        )
    found = _python(version)
    if found is None:
        return f"there is no Python {version} and no uv to get one"
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--prefer-binary"]
    return _run([found, "-m", "venv", folder]) or _run([*pip, *requirements])


def _unusable(python: Path, tool: Tool) -> str:
    return _run([python, "-c", tool.imports])


def _python(version: str) -> str | None:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    own = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    installed = sorted(own.glob(f"{version}.*/bin/python{version}"))
    return shutil.which(f"python{version}") or (str(installed[-1]) if installed else None)


def _run(command: list[str | Path]) -> str:
    """Run a command; return its first error line, or an empty text if it succeeded."""
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=LONGEST_S, env=settings()
        )
    except subprocess.TimeoutExpired:
        return f"{Path(command[0]).name} took more than {LONGEST_S:g} s"
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()] or lines
    return (errors or [f"{Path(command[0]).name} ended with status {done.returncode}"])[0][:200]
