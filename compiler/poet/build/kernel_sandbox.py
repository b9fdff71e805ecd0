"""What the kernel refuses to this process from now on, whatever code it runs: Landlock and seccomp.

Both need no privilege and cannot be undone. Where the kernel or the machine lacks one, the audit hook of
`poet.build.audit` stands without it. References: landlock(7), seccomp(2), linux/filter.h.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER_MODE = 38, 22, 2
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
PATH_BENEATH, ASK_VERSION = 1, 1
# by the version of Landlock that knows it: write, remove and make files; move them; truncate them
CHANGES: Final = {1: 0b1_1111_1111_0010, 2: 1 << 13, 3: 1 << 14}
CLONE_THREAD, CLONE_NEW_SPACE = 0x10000, 0x7E020000
SCOPES_SIGNALS, SCOPE_SIGNAL = 6, 1 << 1  # since this version of Landlock; signals stay among its own
ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CLONE, CLONE3 = {"x86_64": 56, "aarch64": 220}, 435
# starting programs and processes, the network, other processes, mounts, and ways round this filter
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
FORKING: Final = ("fork", "kill", "setsid")  # of these, what it takes to start a process and to end it


def build(staging: Path, *, may_fork: bool = False) -> None:
    """Let this process write below `staging` alone, start nothing and speak to nobody, for good.

    With `may_fork` it may fork, run no other program all the same, and end only what is behind these walls
    too (from Linux 6.12 on; before, the audit hook alone sees to that).
    """
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in ARCHITECTURES:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return  # a kernel before 3.5
    _write_only_below(libc, staging, may_fork=may_fork)
    source = _assemble(machine, may_fork=may_fork)
    program = ctypes.create_string_buffer(source, len(source))
    length = ctypes.sizeof(program) // 8
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", length, ctypes.addressof(program)))
    libc.prctl(SET_SECCOMP, FILTER_MODE, ctypes.addressof(header), 0, 0)


def wall_strength() -> tuple[int, bool]:
    """Give which version of Landlock the kernel has, 0 for none, and whether it takes seccomp's filters.

    Nothing is walled in: a filter at the address 0 is refused with EFAULT where filters are known at all.
    """
    if not sys.platform.startswith("linux") or platform.machine() not in ARCHITECTURES:
        return 0, False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_VERSION)
    libc.prctl(SET_SECCOMP, FILTER_MODE, 0, 0, 0)
    return max(version, 0), ctypes.get_errno() == errno.EFAULT


def _write_only_below(libc: ctypes.CDLL, staging: Path, *, may_fork: bool) -> None:
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_VERSION)
    if version < 1:
        return
    rights = sum(right for since, right in CHANGES.items() if since <= version)
    scoped = SCOPE_SIGNAL if may_fork and version >= SCOPES_SIGNALS else 0
    wanted = struct.pack("QQQ", rights, 0, scoped) if scoped else struct.pack("Q", rights)
    ruleset = libc.syscall(CREATE_RULESET, wanted, ctypes.c_size_t(len(wanted)), 0)
    folder = os.open(staging, os.O_PATH | os.O_DIRECTORY)
    libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, folder), 0)
    libc.syscall(RESTRICT_SELF, ruleset, 0)
    os.close(folder)
    os.close(ruleset)


def _assemble(machine: str, *, may_fork: bool) -> bytes:
    """Write the filter: threads may be started, processes only where it is said; a refusal is EPERM."""
    allowed = FORKING if may_fork else ()
    refused = sorted(
        numbers[machine] for name, numbers in REFUSED.items() if machine in numbers and name not in allowed
    )
    instructions = _instructions(machine, refused, may_fork=may_fork)
    return b"".join(struct.pack("HBBI", *each) for each in instructions)


def _instructions(
    machine: str, refused: Sequence[int], *, may_fork: bool
) -> Iterator[tuple[int, int, int, int]]:
    """Give (operation, skipped if true, skipped if false, operand)."""
    load, equal, at_least, has_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse, unknown = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
    yield load, 0, 0, 4
    yield equal, 1, 0, ARCHITECTURES[machine]
    yield answer, 0, 0, refuse
    yield load, 0, 0, 0
    yield at_least, 0, 1, 0x40000000  # the second numbering of x86_64
    yield answer, 0, 0, refuse
    for number in refused:
        yield equal, 0, 1, number
        yield answer, 0, 0, refuse
    yield equal, 0, 1, CLONE3  # hides its flags behind a pointer; the C library then takes clone
    yield answer, 0, 0, unknown
    yield equal, 0, 3, CLONE[machine]
    yield load, 0, 0, 16
    yield (has_bit, 0, 1, CLONE_NEW_SPACE) if may_fork else (has_bit, 1, 0, CLONE_THREAD)
    yield answer, 0, 0, refuse
    yield answer, 0, 0, allow
