"""Compiles and plans in a separate process of low priority, one at a time for each workspace.

A compile takes many seconds of CPU time. On a thread it would delay every call of the program, because
both share the interpreter. ``python -m poet.workspace.jobs`` reads one job as a JSON document from standard
input, opens the workspace and calls the job's function. It writes JSON lines to standard output: the stages
that it passes, then its outcome.

The caller holds the workspace's compile lock and hands it to the process: if the caller is killed, the
process holds the lock until it is done. On POSIX the process inherits the lock. Windows cannot pass it on.
There the caller releases the lock and the process acquires it before it opens the workspace: another
compile may run in between, but two never run at the same time. The output goes to a file, so the process
continues after its caller has ended.
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

from poet.workspace.compile_lock import LOCK_FILE
from poet_runtime.errors import PoetError
from poet_runtime.files import FileLock

if TYPE_CHECKING:
    from poet.workspace.workspace import Workspace


NICENESS: Final = 10  # of 19: the calling program has priority
LOW_PRIORITY: Final[int] = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)  # Windows has no `os.nice`
POLL_S: Final = 0.05  # between two checks of the process
LOCK_POLL_S: Final = 0.1
SHOWN: Final = 2000  # characters of the standard error of a crashed process
ENDED: Final = "the process was ended"

Progress = Callable[[str], None]
Work = Callable[["Workspace", Mapping[str, str], Progress], Mapping[str, int]]


class JobError(msgspec.Struct, frozen=True, kw_only=True):
    """The reason why a job failed."""

    type: str
    message: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a job: the versions it published by policy, or why it failed."""

    versions: dict[str, int] = {}
    error: JobError | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a function of this package in another process."""

    function: str
    workspace: str
    who: str = ""
    arguments: dict[str, str] = {}
    lock: str = ""  # the file that the process must lock itself; empty: it inherits the lock


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a job's output."""

    stage: str | None = None
    outcome: Outcome | None = None


class Control(NamedTuple):
    """The callbacks of a caller for a running job."""

    progress: Progress = lambda _stage: None
    is_left: Callable[[], bool] = lambda: False  # stop waiting; the process continues
    is_ended: Callable[[], bool] = lambda: False  # end the process; the old or the new versions remain


def job(function: Work, workspace: Path, *, who: str = "", **arguments: str) -> Job:
    """Return the job that calls a function of a module, by its name, on a workspace."""
    name = f"{function.__module__}:{function.__qualname__}"
    return Job(function=name, workspace=str(workspace), who=who, arguments=arguments)


def acquire_compile_lock(lock: FileLock, *, is_given_up: Callable[[], bool]) -> bool:
    """Wait for the lock; return False if the caller gives up first."""
    while not lock.try_acquire():
        if is_given_up():
            return False
        time.sleep(LOCK_POLL_S)
    return True


def compile_lock(workspace: Path) -> AbstractContextManager[FileLock]:
    """Return the lock that is held by every process that compiles this workspace."""
    return closing(FileLock(workspace / LOCK_FILE))


def run(wanted: Job, lock: FileLock, control: Control = Control()) -> Outcome | None:  # noqa: B008 -- immutable
    """Run a job in another process; return None if the caller left before the end.

    The process takes over the lock. Where it cannot inherit the lock, `lock` is released on return.

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
                # -P: modules in the program's working folder must not shadow ours
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
            process.returncode = 0  # set so that a process which outlives this one causes no ResourceWarning
            return None
        return outcome or _crashed(process.returncode, errors)


def _follow(process: "subprocess.Popen[bytes]", output: Path, control: Control) -> Outcome | None:
    """Forward stages until the process ends or the caller leaves; return the outcome if there is one."""
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
    text = errors.read_text(encoding="utf-8", errors="replace").strip()[-SHOWN:]
    return Outcome(error=JobError(type="crash", message=text or f"{ENDED} (status {status})"))


def main() -> None:
    """Run the job read from standard input; exit with status 1 if it failed."""
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
    """Acquire the lock that this process did not inherit, for the duration of the context."""
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
