"""Compiles and plans in a process of their own, of low priority, one at a time for each workspace.

A compile takes many seconds of computing. On a thread it would hold up every call of the program, as both
share the interpreter. ``python -m poet.workspace.jobs`` reads one job from standard input as a JSON
document, opens the workspace and calls the job's function. It writes to standard output one JSON document a
line: the stages it passes, then its outcome.

The caller holds the workspace's compile lock and hands it to the process: if the caller is killed, the
process holds it until it is done. On POSIX the process inherits the lock. Windows cannot pass it on, so there
the caller releases the lock and the process acquires it before it opens the workspace: another compile may
come in between, but no two ever run at a time. The output goes to a file, so a process whose caller has
ended goes on.
"""

import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from poet.workspace.compile_lock import TURN
from poet_runtime.errors import PoetError
from poet_runtime.files import FileLock

if TYPE_CHECKING:
    from poet.workspace.workspace import Workspace


NICENESS: Final = 10  # of 19: the program that asked comes first
LOW_PRIORITY: Final[int] = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)  # Windows has no `os.nice`
POLL_S: Final = 0.05  # between two looks after the process
LOCK_POLL_S: Final = 0.1
SHOWN: Final = 2000  # characters of what a process that crashed wrote to standard error
ENDED: Final = "the process was ended"

Progress = Callable[[str], None]
Work = Callable[["Workspace", Mapping[str, str], Progress], Mapping[str, int]]


class JobError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job failed."""

    type: str
    message: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a job did: the versions it published by policy, or why it failed."""

    versions: dict[str, int] = {}
    error: JobError | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a function of this package, in another process."""

    function: str
    workspace: str
    who: str = ""
    arguments: dict[str, str] = {}
    lock: str = ""  # the file that the process has to lock itself; empty: it inherits the lock


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a job's output."""

    stage: str | None = None
    outcome: Outcome | None = None


class Control(NamedTuple):
    """What a caller wants of a running job."""

    progress: Progress = lambda _stage: None
    is_left: Callable[[], bool] = lambda: False  # stop waiting; the process goes on
    is_ended: Callable[[], bool] = lambda: False  # end the process; old versions or new ones stay


def job(function: Work, workspace: Path, *, who: str = "", **arguments: str) -> Job:
    """Return the job that calls a function of a module, by its name, on a workspace."""
    name = f"{function.__module__}:{function.__qualname__}"
    return Job(function=name, workspace=str(workspace), who=who, arguments=arguments)


def acquire_compile_lock(lock: FileLock, *, is_given_up: Callable[[], bool]) -> bool:
    """Wait for the lock; return False if the caller gives up before."""
    while not lock.try_acquire():
        if is_given_up():
            return False
        time.sleep(LOCK_POLL_S)
    return True


def compile_lock(workspace: Path) -> AbstractContextManager[FileLock]:
    """Return the lock that is held by every process that compiles this workspace."""
    return closing(FileLock(workspace / TURN))


def run(wanted: Job, lock: FileLock, control: Control = Control()) -> Outcome | None:  # noqa: B008 -- immutable
    """Run a job in another process; return None if the caller left before the end.

    The process takes the lock over. Where it cannot inherit it, `lock` is released when this returns.

    Raises
    ------
    OSError
        No process could be started.
    """
    with tempfile.TemporaryDirectory(prefix="poet-job-", ignore_cleanup_errors=True) as folder:
        output, errors = Path(folder) / "output", Path(folder) / "errors"
        inherited = lock.descriptors()
        if not inherited:
            wanted = msgspec.structs.replace(wanted, lock=str(lock.path.absolute()))
        with output.open("wb") as to_output, errors.open("wb") as to_errors:
            process = subprocess.Popen(
                # our own module; -P: the folder that the program runs in must not lend its modules to ours
                [sys.executable, "-P", "-m", "poet.workspace.jobs"],
                stdin=subprocess.PIPE,
                stdout=to_output,
                stderr=to_errors,
                pass_fds=inherited,
                creationflags=LOW_PRIORITY,
            )
        if not inherited:
            lock.release()
        assert process.stdin is not None  # noqa: S101 -- a pipe, as asked for
        with process.stdin as stdin:
            stdin.write(msgspec.json.encode(wanted))
        outcome = _follow(process, output, control)
        if process.returncode is None:
            process.returncode = 0  # not waited for: it outlives this process, without a warning
            return None
        return outcome or _crashed(process.returncode, errors)


def _follow(process: "subprocess.Popen[bytes]", output: Path, control: Control) -> Outcome | None:
    """Pass on stages until the process ends or the caller leaves; return the outcome if there is one."""
    outcome, is_over = None, False
    with output.open("rb") as lines:
        rest = b""
        while True:
            is_over = process.poll() is not None  # before the last read
            *complete, rest = (rest + lines.read()).split(b"\n")
            for line in map(_parse, complete):
                if line.stage is not None:
                    control.progress(line.stage)
                outcome = line.outcome or outcome
            if is_over or control.is_left():
                return outcome
            if control.is_ended():
                process.terminate()
            try:
                process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                continue


def _parse(line: bytes) -> _Line:
    try:
        return msgspec.json.decode(line, type=_Line)
    except msgspec.DecodeError:  # printed by a template or plug-in
        return _Line()


def _crashed(status: int, errors: Path) -> Outcome:
    said = errors.read_text(encoding="utf-8", errors="replace").strip()[-SHOWN:]
    return Outcome(error=JobError(type="crash", message=said or f"{ENDED} (status {status})"))


def main() -> None:
    """Do the job on standard input; the exit status is 1 if it failed."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    with _own_lock(wanted):
        outcome = _do(wanted)
        _write(_Line(outcome=outcome))
    if outcome.error is not None:
        sys.exit(outcome.error.message)


@contextmanager
def _own_lock(wanted: Job) -> Iterator[None]:
    """Hold the lock that this process did not inherit."""
    if not wanted.lock:
        yield
        return
    with closing(FileLock(Path(wanted.lock))) as lock, lock:
        yield


def _do(wanted: Job) -> Outcome:
    from poet.workspace.workspace import Workspace  # noqa: PLC0415 -- the caller needs none of the compiler

    module, _, name = wanted.function.partition(":")
    if module.split(".")[0] != "poet":
        return Outcome(
            error=JobError(type="ValueError", message=f"{wanted.function!r} is not a function of poet")
        )
    try:
        function: Work = getattr(importlib.import_module(module), name)
        with Workspace.open(wanted.workspace, who=wanted.who) as workspace:
            versions = function(workspace, wanted.arguments, lambda stage: _write(_Line(stage=stage)))
    except PoetError as error:
        return Outcome(error=JobError(type=type(error).__name__, message=str(error)))
    return Outcome(versions=dict(versions))


def _write(line: _Line) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
