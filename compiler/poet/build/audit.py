"""What a candidate may not do, and the list of what it tried."""

import os
import resource
import signal
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from poet.build.sandbox import Limits
from poet_runtime.recovery import process as _process

FORBIDDEN: Final = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.kill",
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.chmod", "os.chown",
    "os.truncate", "os.listdir", "os.scandir", "os.putenv", "ctypes.", "shutil.", "tempfile.", "webbrowser.",
    "urllib.", "http.", "ftplib.", "smtplib.", "sqlite3.", "pty.", "signal.",
)  # fmt: skip
# of these, what happens inside the staging folder is allowed
ON_PATHS: Final = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "shutil.", "tempfile.")
LISTING: Final = ("os.listdir", "os.scandir")  # and these where modules are: an import looks into its folder
# what the runtime of recovery does to run a monitor in a process of its own, and to leave none behind
FORKING: Final = ("os.fork", "os.kill", "os.killpg")
CHILDREN: Final = "/proc/thread-self/children"
WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class TooLongError(BaseException):
    """A call used more CPU time than it may; no `except Exception` takes it for a fault of the data."""


def limit(limits: Limits) -> None:
    """Bound what this process may use up, for good.

    Not the number of its processes: RLIMIT_NPROC counts all that a user runs, and root's not at all.
    `poet.build.kernel_sandbox` lets it start none, unless its contract says that the runtime does.
    """
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


@contextmanager
def within(cpu_s: float) -> Iterator[None]:
    """Raise `TooLongError` in the block once it has used so much CPU time, and every second after that.

    CPU time, unlike the clock's, does not depend on what else the machine does.
    """

    def stop(*_: object) -> None:
        raise TooLongError(f"used more than {cpu_s:g} s of CPU time")

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, cpu_s, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)


class Guard:
    """An audit hook that refuses and remembers, until the process ends.

    It is a tripwire, not a wall: code that means harm and knows the interpreter can get round it. The
    dialect keeps such code out and the kernel stops what it would do; the hook says what was tried.
    With `may_fork` the runtime's own module for it may start and end processes; nobody else may.
    """

    def __init__(self, staging: Path, readable: Iterable[Path], *, may_fork: bool = False) -> None:
        self.tried: list[str] = []
        self._forking = vars(_process) if may_fork else None
        self._staging = os.path.realpath(staging)
        roots = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *map(str, readable)}
        roots |= {entry for entry in sys.path if Path(entry).is_dir()}
        self._readable = (*(os.path.realpath(root) for root in sorted(roots)), "/dev/null", "/dev/urandom")

    def watch(self) -> None:
        """Refuse from now on."""
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in FORKING or (event == "open" and arguments[0] == CHILDREN):
            caller = sys._getframe(1)  # noqa: SLF001 -- the hook is called from where the event is
            if caller.f_globals is self._forking:
                return
        if event == "open":
            self._open(*arguments)
        elif event.startswith(FORBIDDEN) and not self._is_allowed(event, arguments):
            self._refuse(f"{event}{arguments!r:.100}")

    def _is_allowed(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if not arguments or not isinstance(arguments[0], str | bytes):
            return False
        if event in LISTING:
            return _is_below(arguments[0], self._staging, *self._readable)
        return event.startswith(ON_PATHS) and _is_below(arguments[0], self._staging)

    def _open(self, path: Any, mode: Any, flags: Any) -> None:
        if isinstance(path, int) or _is_below(path, self._staging):
            return
        is_writing = any(letter in (mode or "") for letter in "wax+") or bool((flags or 0) & WRITING)
        if is_writing or not _is_below(path, *self._readable):
            self._refuse(f"open {os.fsdecode(path)!r:.100} to {'write' if is_writing else 'read'}")

    def _refuse(self, what: str) -> None:
        self.tried.append(what)
        raise PermissionError(f"a policy may not: {what}")


def _is_below(path: Any, *roots: str) -> bool:
    real = os.path.realpath(os.fsdecode(path))
    return any(real == root or real.startswith(root.rstrip(os.sep) + os.sep) for root in roots)
