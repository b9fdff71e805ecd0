"""An environment for each tool, made where it is missing, with uv when there is one."""

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
# Nobody is told that this ran: it would be measured too.
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
    """Give the environment variables of a measured process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | SILENT


def interpreter(tool: Tool) -> Path:
    """Give the Python in which a tool is installed, and install it where it is not.

    Raises
    ------
    NotInstalledError
        There is no Python for it, or its packages cannot be had.
    """
    if tool is POET:
        return Path(sys.executable)
    folder = HOME / tool.name
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = hashlib.sha256("\n".join((*tool.requirements, *tool.pythons)).encode()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print(f"installing {tool.name}: {' '.join(tool.requirements)}", file=sys.stderr, flush=True)
    complaint = f"needs Python {' or '.join(tool.pythons)}"
    for version in tool.pythons:
        shutil.rmtree(folder, ignore_errors=True)
        complaint = _made(folder, version, tool.requirements) or _unusable(python, tool)
        if not complaint:
            stamp.write_text(wanted, encoding="utf-8")
            return python
    raise NotInstalledError(complaint)


def _made(folder: Path, version: str, requirements: tuple[str, ...]) -> str:
    """Make an environment; gives why it could not be made."""
    if uv := shutil.which("uv"):
        return _ran([uv, "venv", "--python", version, folder]) or _ran(
            [uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", *requirements]
        )
    found = _python(version)
    if found is None:
        return f"there is no Python {version} and no uv to get one"
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--prefer-binary"]
    return _ran([found, "-m", "venv", folder]) or _ran([*pip, *requirements])


def _unusable(python: Path, tool: Tool) -> str:
    return _ran([python, "-c", tool.imports])


def _python(version: str) -> str | None:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    own = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = sorted(own.glob(f"{version}.*/bin/python{version}"))
    return shutil.which(f"python{version}") or (str(kept[-1]) if kept else None)


def _ran(command: list[str | Path]) -> str:
    """Run a command; gives the last line of what it complained of, empty where it went well."""
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
