"""Run code with the names hidden that another system lacks: ``python other_systems.py windows -m MODULE``.

The first argument names the system. The rest is run as Python would run it: ``-m MODULE ARGUMENT…`` or ``-c
CODE ARGUMENT…``. Each Python process that the code starts runs in the same way.

Names are hidden and nothing is emulated. `os.name` and the file system remain those of this machine, and so
do the branches that the standard library chooses by them. `asyncio`, which has separate code for Windows, is
imported before names are hidden.
"""

import asyncio  # noqa: F401 -- see the docstring
import contextlib
import getpass  # noqa: F401 -- these two choose their code at import
import os
import platform
import runpy
import select
import selectors  # noqa: F401
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

WINDOWS_MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "syslog", "uvloop")
WINDOWS_NAMES: dict[Any, tuple[str, ...]] = {
    os: (
        "chown", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getgroups", "getloadavg",
        "getpgid", "getpgrp", "getpriority", "getsid", "getuid", "killpg", "lchown", "lockf", "mkfifo",
        "mknod", "nice", "openpty", "posix_fadvise", "posix_fallocate", "posix_spawn", "posix_spawnp",
        "pread", "pwrite", "readv", "register_at_fork", "sched_getaffinity", "sched_setaffinity",
        "sched_yield", "sendfile", "setpgid", "setpriority", "setsid", "setuid", "sync", "sysconf", "wait",
        "wait3", "wait4", "waitid", "writev",
    ),
    signal: (
        "ITIMER_PROF", "ITIMER_REAL", "ITIMER_VIRTUAL", "SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE",
        "SIGPROF", "SIGSTOP", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGXFSZ", "alarm", "getitimer", "pause",
        "pthread_kill", "pthread_sigmask", "setitimer", "siginterrupt", "sigpending", "sigtimedwait",
        "sigwait", "sigwaitinfo",
    ),
    select: ("epoll", "poll"),
    time: ("tzset",),
}  # fmt: skip
MACOS_NAMES: dict[Any, tuple[str, ...]] = {
    os: ("waitid", "sched_getaffinity", "sched_setaffinity", "posix_fadvise", "eventfd", "memfd_create"),
    signal: ("sigtimedwait", "sigwaitinfo"),
    select: ("epoll",),
}
SIGKILL = int(signal.SIGKILL)
_Popen = subprocess.Popen


class Popen(_Popen):  # type: ignore[type-arg]
    """A `Popen` that starts Python processes with this prelude, and refuses what Windows refuses."""

    def __init__(self, args: Any, *rest: Any, **keywords: Any) -> None:
        if SYSTEM == "windows" and keywords.get("pass_fds"):
            raise AssertionError("pass_fds not supported on Windows.")
        if SYSTEM == "windows" and keywords.get("preexec_fn") is not None:
            raise ValueError("preexec_fn is not supported on Windows platforms")
        super().__init__(_with_prelude(args), *rest, **keywords)

    def kill(self) -> None:
        """Send the signal by number, because its name may be hidden."""
        self.send_signal(SIGKILL)


def _with_prelude(args: Any) -> Any:
    if not isinstance(args, list | tuple) or args[0] != sys.executable:
        return args
    flags = [each for each in args[1:] if each in ("-I", "-B", "-P", "-E", "-s")]
    return [args[0], *flags, str(Path(__file__).resolve()), SYSTEM, *args[1 + len(flags) :]]


def _hide(names: dict[Any, tuple[str, ...]]) -> None:
    for module, hidden in names.items():
        for name in hidden:
            with contextlib.suppress(AttributeError):
                delattr(module, name)


def _hide_windows() -> None:
    for name in WINDOWS_MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    _hide(WINDOWS_NAMES)
    platform.machine = lambda: "AMD64"
    subprocess.Popen = Popen  # type: ignore[misc]


def _hide_macos() -> None:
    import resource

    set_limit = resource.setrlimit

    def setrlimit(what: int, bounds: tuple[int, int]) -> None:
        if what == resource.RLIMIT_AS:
            raise ValueError("current limit exceeds maximum limit")
        set_limit(what, bounds)

    resource.setrlimit = setrlimit
    sysconfig.get_config_vars()  # caches those of this machine
    _hide(MACOS_NAMES)
    sys.platform = "darwin"
    platform.machine = lambda: "arm64"
    subprocess.Popen = Popen  # type: ignore[misc]


SYSTEM = sys.argv[1]
HIDE = {"windows": _hide_windows, "macos": _hide_macos}

if __name__ == "__main__":
    _, _, how, what, *arguments = sys.argv
    HIDE[SYSTEM]()
    sys.argv = [how, *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = ""  # as Python does for these two options
    if how == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<code>", "exec"), {"__name__": "__main__"})  # noqa: S102 -- a test's own code
