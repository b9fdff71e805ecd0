"""The one writer of docs/benchmarks.md: joins what each benchmark saved in benchmarks/results/.

    python benchmarks/page.py

Measures nothing. A benchmark that has not run leaves its section out, and the page says so.
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
HEAD = """# What it costs, and what it finds

This page is for readers who choose a drift detector or size a deployment: after reading it you can compare
POET with other tools, and know what a call, the log and a compile cost.

Written by `python benchmarks/page.py` from [`benchmarks/results/`](../benchmarks/results); do not edit.
`make bench` repeats all measurements, in a separate environment for each tool, and writes this page.
Times are wall-clock medians of one run. Compared programs are measured in turn, so a busy machine affects
all of them. A number in milliseconds depends on the machine as much as on the program; a ratio does less so.
"""
Section = Callable[[dict[str, Any]], list[str]]


def targets(document: dict[str, Any]) -> list[str]:
    """Write rows with what was asked for."""
    rows = rows_of(document)
    missed = sum(row.verdict == "no" for row in rows)
    asked = sum(bool(row.asked) for row in rows)
    lines = [f"{asked - missed} of {asked} targets met." if asked else "", ""] if rows else []
    return lines + table(
        ("work", "found", "asked", "met", ""),
        [(row.work, f"{row.found:.2f} {row.unit}", row.asked, row.verdict, row.notes) for row in rows],
    )


SECTIONS: tuple[tuple[str, str, str, Section], ...] = (
    ("peers", "Compared with other tools", "make peers", peers),
    ("call", "What a call costs", "python benchmarks/call.py --save", targets),
    ("log", "What the feedback log takes", "python benchmarks/log.py --save", targets),
    ("growth", "What learning costs as the log grows", "python benchmarks/growth.py --save", targets),
)


def page(folder: Path = RESULTS) -> str:
    """Join the sections of what was saved."""
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
    """Write the page and its pictures."""
    PAGE.write_text(page(), encoding="utf-8")
    document = load("peers")
    for name, picture in pictures(document).items() if document else ():
        (IMAGES / name).write_text(picture, encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    write()
