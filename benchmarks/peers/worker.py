"""Worker process of one tool: commands as JSON lines in, answers as JSON lines out.

    python -m benchmarks.peers.worker by_scipy

It runs in the tool's own environment, so it imports only numpy and the adapter, and nothing of POET.
"""

import importlib
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.adapters.kinds import Columns, Detect, Prepare, SampleInfo

Answer = dict[str, Any]


class Worker:
    """One tool with its prepared methods."""

    def __init__(self, methods: dict[str, Prepare]) -> None:
        self._methods = methods
        self._ready: dict[str, tuple[Detect, Columns]] = {}

    def prepare(self, method: str, reference: str, current: str) -> Answer:
        """Prepare a method for a reference, and call it once; the files contain one row per column."""
        before, now = (dict(_named(np.load(path))) for path in (reference, current))
        start = time.perf_counter()
        detect = self._methods[method](before, SampleInfo(length=len(next(iter(now.values())))))
        prepared = time.perf_counter()
        output = detect(now)
        self._ready[method] = detect, now
        first = time.perf_counter()
        assert set(output) == set(now), "a column without an answer"
        return {"prepared_ms": 1e3 * (prepared - start), "first_ms": 1e3 * (first - prepared)}

    def call(self, method: str, times: int) -> Answer:
        """Return milliseconds per call of a prepared method."""
        detect, now = self._ready[method]
        start = time.perf_counter()
        for _ in range(times):
            detect(now)
        return {"ms": 1e3 * (time.perf_counter() - start) / times}

    def forget(self) -> Answer:
        """Release all prepared methods."""
        self._ready.clear()
        return {}

    def memory(self) -> Answer:
        """Return the peak memory of the process in MiB."""
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return {"peak_mib": int(peak.split()[1]) / 1024}

    def evaluate(self, method: str, cases: str) -> Answer:
        """Return the alarms on all cases of a file, and the numbers of exceptions by message."""
        alarms: list[bool] = []
        raised: dict[str, int] = {}
        start = time.perf_counter()
        for before, now, known in _cases(Path(cases)):
            try:
                alarms.append(self._methods[method]({"x": before}, known)({"x": now})["x"])
            except Exception as error:  # noqa: BLE001 -- a tool that raises gives no alarm; it is counted
                alarms.append(False)
                error_text = f"{type(error).__name__}: {error}".splitlines()[0][:120]
                raised[error_text] = raised.get(error_text, 0) + 1
        return {"alarms": alarms, "raised": raised, "seconds": time.perf_counter() - start}


def _named(rows: Any) -> Any:
    names = ["x"] if len(rows) == 1 else [f"f{column:03}" for column in range(len(rows))]
    return zip(names, rows, strict=True)


def _cases(path: Path) -> Any:
    with np.load(path) as arrays:
        values, times = arrays["values"], arrays["times"]
        ends, periods = arrays["ends"], arrays["periods"]
    for (start, middle, end), period in zip(ends, periods, strict=True):
        known = SampleInfo(
            length=int(end - middle),
            reference_times=times[start:middle],
            current_times=times[middle:end],
            period=float(period),
        )
        yield values[start:middle], values[middle:end], known


def main() -> None:
    """Execute commands until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of the tool must not mix with answers
    warnings.simplefilter("ignore")
    worker = Worker(importlib.import_module(f"benchmarks.peers.adapters.{sys.argv[1]}").METHODS)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(worker, command.pop("do"))(**command)
        except Exception as error:  # noqa: BLE001 -- reported to the client
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
