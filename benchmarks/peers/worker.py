"""The process in which one tool is asked: commands as JSON lines in, answers as JSON lines out.

    python -m benchmarks.peers.worker by_scipy

Runs in the tool's own environment, so it imports numpy and the adapter, and nothing of POET.
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

from benchmarks.peers.adapters.kinds import Ask, Columns, Known, Prepare

Answer = dict[str, Any]


class Worker:
    """One tool, with the methods that were prepared."""

    def __init__(self, methods: dict[str, Prepare]) -> None:
        self._methods = methods
        self._ready: dict[str, tuple[Ask, Columns]] = {}

    def prepare(self, method: str, reference: str, current: str) -> Answer:
        """Prepare a method for a reference, and ask it once; files hold a row for each column."""
        before, now = (dict(_named(np.load(path))) for path in (reference, current))
        start = time.perf_counter()
        ask = self._methods[method](before, Known(length=len(next(iter(now.values())))))
        prepared = time.perf_counter()
        told = ask(now)
        self._ready[method] = ask, now
        first = time.perf_counter()
        assert set(told) == set(now), "a column without an answer"
        return {"prepared_ms": 1e3 * (prepared - start), "first_ms": 1e3 * (first - prepared)}

    def call(self, method: str, times: int) -> Answer:
        """Ask a prepared method again; gives milliseconds a call."""
        ask, now = self._ready[method]
        start = time.perf_counter()
        for _ in range(times):
            ask(now)
        return {"ms": 1e3 * (time.perf_counter() - start) / times}

    def forget(self) -> Answer:
        """Let go of everything that was prepared."""
        self._ready.clear()
        return {}

    def memory(self) -> Answer:
        """Give the most memory that the process had at any time, in MiB."""
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return {"peak_mib": int(peak.split()[1]) / 1024}

    def judge(self, method: str, cases: str) -> Answer:
        """Ask about every case of a file; gives alarms, and which cases raised what."""
        alarms: list[bool] = []
        raised: dict[str, int] = {}
        start = time.perf_counter()
        for before, now, known in _cases(Path(cases)):
            try:
                alarms.append(self._methods[method]({"x": before}, known)({"x": now})["x"])
            except Exception as error:  # noqa: BLE001 -- a tool that raises gives no alarm; it is counted
                alarms.append(False)
                said = f"{type(error).__name__}: {error}".splitlines()[0][:120]
                raised[said] = raised.get(said, 0) + 1
        return {"alarms": alarms, "raised": raised, "seconds": time.perf_counter() - start}


def _named(rows: Any) -> Any:
    names = ["x"] if len(rows) == 1 else [f"f{place:03}" for place in range(len(rows))]
    return zip(names, rows, strict=True)


def _cases(path: Path) -> Any:
    with np.load(path) as held:
        values, times = held["values"], held["times"]
        ends, periods = held["ends"], held["periods"]
    for (start, middle, end), period in zip(ends, periods, strict=True):
        known = Known(
            length=int(end - middle),
            reference_times=times[start:middle],
            current_times=times[middle:end],
            period=float(period),
        )
        yield values[start:middle], values[middle:end], known


def main() -> None:
    """Answer until there are no more commands."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a tool prints is no answer
    warnings.simplefilter("ignore")
    worker = Worker(importlib.import_module(f"benchmarks.peers.adapters.{sys.argv[1]}").METHODS)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(worker, command.pop("do"))(**command)
        except Exception as error:  # noqa: BLE001 -- told to whoever asked
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
