"""Time of a call: the tools take turns in every round, so a busy machine affects all of them."""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.client import WorkerClient, WorkerError, worker_of
from benchmarks.peers.tools import Tool

__all__ = ["speeds", "table_speeds"]

SIZES = (1_000, 10_000, 100_000, 1_000_000)
COLUMNS, ROWS = 100, 10_000
TURN_MS = 20.0  # short calls are repeated this long per turn
ENOUGH_MS = 8_000.0  # a method stops after this time and LEAST rounds
LEAST = 3
Found = dict[str, Any]


def speeds(tools: Sequence[Tool], folder: Path, rounds: int, sizes: Sequence[int] = SIZES) -> list[Found]:
    """Return one row per method and length: the time for one column."""
    rows: list[Found] = []
    with ExitStack() as stack:
        workers = [stack.enter_context(worker_of(tool)) for tool in tools]
        for size in sizes:
            rng = np.random.default_rng(size)
            files = _saved(folder, f"one-{size}", rng.normal(size=(2, 1, size)))
            pairs = [
                (worker, method.name)
                for worker in workers
                for method in worker.tool.methods
                if method.longest >= size
            ]
            rows += [{"values": size, "columns": 1} | row for row in _in_turn(pairs, files, rounds)]
    return rows


def table_speeds(
    tools: Sequence[Tool], folder: Path, rounds: int, shape: tuple[int, int] = (COLUMNS, ROWS)
) -> list[Found]:
    """Return one row per method: the time for a table."""
    columns, length = shape
    files = _saved(folder, f"table-{length}", np.random.default_rng(7).normal(size=(2, columns, length)))
    with ExitStack() as stack:
        workers = [stack.enter_context(worker_of(tool)) for tool in tools]
        pairs = [
            (worker, method.name)
            for worker in workers
            for method in worker.tool.methods
            if method.does_tables
        ]
        return [{"values": length, "columns": columns} | row for row in _in_turn(pairs, files, rounds)]


def _saved(folder: Path, name: str, pair: Any) -> dict[str, str]:
    paths = {which: folder / f"{name}-{which}.npy" for which in ("reference", "current")}
    for path, rows in zip(paths.values(), pair, strict=True):
        np.save(path, rows)
    return {which: str(path) for which, path in paths.items()}


def _in_turn(pairs: Sequence[tuple[WorkerClient, str]], files: dict[str, str], rounds: int) -> list[Found]:
    """Return the medians of all methods, called once per round; the first call is reported separately."""
    found: list[Found] = []
    ready: list[tuple[WorkerClient, str, int, Found]] = []
    for worker, method in pairs:
        row: Found = {"tool": worker.tool.name, "method": method, "times_ms": []}
        found.append(row)
        try:
            row |= worker.do("prepare", method=method, **files)
            once = worker.do("call", method=method, times=1)["ms"]
        except WorkerError as error:
            row["failed"] = str(error)
            continue
        ready.append((worker, method, max(1, int(TURN_MS / max(once, 1e-3))), row))
    for done in range(rounds):
        for worker, method, times, row in ready:
            elapsed = times * sum(row["times_ms"])
            if done >= LEAST and elapsed > ENOUGH_MS:
                continue
            row["times_ms"].append(worker.do("call", method=method, times=times)["ms"])
    for worker in {id(worker): worker for worker, *_ in ready}.values():
        worker.do("forget")
    for row in found:
        times_ms = row.pop("times_ms")
        if times_ms:
            row |= {"ms": statistics.median(times_ms), "least_ms": min(times_ms), "rounds": len(times_ms)}
    return found
