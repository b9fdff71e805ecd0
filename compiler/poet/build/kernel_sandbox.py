"""Restrict this process with Landlock and seccomp, so that the kernel refuses forbidden operations.

Neither needs privileges, and neither can be undone. If the kernel or the machine lacks one, only the audit
hook of `poet.build.audit` remains; `capabilities` describes the consequences. References:
landlock(7), seccomp(2), linux/filter.h.
"""

import ctypes
import errno
import importlib.util
import os
import platform
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER_MODE = 38, 22, 2
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
PATH_BENEATH, ASK_VERSION = 1, 1
# by first Landlock version: write, remove and make files; move them; truncate them
CHANGES: Final = {1: 0b1_1111_1111_0010, 2: 1 << 13, 3: 1 << 14}
CLONE_THREAD, CLONE_NEW_SPACE = 0x10000, 0x7E020000
SCOPES_SIGNALS, SCOPE_SIGNAL = 6, 1 << 1  # from this Landlock version on: signals only within its domain
ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CLONE, CLONE3 = {"x86_64": 56, "aarch64": 220}, 435
# starting programs and processes, the network, other processes, mounts, and ways to bypass this filter
REFUSED: Final = {
    "socket": {"x86_64": 41, "aarch64": 198},
    "socketpair": {"x86_64": 53, "aarch64": 199},
    "fork": {"x86_64": 57},
    "vfork": {"x86_64": 58},
    "execve": {"x86_64": 59, "aarch64": 221},
    "execveat": {"x86_64": 322, "aarch64": 281},
    "kill": {"x86_64": 62, "aarch64": 129},
    "ptrace": {"x86_64": 101, "aarch64": 117},
    "process_vm_writev": {"x86_64": 311, "aarch64": 271},
    "setpgid": {"x86_64": 109, "aarch64": 154},
    "setsid": {"x86_64": 112, "aarch64": 157},
    "mount": {"x86_64": 165, "aarch64": 40},
    "unshare": {"x86_64": 272, "aarch64": 97},
    "setns": {"x86_64": 308, "aarch64": 268},
    "bpf": {"x86_64": 321, "aarch64": 280},
    "io_uring_setup": {"x86_64": 425, "aarch64": 425},
}
HAS_RESOURCE_LIMITS: Final = importlib.util.find_spec("resource") is not None  # not on Windows
HOOK: Final = "audit hook only: code that knows the interpreter can get round it"
WITH_LANDLOCK: Final = "Linux 5.13 or later with lsm=landlock"
WITH_SECCOMP: Final = "Linux with CONFIG_SECCOMP_FILTER"
FORKING: Final = ("fork", "kill", "setsid")  # of these, the calls needed to start a process and to end it


def restrict_process(staging: Path, *, may_fork: bool = False) -> None:
    """Forbid this process irrevocably to write outside `staging`, start programs or open sockets.

    With `may_fork` it may fork, but it cannot start other programs, and from Linux 6.12 on it can signal
    only processes that are restricted with it. On older kernels only the audit hook prevents such signals.
    On systems other than Linux this function does nothing; see `capabilities`.
    """
    if not _is_supported():
        return
    machine = platform.machine()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return  # a kernel before 3.5
    _write_only_below(libc, staging)
    source = _assemble(machine, may_fork=may_fork)
    program = ctypes.create_string_buffer(source, len(source))
    length = ctypes.sizeof(program) // 8
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", length, ctypes.addressof(program)))
    libc.prctl(SET_SECCOMP, FILTER_MODE, ctypes.addressof(header), 0, 0)


class Kernel(NamedTuple):
    """What this system can enforce."""

    system: str  # the value of `sys.platform`
    landlock: int = 0  # version of its ABI; 0: none
    has_seccomp: bool = False
    has_resource_limits: bool = False


class Capability(NamedTuple):
    """One restriction of a candidate, and the mechanism that enforces it."""

    name: str
    is_enforced: bool  # by the kernel, for any code
    means: str
    requires: str = ""  # the system that would enforce it


def this_kernel() -> Kernel:
    """Return what this system can enforce, without restricting anything.

    Kernels that support seccomp filters refuse one at address 0 with EFAULT.
    """
    bare = Kernel(sys.platform, has_resource_limits=HAS_RESOURCE_LIMITS)
    if not _is_supported():
        return bare
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_VERSION)
    libc.prctl(SET_SECCOMP, FILTER_MODE, 0, 0, 0)
    return bare._replace(landlock=max(version, 0), has_seccomp=ctypes.get_errno() == errno.EFAULT)


def capabilities(kernel: Kernel) -> tuple[Capability, ...]:
    """Return what a system enforces while a candidate is validated, and the mechanism of each restriction."""
    return (
        _file_writes(kernel),
        _by_seccomp("network", "no socket can be opened", kernel),
        _by_seccomp("processes", "no program can be started, and only the runtime of recovery forks", kernel),
        _signals(kernel),
        _memory(kernel),
        _cpu_time(kernel),
    )


def _file_writes(kernel: Kernel) -> Capability:
    if kernel.landlock:
        means = f"Landlock {kernel.landlock}: writes go to the candidate's own folder only"
        return Capability("file writes", is_enforced=True, means=means)
    return Capability("file writes", is_enforced=False, means=HOOK, requires=WITH_LANDLOCK)


def _by_seccomp(name: str, effect: str, kernel: Kernel) -> Capability:
    if kernel.has_seccomp:
        return Capability(name, is_enforced=True, means=f"seccomp: {effect}")
    return Capability(name, is_enforced=False, means=HOOK, requires=WITH_SECCOMP)


def _signals(kernel: Kernel) -> Capability:
    if not kernel.has_seccomp:
        return Capability("signals", is_enforced=False, means=HOOK, requires=WITH_SECCOMP)
    if kernel.landlock < SCOPES_SIGNALS:
        means = "seccomp: kill(2) is refused; for policies that fork, the audit hook only"
    else:
        means = f"seccomp and Landlock {kernel.landlock}: other processes cannot be ended"
    return Capability("signals", is_enforced=True, means=means)


def _memory(kernel: Kernel) -> Capability:
    if kernel.has_resource_limits and kernel.system != "darwin":
        return Capability("memory", is_enforced=True, means="rlimit: RLIMIT_AS bounds the address space")
    means = "nothing: this system does not bound the memory of a process"
    return Capability("memory", is_enforced=False, means=means, requires="Linux")


def _cpu_time(kernel: Kernel) -> Capability:
    if kernel.has_resource_limits:
        means = "rlimit: RLIMIT_CPU ends the process, a timer interrupts a call"
        return Capability("CPU time", is_enforced=True, means=means)
    means = "a thread of the process interrupts Python code; the clock ends what stays in C code"
    return Capability("CPU time", is_enforced=False, means=means, requires="Linux or macOS")


def _is_supported() -> bool:
    return sys.platform.startswith("linux") and platform.machine() in ARCHITECTURES


def _write_only_below(libc: ctypes.CDLL, staging: Path) -> None:
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_VERSION)
    if version < 1:
        return
    rights = sum(right for since, right in CHANGES.items() if since <= version)
    scoped = SCOPE_SIGNAL if version >= SCOPES_SIGNALS else 0
    wanted = struct.pack("QQQ", rights, 0, scoped) if scoped else struct.pack("Q", rights)
    ruleset = libc.syscall(CREATE_RULESET, wanted, ctypes.c_size_t(len(wanted)), 0)
    folder = os.open(staging, os.O_PATH | os.O_DIRECTORY)
    libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, folder), 0)
    libc.syscall(RESTRICT_SELF, ruleset, 0)
    os.close(folder)
    os.close(ruleset)


def _assemble(machine: str, *, may_fork: bool) -> bytes:
    """Return the filter program: threads are allowed, processes only with `may_fork`; refusals are EPERM."""
    allowed = FORKING if may_fork else ()
    refused = sorted(
        numbers[machine] for name, numbers in REFUSED.items() if machine in numbers and name not in allowed
    )
    instructions = _instructions(machine, refused, may_fork=may_fork)
    return b"".join(struct.pack("HBBI", *each) for each in instructions)


def _instructions(
    machine: str, refused: Sequence[int], *, may_fork: bool
) -> Iterator[tuple[int, int, int, int]]:
    """Yield BPF instructions: (operation, instructions skipped if true, skipped if false, operand)."""
    load, equal, at_least, has_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse, unknown = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
    yield load, 0, 0, 4
    yield equal, 1, 0, ARCHITECTURES[machine]
    yield answer, 0, 0, refuse
    yield load, 0, 0, 0
    yield at_least, 0, 1, 0x40000000  # the x32 system calls of x86_64
    yield answer, 0, 0, refuse
    for number in refused:
        yield equal, 0, 1, number
        yield answer, 0, 0, refuse
    yield equal, 0, 1, CLONE3  # passes its flags by pointer; after ENOSYS the C library uses clone
    yield answer, 0, 0, unknown
    yield equal, 0, 3, CLONE[machine]
    yield load, 0, 0, 16
    yield (has_bit, 0, 1, CLONE_NEW_SPACE) if may_fork else (has_bit, 1, 0, CLONE_THREAD)
    yield answer, 0, 0, refuse
    yield answer, 0, 0, allow
