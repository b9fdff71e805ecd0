"""A server that runs the sandbox's worker for many candidates, with one import and a fork for each.

``python -I -B tests/fork_server.py`` reads one job per line. It answers with the line that
`poet.build.worker.main` wrote, or an empty line. The fork has the same limits, kernel restrictions, guard
and gates as a new process.
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
    """Run jobs until the end of the input."""
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
    """Make Hypothesis read the modules that all candidates share before the first candidate."""


def _answer(line: bytes) -> bytes:
    job = msgspec.json.decode(line, type=Job)
    staging = os.path.dirname(job.path)  # noqa: PTH120 -- kept as a text
    with tempfile.TemporaryFile(dir=staging) as job_file, tempfile.TemporaryFile(dir=staging) as result_file:
        job_file.write(line)
        job_file.seek(0)
        child = os.fork()
        if child == 0:
            _work(job_file.fileno(), result_file.fileno(), staging)
        _wait(child, job.limits.wall_s)
        result_file.seek(0)
        return result_file.read()


def _work(job_file: int, result_file: int, staging: str) -> None:
    """Run the worker in a new session: the job on standard input, the result on standard output."""
    try:
        os.setsid()
        os.chdir(staging)
        os.dup2(job_file, 0)
        os.dup2(result_file, 1)
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
