"""The figures of benchmarks over time, one line of JSON for each measurement; `record` appends one.

    python -m benchmarks.history            # every figure: how it changed between the measurements
    python -m benchmarks.history call log   # of these benchmarks

A line holds the benchmark, the time, the commit, the machine with its load, and the figures by name. Lines
are never changed. Compare lines of one machine only: figures in units of time depend on it.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.tables import table

HISTORY: Final = Path(__file__).parent / "results" / "history.jsonl"


def record(
    benchmark: str,
    figures: Mapping[str, float],
    *,
    machine: Mapping[str, Any],
    commit: str | None = None,
    at: str | None = None,
    path: Path = HISTORY,
) -> None:
    """Append the figures of one measurement.

    Parameters
    ----------
    benchmark
        The name of the benchmark, that of its script.
    figures
        Numbers by name; the name includes the unit.
    machine
        What `benchmarks.results.machine` returns.
    commit, at
        The commit that was measured and the time in ISO 8601; by default those of now.
    """
    line = {
        "benchmark": benchmark,
        "date": at or datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit() if commit is None else commit,
        "machine": dict(machine),
        "figures": {name: round(float(value), 6) for name, value in figures.items()},
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n")


def _commit() -> str:
    """Return the short name of the commit, marked if files differ from it; empty outside of a repository."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    ended = subprocess.run(command, cwd=HISTORY.parent, capture_output=True, text=True, check=False)
    return ended.stdout.strip()


def read(path: Path = HISTORY) -> list[dict[str, Any]]:
    """Return the measurements in the order of their times."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return sorted(map(json.loads, lines), key=lambda line: (line["date"], line["benchmark"]))


def figures_of(document: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of a document in benchmarks/results/: its rows, or POET's own calls and accuracy."""
    rows = {_named(row["work"], row["unit"]): row["found"] for row in document.get("rows", ())}
    calls = {
        f"{call['method']}, {call['values']:,} values x {call['columns']} (ms)": call["ms"]
        for part in ("calls", "tables")
        for call in document.get(part, ())
        if call["tool"] == "POET" and "ms" in call
    }
    accuracy = {
        f"{row['method']}, {series} series (balanced accuracy)": row["measures"]["balanced"][0]
        for series in ("collected", "shipped")
        for row in document.get(series, {}).get("rows", ())
        if row["tool"] == "POET" and "measures" in row
    }
    return rows | calls | accuracy


def _named(work: str, unit: str) -> str:
    return f"{work} ({unit})" if unit else work


def trend(lines: Iterable[Mapping[str, Any]], benchmark: str) -> list[str]:
    """Return a table of the figures of one benchmark: first, previous, newest, and the last change."""
    found: dict[str, list[float]] = {}
    dates: list[str] = []
    for line in lines:
        if line["benchmark"] == benchmark:
            dates.append(f"{line['date'][:10]} ({line['commit'] or 'unknown commit'})")
            for name, value in line["figures"].items():
                found.setdefault(name, []).append(value)
    if not dates:
        return [f"## {benchmark}", "", "no measurement", ""]
    head = ("figure", "measured", "first", "previous", "newest", "change")
    rows = [(name, str(len(values)), *_ends(values)) for name, values in found.items()]
    return [
        f"## {benchmark}",
        "",
        f"{len(dates)} measurements, {dates[0]} to {dates[-1]}",
        "",
        *table(head, rows),
        "",
    ]


def _ends(values: list[float]) -> tuple[str, str, str, str]:
    first, newest = f"{values[0]:.4g}", f"{values[-1]:.4g}"
    if len(values) == 1:
        return first, "", newest, ""
    change = f"{100.0 * (values[-1] / values[-2] - 1.0):+.1f} %" if values[-2] else ""
    return first, f"{values[-2]:.4g}", newest, change


def main() -> None:
    """Print the trends."""
    parser = argparse.ArgumentParser(description="Print how the figures of benchmarks changed.")
    parser.add_argument(
        "benchmarks", nargs="*", metavar="BENCHMARK", help="names of benchmarks; default: all"
    )
    chosen = parser.parse_args().benchmarks
    lines = read()
    for name in chosen or dict.fromkeys(line["benchmark"] for line in lines):
        print("\n".join(trend(lines, name)))


if __name__ == "__main__":
    main()
