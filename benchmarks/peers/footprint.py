"""Time and memory of an import compared with bare Python, and memory of a table."""

import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.client import worker_of
from benchmarks.peers.environments import BARE, ROOT, interpreter, settings
from benchmarks.peers.tools import Tool

__all__ = ["footprints"]

KIBIBYTES = 1024
PEAK = "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"


def footprints(
    tools: Sequence[Tool], folder: Path, rounds: int, shape: tuple[int, int] = (100, 10_000)
) -> list[dict[str, Any]]:
    """Return one row per tool: milliseconds and MiB above a process of the same Python without imports.

    The first round fills caches and is not counted. The memory of the table is the peak of a process that
    imports the tool, prepares the table and compares once, minus that of a process with numpy and the same
    arrays.
    """
    elapsed: dict[tuple[str, str], list[float]] = {}
    peak: dict[tuple[str, str], list[float]] = {}
    for counted in range(rounds + 1):
        for tool in tools:
            for what, code in (("bare", BARE), ("import", tool.imports)):
                seconds, mebibytes = _process(interpreter(tool), code)
                if counted:
                    elapsed.setdefault((tool.name, what), []).append(1e3 * seconds)
                    peak.setdefault((tool.name, what), []).append(mebibytes)
    paths = {which: folder / f"memory-{which}.npy" for which in ("reference", "current")}
    rng = np.random.default_rng(11)
    for path in paths.values():
        np.save(path, rng.normal(size=shape))
    arrays = f"import numpy; held = [numpy.load(path) for path in {[str(path) for path in paths.values()]}]"
    rows = []
    for tool in tools:
        times, sizes = (
            {what: statistics.median(each[tool.name, what]) for what in ("bare", "import")}
            for each in (elapsed, peak)
        )
        rows.append(
            {
                "tool": tool.name,
                "bare_ms": times["bare"],
                "import_ms": times["import"] - times["bare"],
                "bare_mib": sizes["bare"],
                "import_mib": sizes["import"] - sizes["bare"],
                "table_mib": _table(tool, paths) - _process(interpreter(tool), arrays)[1],
            }
        )
    return rows


def _table(tool: Tool, paths: dict[str, Path]) -> float:
    method = next(method for method in tool.methods if method.does_tables)
    with worker_of(tool) as worker:
        worker.do("prepare", method=method.name, **{which: str(path) for which, path in paths.items()})
        return float(worker.do("memory")["peak_mib"])


def _process(python: Path, code: str) -> tuple[float, float]:
    """Run code in a separate process, and return seconds and its peak memory in MiB.

    The process reads its own peak: the value that the parent gets includes the parent's size at the start.
    """
    start = time.perf_counter()
    command: list[str | Path] = [python, "-c", f"{code}\n{PEAK}"]
    done = subprocess.run(command, cwd=ROOT, env=settings(), check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    return seconds, int(done.stdout.split()[-1]) / KIBIBYTES
