"""Cost of a compile as the log grows: small and large logs of the same kind, then 10 000 new events.

``python benchmarks/growth.py [--events 100000 10000000] [--new 10000] [--save]``

The logs are written as sealed segments of a monitor with twenty features and feedback from people. Of 1000
events, 970 are executions with three scores each, 10 are runs and 20 are feedback. The benchmark measures the
first learning of all six policies and a plan after the new events, each in its own process with its peak
memory. The cost of sealing is part of `benchmarks/log.py`.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from poet.learning.configuration import LearnConfiguration
from poet.summaries import summarise
from poet.summaries.columns import EXECUTION, SCORES, arrow_schema
from poet.summaries.segments import Index, Segment, write_index
from poet.workspace import pipeline

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.results import Row, save
from tests.workspaces import first_workspace

CHUNK = 500_000
SPAN_S = 3 * 365.25 * 86_400.0  # three years, however many events
FEATURES = np.array([f"feature_{k:02d}" for k in range(20)])
SOURCES = np.array([f"user/{k}" for k in range(5)])
LATE = 5_000  # events between an execution and its feedback
TESTS = ("ks/raw", "wasserstein/deseasonalized", "wasserstein/raw")
SHARES = {
    EXECUTION: 0.970,
    "monitoring.performance": 0.010,
    "drift.validation": 0.006,
    "drift.false_positive": 0.004,
    "feature.drift_impact": 0.004,
    "error.occurred": 0.003,
    "drift.noise_issue": 0.001,
    "monitoring.value_delivered": 0.002,
}
Columns = dict[str, Any]
Numbers = NDArray[np.int64]


def main() -> None:
    """Print the cost of each log, and the ratio of the largest to the smallest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[100_000, 10_000_000])
    parser.add_argument("--new", type=int, default=10_000)
    parser.add_argument("--save", action="store_true", help="save the results for docs/benchmarks.md")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(planned(options.measure)))
        return
    found = {}
    for events in options.events:
        with tempfile.TemporaryDirectory() as folder:
            found[events] = compiled(first_workspace(Path(folder) / "shop"), events, options.new)
        print(f"{events:>12,} events: {found[events]}", flush=True)
    least, most = min(found), max(found)
    ratio = found[most]["again_s"] / found[least]["again_s"]
    print(f"a compile after {options.new:,} new events: {ratio:.2f} times as long on the largest log")
    if options.save:
        elapsed = f"{found[most]['again_s']} s and {found[least]['again_s']} s"
        rows = [
            Row(f"a plan after {options.new:,} events, log of {most:,} over {least:,}", ratio, "x",
                at_most=1.5, notes=elapsed),
            Row(f"first learning from {most:,} events", found[most]["first_s"], "s", at_most=30.0,
                notes=f"{found[most]['first_changes']:.0f} of six policies changed"),
            Row(f"first learning from {most:,} events, memory", found[most]["first_gb"], "GiB", at_most=4.0),
        ]  # fmt: skip
        save("growth", {"rows": rows})


def compiled(workspace: Path, events: int, new: int) -> dict[str, float]:
    """Return the costs of a first learning and of a plan after new events, each in a fresh process."""
    log = Writer(workspace / "feedback_log" / "segments", seed=events)
    log.write(events)
    first = measured(workspace)
    log.write(new)
    again = measured(workspace)
    return {
        "first_s": first["seconds"],
        "first_gb": first["gb"],
        "first_changes": first["changes"],
        "again_s": again["seconds"],
        "again_gb": again["gb"],
        "changes": again["changes"],
    }


def measured(workspace: Path) -> dict[str, float]:
    """Return the cost of a plan in its own process."""
    command = [sys.executable, __file__, "--measure", str(workspace)]
    done: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return done


def planned(workspace: Path) -> dict[str, float]:
    """Return time and memory of learning all six policies from sealed segments."""
    begun = time.perf_counter()
    summaries = summarise(workspace / "feedback_log" / "segments")
    read = time.perf_counter()
    plan = pipeline.plan(workspace / "generated", summaries, LearnConfiguration())
    return {
        "seconds": round(time.perf_counter() - begun, 2),
        "read_s": round(read - begun, 2),
        "gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "changes": len(plan.changes),
    }


class Writer:
    """Writer of a sealed log in columns, of a monitor with one true alert in four."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._rng = folder, np.random.default_rng(seed)
        self._segments: defaultdict[str, list[Segment]] = defaultdict(list)
        self._position, self._time = 0, 1.6e9
        self._answerable = np.zeros(0, np.int64)

    def write(self, events: int) -> None:
        """Append events and seal them."""
        step_s = SPAN_S / max(events, CHUNK)
        while events:
            n = min(events, CHUNK)
            for table, columns in self._chunk(n, step_s):
                self._store(table, columns)
            self._position, self._time, events = self._position + n, self._time + n * step_s, events - n
        tables = {name: tuple(segments) for name, segments in self._segments.items()}
        write_index(
            self._folder, Index(position=self._position, prefix=f"{self._position:064d}", tables=tables)
        )

    def _chunk(self, n: int, step_s: float) -> Iterator[tuple[str, Columns]]:
        kinds = self._rng.choice(len(SHARES), n, p=list(SHARES.values()))
        for kind, name in enumerate(SHARES):
            at = np.flatnonzero(kinds == kind)
            times: NDArray[np.float64] = self._time + at.astype(np.float64) * step_s
            envelope = self._envelope(name, at + self._position + 1, times)
            if name == EXECUTION:
                yield from self._executions(envelope)
            else:
                yield name, self._feedback_columns(name, envelope)

    def _feedback_columns(self, name: str, envelope: Columns) -> Columns:
        columns = self._feedback(name, envelope["position"])
        if name == "drift.false_positive":  # reported only for false alarms
            is_false = ~self._is_real(self._labeled_positions(envelope["position"]))
            envelope = {key: values[is_false] for key, values in envelope.items()}
        return envelope | columns

    def _envelope(self, name: str, positions: Numbers, times: NDArray[np.float64]) -> Columns:
        who = np.array(["poet"]) if name == EXECUTION else SOURCES
        return {
            "position": positions,
            "event_id": np.char.mod("e%011d", positions),
            "source": self._rng.choice(who, positions.size),
            "time": times,
            "subject": np.full(positions.size, "shop"),
        }

    def _executions(self, envelope: Columns) -> Iterator[tuple[str, Columns]]:
        positions = envelope["position"]
        n = positions.size
        is_real = self._is_real(positions)
        drifted = self._rng.random(n) < np.where(is_real, 0.9, 0.05)
        audit = ~drifted & (self._rng.random(n) < 0.02)
        distance = self._distance(positions)
        columns = {
            "execution_id": np.char.mod("x%011d", positions),
            "policy": np.full(n, "detect_drift"),
            "version": np.ones(n, np.int64),
            "drifted": drifted,
            "audit": audit,
            "propensity": np.where(audit, 0.02, 1.0),
            "feature": FEATURES[positions % FEATURES.size],
            "test": np.full(n, "ks/raw/p_value"),
            "score": np.where(drifted, 1e-3, 0.5),
            "threshold": np.full(n, 0.05),
            "kind": np.full(n, "numeric"),
            "n_current": np.full(n, 500),
            "n_reference": np.full(n, 5_000),
            "is_seasonal": positions % FEATURES.size < 10,
            "data_velocity": np.where(positions % FEATURES.size < 5, 2_000.0, 50.0),
        }
        yield EXECUTION, envelope | columns
        self._answerable = positions[drifted | audit]
        repeated = len(TESTS)
        yield (
            SCORES,
            {
                "position": positions.repeat(repeated),
                "execution_id": columns["execution_id"].repeat(repeated),
                "ordinal": np.tile(np.arange(repeated), n),
                "test": np.tile(np.array(TESTS), n),
                "statistic": (distance[:, None] * self._rng.lognormal(0.0, 0.1, (n, repeated))).ravel(),
                "p_value": np.where(drifted, 1e-3, 0.5).repeat(repeated),
                "null_q90": np.ones(n * repeated),
                "null_max": np.full(n * repeated, 1.3),
                "null_mean": np.full(n * repeated, 0.5),
                "null_sd": np.full(n * repeated, 0.3),
            },
        )

    def _labeled_positions(self, positions: Numbers) -> Numbers:
        index = np.searchsorted(self._answerable, positions - LATE).clip(0, self._answerable.size - 1)
        labeled: Numbers = self._answerable[index]
        return labeled

    def _is_real(self, positions: Numbers) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (positions * 2_654_435_761) % 1_000 < 15
        return found

    def _distance(self, positions: Numbers) -> NDArray[np.float64]:
        chance = ((positions * 40_503) % 10_007) / 10_007
        return np.where(self._is_real(positions), 1.5 + 2.0 * chance, 0.2 + chance)

    def _feedback(self, name: str, positions: Numbers) -> Columns:
        n = positions.size
        labeled = self._labeled_positions(positions)
        is_false = ~self._is_real(labeled)
        features = FEATURES[self._rng.integers(0, FEATURES.size, n)]
        size = np.full(n, 1_000)
        found: dict[str, Columns] = {
            "monitoring.performance": {
                "window_size": size, "computation_time_ms": self._rng.lognormal(5.0, 0.4, n),
                "timeout_occurred": self._rng.random(n) < 0.02, "memory_usage_mb": np.full(n, 200.0),
                "feature": features, "feature_count": np.full(n, 20),
            },
            "drift.validation": {
                "execution_id": np.char.mod("x%011d", labeled), "was_real_drift": self._is_real(labeled),
                "feature": FEATURES[labeled % FEATURES.size],
            },
            "drift.false_positive": {
                "execution_id": np.char.mod("x%011d", labeled[is_false]),
                "reason": np.full(int(is_false.sum()), "a tide"),
            },
            "feature.drift_impact": {
                "feature": features, "drift_score": self._rng.random(n),
                "model_performance_drop": self._rng.lognormal(-4.0, 0.5, n),
            },
            "error.occurred": {
                "data_size": self._rng.choice([5_000, 50_000, 500_000], n), "feature_count": np.full(n, 20),
                "computation": np.full(n, "kl_divergence"), "error_type": np.full(n, "timeout"),
                "error_id": np.char.mod("f%011d", positions),
            },
            "drift.noise_issue": {
                "false_alarms_per_day": self._rng.lognormal(0.0, 0.5, n), "window_size": size,
                "feature": features,
            },
            "monitoring.value_delivered": {
                "drift_catch": features, "prevented_loss": np.full(n, 300.0),
                "monitoring_cost": np.full(n, 20.0),
            },
        }  # fmt: skip
        return found[name]

    def _store(self, table: str, columns: Columns) -> None:
        schema = arrow_schema(table)
        rows = len(columns["position"])
        whole = pa.table(
            [
                pa.array(columns[field.name][:rows]).cast(field.type)
                if field.name in columns
                else pa.nulls(rows, field.type)
                for field in schema
            ],
            schema=schema,
        )
        first, last = whole["position"][0].as_py(), whole["position"][-1].as_py()
        file = f"segments/{table}/{first:012d}-{last:012d}-{len(self._segments[table])}.parquet"
        (self._folder / file).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(whole, self._folder / file, compression="zstd")
        self._segments[table].append(Segment(file=file, first=first, last=last, rows=rows))


if __name__ == "__main__":
    main()
