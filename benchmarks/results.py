"""What the benchmarks found, kept as JSON: `benchmarks/page.py` writes the page from it without measuring.

One file a benchmark, so that none deletes what another found.
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

__all__ = ["RESULTS", "Row", "load", "machine", "rows_of", "save"]

RESULTS = Path(__file__).parent / "results"
NUMBERS = re.compile(r"\[[-+.\d\seE,]*\]")


@dataclass(frozen=True)
class Row:
    """One line of a table: what was measured, in `unit`, and what was asked for."""

    work: str
    found: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    notes: str = ""

    @property
    def asked(self) -> str:
        """What was asked for, in a few signs."""
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return "" if self.at_most is None else f"<= {self.at_most:g}"

    @property
    def is_met(self) -> bool:
        """Whether the number is as good as asked for."""
        return (self.at_least is None or self.found >= self.at_least) and (
            self.at_most is None or self.found <= self.at_most
        )

    @property
    def verdict(self) -> str:
        """Say whether it is, where anything was asked for."""
        return ("yes" if self.is_met else "no") if self.asked else ""


def machine() -> dict[str, Any]:
    """Say where something was measured, and how busy it was."""
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
    """Give the processor's own name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def save(name: str, found: dict[str, Any], *, folder: Path = RESULTS) -> None:
    """Write what a benchmark found beside where it was measured; in place of what it found before."""
    folder.mkdir(exist_ok=True)
    document = {"machine": machine()} | found
    text = json.dumps(document, indent=1, sort_keys=True, default=_plain)
    (folder / f"{name}.json").write_text(_on_one_line(text) + "\n", encoding="utf-8")


def load(name: str, *, folder: Path = RESULTS) -> dict[str, Any] | None:
    """Read what a benchmark found; None where it has not run."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def rows_of(document: dict[str, Any]) -> list[Row]:
    """Give the rows that were saved."""
    return [Row(**each) for each in document["rows"]]


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Row) else float(value)


def _on_one_line(text: str) -> str:
    """Put each list of mere numbers on one line: hundreds of series would be thousands of lines."""
    return NUMBERS.sub(lambda found: " ".join(found[0].split()), text)
