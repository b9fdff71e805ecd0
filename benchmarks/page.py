"""Write docs/benchmarks.md from the results that each benchmark saved in benchmarks/results/.

    python benchmarks/page.py

The script measures nothing. For a benchmark without results the page prints the command that produces them.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers.pictures import pictures
from benchmarks.peers.section import section as peers
from benchmarks.results import RESULTS, load, rows_of
from benchmarks.tables import table

ROOT = Path(__file__).resolve().parents[1]
PAGE, IMAGES = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "images"
HEAD = """# Benchmarks: cost and accuracy

This page is for readers who choose a drift detector or size a deployment: after reading it you can compare
POET with other tools, and know what a call, the log and a compile cost.

Written by `python benchmarks/page.py` from [`benchmarks/results/`](../benchmarks/results); do not edit.
`make bench` repeats all measurements, in a separate environment for each tool, and writes this page.
`python -m benchmarks.history` prints how the figures changed since earlier measurements.
Times are wall-clock medians of one run. Compared programs are measured in turn, so a busy machine affects
all of them. A number in milliseconds depends on the machine as much as on the program; a ratio does less so.
"""
Section = Callable[[dict[str, Any]], list[str]]


def targets_table(document: dict[str, Any]) -> list[str]:
    """Return the lines of a table of results and targets."""
    rows = rows_of(document)
    missed = sum(row.met == "no" for row in rows)
    targets = sum(bool(row.target) for row in rows)
    lines = [f"{targets - missed} of {targets} targets met." if targets else "", ""] if rows else []
    return lines + table(
        ("measurement", "result", "target", "met", "notes"),
        [(row.work, f"{row.found:.2f} {row.unit}", row.target, row.met, row.notes) for row in rows],
    )


SECTIONS: tuple[tuple[str, str, str, Section], ...] = (
    ("peers", "Compared with other tools", "make peers", peers),
    ("call", "Cost of a call", "python benchmarks/call.py --save", targets_table),
    ("log", "Throughput of the feedback log", "python benchmarks/log.py --save", targets_table),
    ("growth", "Cost of learning as the log grows", "python benchmarks/growth.py --save", targets_table),
)


def page(folder: Path = RESULTS) -> str:
    """Return the page made of the saved results."""
    parts = [HEAD]
    for name, title, command, section in SECTIONS:
        document = load(name, folder=folder)
        if document is None:
            parts.append(f"## {title}\n\nNot measured yet: `{command}`.\n")
            continue
        body = "\n".join(section(document))
        parts.append(f"## {title}\n\n`{command}`. {_where(document['machine'])}\n\n{body}\n")
    return "\n".join(parts)


def _where(machine: dict[str, Any]) -> str:
    loads = " / ".join(f"{each:g}" for each in machine["load"])
    return (
        f"Python {machine['python']}, numpy {machine['numpy']}, scipy {machine['scipy']}; "
        f"{machine['processors']} processors ({machine['processor']}); "
        f"load of the machine in the last 1 / 5 / 15 minutes: {loads}."
    )


def write() -> None:
    """Write the page and its figures."""
    PAGE.write_text(page(), encoding="utf-8")
    document = load("peers")
    for name, picture in pictures(document).items() if document else ():
        (IMAGES / name).write_text(picture, encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    write()
