"""Validate by a process that is forked for every candidate, instead of a new one."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from poet.build import sandbox as _sandbox

__all__ = ["Run", "forking"]

Run = Callable[[_sandbox.Job, Path], _sandbox.JobResult]
SERVER = Path(__file__).with_name("fork_server.py")
PASSWORD = "known to the server, which is ours"  # noqa: S105 -- no one else listens


@contextmanager
def forking(home: Path) -> Iterator[Run]:
    """Start a server, and yield a replacement for `poet.build.sandbox.run` that sends jobs to it."""
    server = subprocess.Popen(
        [sys.executable, "-I", "-B", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_sandbox._environment(home),
    )
    assert server.stdin is not None
    assert server.stdout is not None
    jobs, results = server.stdin, server.stdout

    def run(job: _sandbox.Job, _staging: Path) -> _sandbox.JobResult:
        jobs.write(msgspec.json.encode(msgspec.structs.replace(job, password=PASSWORD)) + b"\n")
        jobs.flush()
        return _sandbox._parsed(results.readline(), PASSWORD, 1, b"")

    try:
        yield run
    finally:
        jobs.close()
        server.wait()
        results.close()
