"""Client of a tool's worker process."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.peers.environments import ROOT, interpreter, settings
from benchmarks.peers.tools import Tool

__all__ = ["WorkerClient", "WorkerError", "worker_of"]


class WorkerError(Exception):
    """A tool failed to execute a command."""


class WorkerClient:
    """A running worker."""

    def __init__(self, tool: Tool, process: "subprocess.Popen[str]") -> None:
        self.tool = tool
        self._process = process

    def do(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Return the answer to a command.

        Raises
        ------
        WorkerError
            The tool raised, or its process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": what} | arguments) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(f"{self.tool.name}: its process is gone") from None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"{self.tool.name}: its process ended during {what}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self.tool.name}: {answer['error']}")
        return answer


@contextmanager
def worker_of(tool: Tool) -> Iterator[WorkerClient]:
    """Yield a worker that runs until the end of the block."""
    process = subprocess.Popen(
        [interpreter(tool), "-m", "benchmarks.peers.worker", tool.adapter],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=settings(),
    )
    try:
        yield WorkerClient(tool, process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
