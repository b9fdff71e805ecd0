"""Resource limits of a candidate, and the audit hook that refuses and records forbidden operations."""

import _thread
import math
import os
import signal
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from poet.build.kernel_sandbox import HAS_RESOURCE_LIMITS
from poet.build.sandbox import Limits
from poet_runtime.recovery import process as _process

FORBIDDEN: Final = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.kill",
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.chmod", "os.chown",
    "os.truncate", "os.listdir", "os.scandir", "os.putenv", "ctypes.", "shutil.", "tempfile.", "webbrowser.",
    "urllib.", "http.", "ftplib.", "smtplib.", "sqlite3.", "pty.", "signal.",
)  # fmt: skip
# of these, operations inside the staging folder are allowed
ON_PATHS: Final = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "shutil.", "tempfile.")
LISTING: Final = ("os.listdir", "os.scandir")  # also allowed where modules are: an import lists its folder
# what the recovery runtime needs to run a monitor in a separate process and to end it
FORKING: Final = ("os.fork", "os.kill", "os.killpg")
CHILDREN: Final = "/proc/thread-self/children"
AGAIN_S: Final = 1.0  # of CPU time, after which a block that swallowed the error is interrupted again
WATCH_POLL_S: Final = 0.02
WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class TooLongError(BaseException):
    """A call exceeded its CPU time. `except Exception` does not catch this error."""


def limit(limits: Limits) -> None:
    """Limit the resources of this process irrevocably.

    The number of processes is not limited here: RLIMIT_NPROC counts all processes of a user and none of
    root. `poet.build.kernel_sandbox` forbids new processes unless the contract allows the runtime to fork.
    Windows has no such limits. There the process watches its own CPU time, and its memory is unbounded.
    """
    if not HAS_RESOURCE_LIMITS:
        _CPU_WATCH.start(limits.cpu_s)
        return
    import resource  # noqa: PLC0415 -- not on Windows

    for what, most in (
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(what, (bound, bound))
        except (ValueError, OSError):  # macOS does not limit the address space and may refuse the call
            if what != resource.RLIMIT_AS or sys.platform == "linux":
                raise


@contextmanager
def within(cpu_s: float) -> Iterator[None]:
    """Raise `TooLongError` in the block when it has used `cpu_s` of CPU time, and every second after that.

    Unlike wall-clock time, CPU time does not depend on the load of the machine.
    """
    if not hasattr(signal, "setitimer"):
        with _CPU_WATCH.within(cpu_s):
            yield
        return

    def stop(*_: object) -> None:
        raise TooLongError(f"used more than {cpu_s:g} s of CPU time")

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, cpu_s, AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)


class _CpuWatch:
    """A thread that watches the CPU time of the process, for systems without a timer for it.

    It interrupts the main thread between two Python instructions. A call that stays in C code and holds the
    interpreter lock blocks this thread as well. Then the caller ends the process after its wall-clock limit.
    """

    def __init__(self) -> None:
        self._is_started = False
        self._process_s = math.inf
        self._call_ends_s = math.inf  # in CPU time of the process

    def start(self, cpu_s: float = math.inf) -> None:
        """Start the thread, which ends the process when it has used `cpu_s` of CPU time."""
        self._process_s = min(self._process_s, cpu_s)
        if not self._is_started:
            self._is_started = True
            _thread.start_new_thread(self._run, ())  # `threading` would count it as the candidate's thread

    @contextmanager
    def within(self, cpu_s: float) -> Iterator[None]:
        """Raise `TooLongError` in the block as `within` does."""
        self.start()

        def stop(*_: object) -> None:
            if time.process_time() >= self._call_ends_s:  # not when the block has just ended
                self._call_ends_s += AGAIN_S
                raise TooLongError(f"used more than {cpu_s:g} s of CPU time")

        signal.signal(signal.SIGINT, stop)
        self._call_ends_s = time.process_time() + cpu_s
        try:
            yield
        finally:
            self._call_ends_s = math.inf

    def _run(self) -> None:
        while True:
            time.sleep(WATCH_POLL_S)
            used_s = time.process_time()
            if used_s >= self._process_s:
                os.write(2, b"used up its CPU time")
                os._exit(1)
            if used_s >= self._call_ends_s:
                _thread.interrupt_main(signal.SIGINT)


_CPU_WATCH: Final = _CpuWatch()


class Guard:
    """An audit hook that refuses and records forbidden operations until the process ends.

    It is a tripwire, not a wall: malicious code that knows the interpreter can bypass it. The dialect keeps
    such code out and the kernel blocks its effects; the hook reports what was tried. With `may_fork`, the
    runtime's process module, and no other code, may start and end processes.
    """

    def __init__(self, staging: Path, readable: Iterable[Path], *, may_fork: bool = False) -> None:
        self.tried: list[str] = []
        self._forking = vars(_process) if may_fork else None
        self._staging = os.path.realpath(staging)
        roots = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *map(str, readable)}
        roots |= {entry for entry in sys.path if Path(entry).is_dir()}
        self._readable = (*(os.path.realpath(root) for root in sorted(roots)), os.devnull, "/dev/urandom")

    def watch(self) -> None:
        """Register the hook, which cannot be removed."""
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in FORKING or (event == "open" and arguments[0] == CHILDREN):
            caller = sys._getframe(1)  # noqa: SLF001 -- the caller's frame is the one that raised the event
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
    real = os.path.normcase(os.path.realpath(os.fsdecode(path)))  # Windows ignores the case of letters
    folders = (os.path.normcase(root).rstrip(os.sep) for root in roots)
    return any(real == folder or real.startswith(folder + os.sep) for folder in folders)
