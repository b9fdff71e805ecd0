"""Cost of a call, a prepared reference, a table and an import, compared with scipy in one run.

    python benchmarks/call.py [--rounds 15] [--json] [--save]

The results are wall-clock medians. Compared calls are measured in turn, so a busy machine affects them all.
References are prepared and have answered once, except where preparation is measured. Decisions, profiles and
results are part of a call. A target is the largest cost of a monitor, as a ratio or a number. The exit status
is 1 if a target is missed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.results import Row, save
from poet.build.probes import loaded
from poet.build.render import render
from poet.spec.decisions import decode
from poet_runtime.drift.comparison import compare
from poet_runtime.drift.reference import Reference
from poet_runtime.drift.statistics import grid as _compiled
from poet_runtime.drift.table import detect_drift_table

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "policies" / "detect_drift" / "golden"
SIZES = {1_000: 3, 10_000: 10, 100_000: 18, 1_000_000: 25}  # values: how many times faster than scipy
MINUTE, DAY = 60.0, 86_400.0
TURN = 20.0  # milliseconds
MEBIBYTE = 2**20
Floats = NDArray[np.float64]
Call = Callable[[], object]


def milliseconds(ways: Mapping[str, Call], rounds: int) -> dict[str, float]:
    """Return the median of each call, measured in turn; short calls are repeated for 20 ms per turn."""
    calls = {name: max(1, int(TURN / min(_timed(way, 1) for _ in range(3)))) for name, way in ways.items()}
    elapsed: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            elapsed[name].append(_timed(way, calls[name]))
    return {name: statistics.median(times) for name, times in elapsed.items()}


def _timed(way: Call, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        way()
    return 1e3 * (time.perf_counter() - start) / calls


def policy_of(case: str) -> Callable[..., Any]:
    """Return the policy of a golden case, rendered again."""
    module: Any = loaded(render(decode((GOLDEN / case / "decisions.json").read_bytes())).source, case)
    return module.detect_drift  # type: ignore[no-any-return]


def three_statistics() -> Callable[..., Any]:
    """Return the golden version for seasonal features with a third statistic in its seasonal rule."""
    document = json.loads((GOLDEN / "seasonal_adjustment" / "decisions.json").read_text(encoding="utf-8"))
    rule = next(rule for rule in document["rules"] if rule["condition"].get("seasonal"))
    ks = {"statistic": "ks", "preparation": "deseasonalized", "scale": "null_q90"}
    rule["parameters"]["criteria"].append(ks | {"direction": "above", "threshold": 1.7})
    module: Any = loaded(render(decode(json.dumps(document).encode())).source, "three")
    return module.detect_drift  # type: ignore[no-any-return]


def calls(rounds: int) -> list[Row]:
    """Measure `detect_drift` of three versions against scipy's two-sample test."""
    rng = np.random.default_rng(0)
    ks, calibrated, three = policy_of("start_ks"), policy_of("start_calibrated"), three_statistics()
    rows = []
    for n, factor in SIZES.items():
        current, reference = rng.normal(size=n), rng.normal(size=n)
        times = np.arange(n) * MINUTE
        later = times + np.ceil(n * MINUTE / DAY) * DAY
        wave, now = (values + np.sin(2 * np.pi * times / DAY) for values in (reference, current))
        plain, seasonal = Reference.prepare(reference), Reference.prepare(wave, times=times, period=DAY)
        ways = {
            "scipy": _bound(stats.ks_2samp, current, reference),
            "ks": _bound(ks, current, plain, feature="age"),
            "calibrated": _bound(calibrated, current, plain, feature="age"),
            "three": _bound(three, now, seasonal, current_times=later, feature="age"),
        }
        found = milliseconds(ways, _fewer(rounds, n))
        elapsed = f"{found['ks']:.3f} ms, scipy {found['scipy']:.3f} ms"
        rows += [
            Row(
                f"start=ks, {n:,} values, over scipy",
                found["scipy"] / found["ks"],
                "x",
                factor,
                None,
                elapsed,
            ),
            _times_ks("start=calibrated", n, found, "calibrated", 2.0),
            _times_ks("season and three statistics", n, found, "three", 4.0 if n > 1440 * 2 else None),
        ]
    return rows


def compiled_calls(rounds: int) -> list[Row]:
    """Measure long samples with compiled grid placement, if numba is installed."""
    os.environ["POET_COMPILED"] = "1"
    _compiled.placing.cache_clear()
    try:
        if _compiled.placing() is None:
            return []
        rng, ks, rows = np.random.default_rng(0), policy_of("start_ks"), []
        for n in (100_000, 1_000_000):
            current, reference = rng.normal(size=n), rng.normal(size=n)
            prepared = Reference.prepare(reference)
            ways = {"scipy": _bound(stats.ks_2samp, current, reference), "ks": _bound(ks, current, prepared)}
            found = milliseconds(ways, _fewer(rounds, n))
            elapsed = f"{found['ks']:.3f} ms, scipy {found['scipy']:.3f} ms"
            work = f"start=ks, {n:,} values, POET_COMPILED=1, over scipy"
            rows.append(Row(work, found["scipy"] / found["ks"], "x", SIZES[n], None, elapsed))
        return rows
    finally:
        del os.environ["POET_COMPILED"]
        _compiled.placing.cache_clear()


def other_statistics(rounds: int) -> list[Row]:
    """Measure statistics that other versions may use, on a million values; there are no targets."""
    rng, n = np.random.default_rng(3), 1_000_000
    current, prepared = rng.normal(size=n), Reference.prepare(rng.normal(size=n))
    names = (
        "psi",
        "jensen_shannon",
        "wasserstein",
        "mean_shift",
        "scale_shift",
        "median_shift",
        "mean_absolute_difference",
    )
    ways = {
        name: lambda name=name: compare(current, prepared).score(name, "raw", calibrated=False)
        for name in names
    }
    found = milliseconds(ways, _fewer(rounds, n))
    return [Row(f"{name}, 1,000,000 values", found[name], "ms") for name in names]


def _times_ks(work: str, n: int, found: Mapping[str, float], way: str, at_most: float | None) -> Row:
    notes = f"{found[way]:.3f} ms"
    return Row(f"{work}, {n:,} values, over ks", found[way] / found["ks"], "x", None, at_most, notes)


def hard_shapes(rounds: int) -> list[Row]:
    """Measure heavy tails, many ties and other number types at 100 000 values."""
    rng, n, ks = np.random.default_rng(1), 100_000, policy_of("start_ks")
    shapes: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {
        "lognormal, sigma 3": (rng.lognormal(0, 3, n), rng.lognormal(0, 3, n)),
        "rounded to 0.1": (rng.normal(size=n).round(1), rng.normal(size=n).round(1)),
        "continuous against rounded": (rng.normal(size=n), rng.normal(size=n).round(1)),
        "float32": (rng.normal(size=n).astype(np.float32), rng.normal(size=n).astype(np.float32)),
        "int64": (rng.integers(0, 10**6, n), rng.integers(0, 10**6, n)),
    }
    rows = []
    for name, (current, reference) in shapes.items():
        prepared = Reference.prepare(reference)
        ways = {"scipy": _bound(stats.ks_2samp, current, reference), "ks": _bound(ks, current, prepared)}
        found = milliseconds(ways, _fewer(rounds, n))
        notes = f"{found['ks']:.3f} ms, scipy {found['scipy']:.3f} ms"
        rows.append(
            Row(f"start=ks, {n:,} {name}, over scipy", found["scipy"] / found["ks"], "x", 5, None, notes)
        )
    return rows


def preparing(rounds: int) -> list[Row]:
    """Measure the time from plain numbers to the first calibrated answer, and a later answer."""
    rng, calibrated = np.random.default_rng(2), policy_of("start_calibrated")
    rows = []
    for n, most in ((10_000, 50.0), (1_000_000, 1000.0)):
        values, times = rng.normal(size=n), np.arange(n) * MINUTE
        for length in (1000, n):
            current = rng.normal(size=length)
            later = times[-1] + MINUTE * np.arange(1, length + 1)

            def first(current: Floats = current, later: Floats = later) -> object:
                prepared = Reference.prepare(values, times=times)  # noqa: B023 -- called within the loop
                return calibrated(current, prepared, current_times=later)

            found = milliseconds({"first": first}, _fewer(rounds, n))["first"]
            work = f"preparing {n:,} values, null for {length:,}, first answer"
            rows.append(Row(work, found, "ms", None, most))
        current = values[:1000]
        ways = {
            "arrays": lambda: calibrated(current, values),  # noqa: B023
            "prepared": _bound(calibrated, current, Reference.prepare(values)),
        }
        found_ways = milliseconds(ways, rounds)
        notes = f"{found_ways['prepared']:.3f} ms from a prepared one"
        rows.append(
            Row(f"an answer from {n:,} plain values seen before", found_ways["arrays"], "ms", notes=notes)
        )
    return rows


def tables(rounds: int) -> list[Row]:
    """Measure 100 features of 10 000 rows, and the peak memory of the call."""
    rng, ks = np.random.default_rng(3), policy_of("start_ks")
    before = {f"f{k}": rng.normal(size=10_000) for k in range(100)}
    now = {name: rng.normal(size=10_000) for name in before}
    prepared = {name: Reference.prepare(values) for name, values in before.items()}
    ways = {
        "prepared": lambda: detect_drift_table(ks, now, prepared),
        "plain": lambda: detect_drift_table(ks, now, before),
        "scipy": lambda: [stats.ks_2samp(now[name], before[name]) for name in before],
    }
    fresh = _extra(lambda: detect_drift_table(ks, now, before))
    found = milliseconds(ways, rounds)
    again = _extra(ways["prepared"])
    scipy = f"scipy.stats.ks_2samp {found['scipy']:.0f} ms"
    return [
        Row("100 features x 10,000 rows, prepared", found["prepared"], "ms", None, 25.0, scipy),
        Row("100 features x 10,000 rows, prepared, extra memory", again, "MiB", None, 20.0),
        Row("100 features x 10,000 rows, plain arrays seen before", found["plain"], "ms"),
        Row("100 features x 10,000 rows, plain arrays, first time, extra memory", fresh, "MiB", None, 20.0),
    ]


def _extra(call: Call) -> float:
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / MEBIBYTE


def imports(rounds: int) -> list[Row]:
    """Measure whole processes, minus one that imports nothing; modules are compiled, as after an install."""
    with tempfile.TemporaryDirectory() as compiled:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment["PYTHONPYCACHEPREFIX"] = compiled

        def process(code: str) -> Call:
            command = [sys.executable, "-c", code]
            return lambda: subprocess.run(command, check=True, cwd=ROOT, env=environment)

        module = "import generated.detect_drift_v2"
        ways = {"bare": process("pass"), "numpy": process("import numpy"), "generated": process(module)}
        found = milliseconds(ways, rounds)
    notes = f"numpy alone {found['numpy'] - found['bare']:.0f} ms, bare Python {found['bare']:.0f} ms"
    work = "import of a generated module, over bare Python"
    return [Row(work, found["generated"] - found["bare"], "ms", None, 250.0, notes)]


def _bound(call: Callable[..., object], *arguments: object, **named: object) -> Call:
    return lambda: call(*arguments, **named)


def _fewer(rounds: int, n: int) -> int:
    """Return the number of rounds for calls on `n` values: fewer for long calls."""
    return rounds if n <= 100_000 else max(5, rounds // 2)


def measured(rounds: int) -> list[Row]:
    """Return all rows."""
    parts = (calls, compiled_calls, hard_shapes, other_statistics, preparing, tables, imports)
    return [row for part in parts for row in part(rounds)]


def main() -> int:
    """Print the table, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="save the results for docs/benchmarks.md")
    given = parser.parse_args()
    rows = measured(given.rounds)
    if given.save:
        save("call", {"rows": rows})
    if given.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    for row in [] if given.json else rows:
        mark = "" if row.is_met else "MISSED"
        print(f"{row.work:68} {row.found:9.2f} {row.unit:3} {row.target:8} {mark:6} {row.notes}")
    return 0 if all(row.is_met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
