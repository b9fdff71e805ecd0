"""The workspace: its settings, its folders, its log, its versions."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from poet.configuration import read_configuration
from poet.doctor._finding import Finding, ok, problem, warning
from poet.doctor._log import examine_log
from poet.doctor._versions import examine_versions
from poet.errors import WorkspaceError

__all__ = ["examine_folders", "examine_workspace"]

FOLDERS = ("generated", "feedback_log", "templates")
LITTLE_SPACE = 200_000_000  # bytes


def examine_workspace(folder: Path, *, now: float) -> Iterator[Finding]:
    """Look at everything in a workspace."""
    try:
        configuration = read_configuration(folder / "poet.toml")
    except (WorkspaceError, OSError) as error:
        says, _, then = str(error).rpartition("; ")
        yield problem("poet.toml", says or str(error), then if says else "see to its permissions")
        return
    yield ok("poet.toml", f"start = {configuration.start}, source = {configuration.source}")
    yield from examine_folders(folder)
    yield from examine_log(folder / "feedback_log", configuration.store.address, now=now)
    yield from examine_versions(folder / "generated")


def examine_folders(folder: Path) -> Iterator[Finding]:
    """Say whether compiles and events can write where they must, and whether there is room."""
    for name in FOLDERS:
        yield _folder(folder / name, is_written=name != "templates")
    free = shutil.disk_usage(folder).free
    says = f"{free / 1e9:.1f} GB free"
    if free < LITTLE_SPACE:
        yield warning("disk", says, "make room: what cannot be written cannot be learned from")
    else:
        yield ok("disk", says)


def _folder(path: Path, *, is_written: bool) -> Finding:
    check = f"{path.name}/"
    if not path.is_dir():
        if not is_written:
            return ok(check, "is not there: the built-in templates hold")
        return problem(check, f"{path} is no folder", "restore it from version control, or `poet init` anew")
    wanted = os.R_OK | os.X_OK | (os.W_OK if is_written else 0)
    if not os.access(path, wanted):
        verb = "written" if is_written else "read"
        return problem(check, f"{path} cannot be {verb} by this user", f"chmod u+rwx {path}, or chown it")
    return ok(check, "can be written" if is_written else "can be read")
