"""The sandbox's own worker for many candidates: libraries are imported once, each candidate gets a fork.

``python -I -B tests/fork_server.py`` reads one job a line and answers each with the line that
`poet.build.worker.main` wrote, empty where it wrote none. In the fork everything is as in a process
of its own: the limits, the walls, the guard, the gates.
"""

import contextlib
import importlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import hypothesis.configuration
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from poet.build import worker as _worker
from poet.build.sandbox import Job
from poet.spec import policies


def main() -> None:
    """Answer job after job."""
    for spec in policies():
        importlib.import_module(spec.contract)
    importlib.import_module("scipy.stats")  # what some of the candidates import
    hypothesis.configuration.set_hypothesis_home_dir(Path.home() / ".hypothesis")  # as the worker does
    _find_constants()
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(_answer(line).replace(b"\n", b" ") + b"\n")
        sys.stdout.buffer.flush()


@settings(max_examples=10, derandomize=True, database=None)
@given(st.floats(), st.text())
def _find_constants(_number: float, _text: str) -> None:
    """Let Hypothesis read the modules that all candidates share before the first of them comes."""


def _answer(line: bytes) -> bytes:
    job = msgspec.json.decode(line, type=Job)
    staging = os.path.dirname(job.path)  # noqa: PTH120 -- a text, as it came
    with tempfile.TemporaryFile(dir=staging) as asked, tempfile.TemporaryFile(dir=staging) as said:
        asked.write(line)
        asked.seek(0)
        child = os.fork()
        if child == 0:
            _work(asked.fileno(), said.fileno(), staging)
        _wait(child, job.limits.wall_s)
        said.seek(0)
        return said.read()


def _work(asked: int, said: int, staging: str) -> None:
    """Be the worker: job on standard input, answer to standard output, in a session of its own."""
    try:
        os.setsid()
        os.chdir(staging)
        os.dup2(asked, 0)
        os.dup2(said, 1)
        os.closerange(3, 64)
        os.environ["HOME"] = staging
        _worker.main()
    finally:
        os._exit(1)


def _wait(child: int, wall_s: float) -> None:
    deadline = time.monotonic() + wall_s
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


if __name__ == "__main__":
    main()
