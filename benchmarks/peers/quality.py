"""Accuracy of each tool on real series with known truth, with cluster bootstrap intervals.

Windows of one series resemble each other, so the bootstrap draws series, not windows (Field & Welsh 2007,
"Bootstrapping clustered data").
"""

import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.client import WorkerError, worker_of
from benchmarks.peers.tools import Tool
from benchmarks.real_series import SeriesCase

__all__ = ["by_series", "evaluate_tools", "measures", "summary"]

AT_ONCE = 2
DRAWS = 2000
LEVEL = 0.95
MEASURES = ("false_alarms", "hits", "balanced")
Floats = NDArray[np.float64]


def evaluate_tools(tools: Sequence[Tool], cases: Sequence[SeriesCase], folder: Path) -> list[dict[str, Any]]:
    """Return one row per method: the alarms of every tool on every case, at its defaults.

    The answers do not depend on the load of the machine, so two tools run at once.
    """
    path = folder / "cases.npz"
    _save(cases, path)
    methods = [(tool, method.name) for tool in tools for method in tool.methods if method.is_evaluated]

    def evaluate(pair: tuple[Tool, str]) -> dict[str, Any]:
        tool, method = pair
        row: dict[str, Any] = {"tool": tool.name, "method": method}
        try:
            with worker_of(tool) as worker:
                output = worker.do("evaluate", method=method, cases=str(path))
        except WorkerError as error:
            return row | {"failed": str(error)}
        print(f"  {tool.name} {method}: {output['seconds']:.0f} s", file=sys.stderr, flush=True)
        return row | {
            "raised": output["raised"],
            "series": by_series(cases, np.array(output["alarms"], float)),
        }

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(evaluate, methods))


def by_series(cases: Sequence[SeriesCase], alarms: Floats) -> list[list[float]]:
    """Return per series: unchanged windows, alarms on them, changed windows, alarms on them."""
    names = {name: row for row, name in enumerate(sorted({case.series for case in cases}))}
    counts = np.zeros((len(names), 4))
    for case, alarm in zip(cases, alarms, strict=True):
        first = 2 if case.is_drift else 0
        counts[names[case.series], first] += 1
        counts[names[case.series], first + 1] += alarm
    return [[round(float(each), 4) for each in row] for row in counts]


def measures(counts: Floats) -> Floats:
    """Return false alarm rate, hit rate and balanced accuracy from summed counts, along the last axis."""
    false_alarms = counts[..., 1] / counts[..., 0]
    hits = counts[..., 3] / counts[..., 2]
    return np.stack([false_alarms, hits, (hits + 1.0 - false_alarms) / 2.0], axis=-1)


def summary(series: Iterable[Iterable[float]]) -> dict[str, list[float]]:
    """Return each measure with the ends of its interval; series are drawn with replacement."""
    counts = np.array([list(row) for row in series])
    drawn = np.random.default_rng(20_240_115).multinomial(
        len(counts), np.full(len(counts), 1 / len(counts)), size=DRAWS
    )
    resampled = measures(drawn @ counts)
    tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    low, high = np.nanquantile(resampled, tails, axis=0)
    value = measures(counts.sum(axis=0))
    ends = (value, low, high)
    return {name: [round(float(each[k]), 4) for each in ends] for k, name in enumerate(MEASURES)}


def _save(cases: Sequence[SeriesCase], path: Path) -> None:
    """Write the cases for a worker, without labels and names."""
    values, times, ends, start = [], [], [], 0
    for case in cases:
        middle = start + len(case.reference)
        end = middle + len(case.current)
        values += [case.reference, case.current]
        times += [case.reference_times, case.current_times]
        ends.append((start, middle, end))
        start = end
    np.savez(
        path,
        values=np.concatenate(values),
        times=np.concatenate(times),
        ends=np.array(ends),
        periods=np.array([case.period for case in cases]),
    )
