"""What a candidate may not do, and the list of what it tried."""

import os
import resource
import sys
import sysconfig
from pathlib import Path
from typing import Any

from poet.validate._sandbox import Limits

__all__ = ["Guard", "limit"]

FORBIDDEN = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.kill",
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.chmod", "os.chown",
    "os.truncate", "os.listdir", "os.scandir", "os.putenv", "ctypes.", "shutil.", "tempfile.", "webbrowser.",
    "urllib.", "http.", "ftplib.", "smtplib.", "sqlite3.", "pty.", "signal.",
)  # fmt: skip
# of these, what happens inside the staging folder is allowed
ON_PATHS = (
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.listdir",
    "os.scandir",
    "shutil.",
    "tempfile.",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def limit(limits: Limits) -> None:
    """Bound what this process may use up, for good."""
    for what, most in (
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))


class Guard:
    """An audit hook that refuses and remembers.

    It is a tripwire, not a wall: code that means harm and knows the interpreter can get round it. That is
    what the dialect is for, which such code does not pass; the hook says what got through that should not.
    """

    def __init__(self, staging: Path) -> None:
        self.tried: list[str] = []
        self._staging = os.path.realpath(staging)
        roots = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), str(Path(__file__).parents[1])}
        self._readable = tuple(os.path.realpath(root) for root in sorted(roots))
        self._is_on = False

    def watch(self) -> None:
        """Refuse from now on, until the process ends."""
        self._is_on = True
        sys.addaudithook(self._hook)

    def rest(self) -> None:
        """Look away: the gates are through, only the report is left to write."""
        self._is_on = False

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._is_on:
            return
        if event == "open":
            self._open(*arguments)
        elif event.startswith(FORBIDDEN) and not self._is_in_staging(event, arguments):
            self._refuse(f"{event}{arguments!r:.100}")

    def _is_in_staging(self, event: str, arguments: tuple[Any, ...]) -> bool:
        is_on_path = event.startswith(ON_PATHS) and bool(arguments)
        return is_on_path and isinstance(arguments[0], str | bytes) and self._is_below(arguments[0])

    def _open(self, path: Any, mode: Any, flags: Any) -> None:
        if isinstance(path, int) or self._is_below(path):
            return
        is_writing = any(letter in (mode or "") for letter in "wax+") or bool((flags or 0) & WRITING)
        real = os.path.realpath(os.fsdecode(path))
        if is_writing or not real.startswith((*self._readable, "/dev/null", "/dev/urandom")):
            self._refuse(f"open {os.fsdecode(path)!r:.100} to {'write' if is_writing else 'read'}")

    def _is_below(self, path: Any) -> bool:
        real = os.path.realpath(os.fsdecode(path))
        return real == self._staging or real.startswith(self._staging + os.sep)

    def _refuse(self, what: str) -> None:
        self.tried.append(what)
        raise PermissionError(f"a policy may not: {what}")
