"""Durable events per second, batch latency and the cost of an emit, compared with a bare SQLite loop.

``python benchmarks/log.py [--seconds 3] [--store postgresql://…] [--save]``

Every process opens the workspace, and each of its threads repeats: a hundred times ``ws.emit(…)``, then
``ws.flush()``, which returns when the events are on disk. The measured time includes creating and checking
events. Afterwards the log is read: every acknowledged event must be there exactly once. The bare loop inserts
prepared rows into one table with a unique index, synchronous=FULL, and a lock around each batch. On a shared
machine, the CPU time per event is more informative than the rate.
"""

import argparse
import atexit
import fcntl
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np

from poet import Workspace

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.results import Row as Target
from benchmarks.results import save
from tests.workspaces import first_workspace

BATCH = 100
TABLE = """
CREATE TABLE events (position INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT, id TEXT, type TEXT, time REAL,
                     raw BLOB, UNIQUE (source, id))
"""
Batch = Callable[[], list[str]]  # returns the ids that are on disk
Row = tuple[str, str, str, float, bytes]


def emitting(ws: Workspace, name: str) -> Batch:
    """Return a function that emits a batch through the workspace and waits for the disk."""

    def batch() -> list[str]:
        events = [
            ws.emit(
                "drift.validation",
                {"execution_id": "0193-4a6f", "was_real_drift": True, "feature": "user_age"},
                source=name,
            )
            for _ in range(BATCH)
        ]
        ws.flush()
        return [event.id for event in events]

    return batch


def inserting(folder: Path, name: str) -> Batch:
    """Return a function that inserts a batch of prepared rows with SQLite alone."""
    connection = sqlite3.connect(folder / "bare.sqlite3", isolation_level=None, timeout=60.0)
    connection.execute("PRAGMA synchronous = FULL")
    lock = (folder / "bare.lock").open("ab")
    raw, number = b"x" * 225, iter(range(10**9))

    def batch() -> list[str]:
        rows: list[Row] = [(name, f"{next(number):036d}", "drift.validation", 1e9, raw) for _ in range(BATCH)]
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection.execute("BEGIN IMMEDIATE")
        statement = "INSERT INTO events (source, id, type, time, raw) VALUES (?, ?, ?, ?, ?)"
        connection.executemany(statement, rows)
        connection.execute("COMMIT")
        fcntl.flock(lock, fcntl.LOCK_UN)
        return [row[1] for row in rows]

    return batch


def worker(folder: Path, name: str, threads: int, seconds: float, begin: Barrier, *, bare: bool) -> None:
    """Repeat batches in every thread for some seconds; write the acknowledged ids and the times to a file."""
    acknowledged: dict[str, list[str]] = {f"{name}-{number}": [] for number in range(threads)}
    elapsed: list[float] = []
    ws = None if bare else Workspace.open(folder)

    def run(source: str) -> None:
        batch = inserting(folder, source) if ws is None else emitting(ws, source)
        while time.perf_counter() < end:
            started = time.perf_counter()
            acknowledged[source] += batch()
            elapsed.append(time.perf_counter() - started)

    begin.wait()
    began, busy = time.perf_counter(), time.process_time()
    end = began + seconds
    running = [threading.Thread(target=run, args=(source,)) for source in acknowledged]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    report = {
        "acknowledged": acknowledged,
        "elapsed": elapsed,
        "seconds": time.perf_counter() - began,
        "busy": time.process_time() - busy,
    }
    (folder / f"{name}.json").write_text(json.dumps(report), encoding="utf-8")
    if ws is not None:
        ws.close()


def measured(
    folder: Path, processes: int, threads: int, seconds: float, *, bare: bool = False
) -> dict[str, float]:
    """Return events per second by the processes' own clocks, and the latency of a batch in ms."""
    context = get_context("spawn")
    begin = context.Barrier(processes)
    started = [
        context.Process(target=worker, args=(folder, f"w{n}", threads, seconds, begin), kwargs={"bare": bare})
        for n in range(processes)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    reports = [json.loads((folder / f"w{n}.json").read_text(encoding="utf-8")) for n in range(processes)]
    elapsed = 1000.0 * np.concatenate([report["elapsed"] for report in reports])
    lost = None if bare else verify(folder, reports)
    events = BATCH * len(elapsed)
    return {
        "events_per_second": round(events / max(report["seconds"] for report in reports)),
        "cpu_us_per_event": round(1e6 * sum(report["busy"] for report in reports) / events, 1),
        "batch_p50_ms": round(float(np.quantile(elapsed, 0.5)), 2),
        "batch_p99_ms": round(float(np.quantile(elapsed, 0.99)), 2),
    } | ({} if lost is None else {"lost_or_doubled": lost})


def verify(folder: Path, reports: Iterable[dict[str, dict[str, list[str]]]]) -> int:
    """Return the number of acknowledged events that are not in the log exactly once."""
    with Workspace.open(folder) as ws:
        there = Counter((stored.event.source, stored.event.id) for stored in ws.log.read())
    acknowledged = [
        (source, each) for report in reports for source, ids in report["acknowledged"].items() for each in ids
    ]
    return sum(there[each] != 1 for each in acknowledged) + len(acknowledged) - len(set(acknowledged))


def cost_of_emit(folder: Path, *, pause_s: float, count: int) -> dict[str, float]:
    """Return the time of one buffered emit in µs, with `pause_s` between two emits."""
    with Workspace.open(folder) as ws:
        elapsed = np.empty(count)
        data = {"execution_id": "0193-4a6f", "was_real_drift": True, "feature": "user_age"}
        for row in range(count):
            started = time.perf_counter()
            ws.emit("drift.validation", data, source="user/ana")
            elapsed[row] = time.perf_counter() - started
            if pause_s:
                time.sleep(pause_s)
    return {f"p{share}_us": round(1e6 * float(np.quantile(elapsed, share / 100)), 1) for share in (50, 99)}


def workspace(store: str) -> Path:
    """Create a workspace in a folder that is removed at exit."""
    home = Path(tempfile.mkdtemp(prefix="poet-log-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    folder = first_workspace(home / "ws")
    if store:
        text = (folder / "poet.toml").read_text(encoding="utf-8")
        text = text.replace('address = ""', f"address = {json.dumps(store)}")
        (folder / "poet.toml").write_text(text, encoding="utf-8")
    return folder


def main() -> None:
    """Print one JSON line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--store", default="", help="address of a store other than the embedded one")
    parser.add_argument("--save", action="store_true", help="save the results for docs/benchmarks.md")
    options = parser.parse_args()
    print(json.dumps({"processors": os.cpu_count(), "busy_before": os.getloadavg()[0]}))
    rows: list[Target] = []
    for pause_s, count in ((0.0, 30_000), (0.001, 2_000)):
        cost = cost_of_emit(workspace(options.store), pause_s=pause_s, count=count)
        print(json.dumps({"emit_every_s": pause_s} | cost), flush=True)
        pace = "one after the other" if not pause_s else f"every {1000 * pause_s:g} ms"
        rows += [
            Target(f"emit {pace}, median", cost["p50_us"], "µs", at_most=5.0),
            Target(f"emit {pace}, 99 in 100 within", cost["p99_us"], "µs", at_most=100.0),
        ]
    for processes, threads in ((1, 1), (1, 4), (4, 1), (8, 1), (8, 4)):
        folder = workspace(options.store)
        found = measured(folder, processes, threads, options.seconds)
        bare: dict[str, float] = {}
        if threads == 1 and not options.store:
            sqlite3.connect(folder / "bare.sqlite3").executescript(f"PRAGMA journal_mode = WAL; {TABLE}")
            bare = measured(folder, processes, 1, options.seconds, bare=True)
        shown = {"processes": processes, "threads": threads} | found
        print(json.dumps(shown | {f"bare_{name}": value for name, value in bare.items()}), flush=True)
        rows += list(targets(processes, threads, found, bare))
    if options.save:
        save("log", {"rows": rows})


def targets(
    processes: int, threads: int, found: dict[str, float], bare: dict[str, float]
) -> Iterator[Target]:
    """Yield the rows of the page for a number of processes; the bare loop is the limit of this disk."""
    who = f"{processes} processes" if processes > 1 else "1 process"
    who += f" of {threads} threads" if threads > 1 else ""
    target = {(1, 1): 100_000.0, (8, 1): 90_000.0}.get((processes, threads))
    baseline = f"a bare SQLite loop {bare['events_per_second']:,.0f}, " if bare else ""
    notes = f"{baseline}{found['cpu_us_per_event']:g} µs of CPU an event, {found['lost_or_doubled']:g} lost"
    yield Target(
        f"durable events a second, {who}", found["events_per_second"], "", at_least=target, notes=notes
    )
    limit = 150.0 if target else None
    yield Target(f"a batch of {BATCH}, {who}, 99 in 100 within", found["batch_p99_ms"], "ms", at_most=limit)


if __name__ == "__main__":
    main()
