"""Validate by a process that is forked for every candidate, in place of one that begins anew."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from poet.build import sandbox as _sandbox

__all__ = ["Run", "forking"]

Run = Callable[[_sandbox.Job, Path], _sandbox.Answer]
SERVER = Path(__file__).with_name("fork_server.py")
PASSWORD = "known to the server, which is ours"  # noqa: S105 -- nobody else listens


@contextmanager
def forking(home: Path) -> Iterator[Run]:
    """Start a server, and give what asks it as `poet.build.sandbox.run` asks a new process."""
    server = subprocess.Popen(
        [sys.executable, "-I", "-B", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_sandbox._environment(home),
    )
    assert server.stdin is not None
    assert server.stdout is not None
    asked, said = server.stdin, server.stdout

    def run(job: _sandbox.Job, _staging: Path) -> _sandbox.Answer:
        asked.write(msgspec.json.encode(msgspec.structs.replace(job, password=PASSWORD)) + b"\n")
        asked.flush()
        return _sandbox._understood(said.readline(), PASSWORD, 1, b"")

    try:
        yield run
    finally:
        asked.close()
        server.wait()
        said.close()
