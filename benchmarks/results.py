"""Benchmark results as JSON: `benchmarks/page.py` writes the page from them without measuring.

Each benchmark has its own file, so no benchmark deletes the results of another. The figures of every
measurement are also appended to `benchmarks.history`, which keeps them.
"""

import json
import os
import platform
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from benchmarks import history

__all__ = ["RESULTS", "Row", "load", "machine", "rows_of", "save"]

RESULTS = Path(__file__).parent / "results"
NUMBERS = re.compile(r"\[[-+.\d\seE,]*\]")


@dataclass(frozen=True)
class Row:
    """One line of a table: a measurement in `unit`, and its target."""

    work: str
    found: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    notes: str = ""

    @property
    def target(self) -> str:
        """The target as short text; empty without a target."""
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return "" if self.at_most is None else f"<= {self.at_most:g}"

    @property
    def is_met(self) -> bool:
        """Whether the result meets its target."""
        return (self.at_least is None or self.found >= self.at_least) and (
            self.at_most is None or self.found <= self.at_most
        )

    @property
    def met(self) -> str:
        """The text "yes" or "no"; empty without a target."""
        return ("yes" if self.is_met else "no") if self.target else ""


def machine() -> dict[str, Any]:
    """Return the machine on which results were measured, and its load."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "processors": os.cpu_count(),
        "processor": _processor(),
        "architecture": platform.machine(),
        "load": [round(each, 1) for each in os.getloadavg()],
    }


def _processor() -> str:
    """Return the name of the processor, if the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def save(name: str, found: dict[str, Any], *, folder: Path = RESULTS) -> None:
    """Write the results of a benchmark with the machine, and add their figures to the history.

    Earlier results are replaced.
    """
    folder.mkdir(exist_ok=True)
    document = {"machine": machine()} | found
    text = json.dumps(document, indent=1, sort_keys=True, default=_plain)
    (folder / f"{name}.json").write_text(_on_one_line(text) + "\n", encoding="utf-8")
    figures = history.figures_of(json.loads(text))
    history.record(name, figures, machine=document["machine"], path=folder / history.HISTORY.name)


def load(name: str, *, folder: Path = RESULTS) -> dict[str, Any] | None:
    """Load the results of a benchmark; None if it has not run."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def rows_of(document: dict[str, Any]) -> list[Row]:
    """Return the saved rows."""
    return [Row(**each) for each in document["rows"]]


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Row) else float(value)


def _on_one_line(text: str) -> str:
    """Return the text with each list of numbers on one line; otherwise it would have thousands of lines."""
    return NUMBERS.sub(lambda found: " ".join(found[0].split()), text)
