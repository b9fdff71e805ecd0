"""Comparison of POET with other drift detectors in one run.

    python -m benchmarks.peers [--quick] [--only NAME…] [--rounds 9] [--orders 3] [--collection PATH]
    python -m benchmarks.peers --write-only      # the page from earlier results

Each tool has its own environment in build/peers, which is created if it is missing. A tool that cannot be
installed is left out, and the page gives the reason. Nothing is measured during an installation.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.page import write
from benchmarks.peers.client import WorkerError
from benchmarks.peers.environments import NotInstalledError, interpreter
from benchmarks.peers.footprint import footprints
from benchmarks.peers.learned import learned
from benchmarks.peers.quality import evaluate_tools, summary
from benchmarks.peers.speed import SIZES, speeds, table_speeds
from benchmarks.peers.tools import TOOLS, Tool
from benchmarks.real_series import COLLECTION, SeriesCase, load_collection, load_shipped
from benchmarks.results import save

VERSIONS = ("numpy", "pandas", "scikit-learn", "scipy")  # packages that the tools depend on
READ = """
import importlib.metadata as packages, json, platform, sys
found = {"Python": platform.python_version()}
for name in sys.argv[1:]:
    try: found[name] = packages.version(name)
    except packages.PackageNotFoundError: pass
print(json.dumps(found))
"""


def installed(tools: Sequence[Tool]) -> tuple[list[Tool], dict[str, str], dict[str, dict[str, str]]]:
    """Return the installed tools, the reasons why others are not, and the versions."""
    ready, skipped, versions = [], {}, {}
    for tool in tools:
        try:
            python = interpreter(tool)
        except NotInstalledError as error:
            skipped[tool.name] = str(error)
            print(f"skipped {tool.name}: {error}", file=sys.stderr)
            continue
        ready.append(tool)
        own = tool.requirements[0].partition("==")[0].partition("[")[0] if tool.requirements else ""
        names = [name for name in (own, *VERSIONS) if name]
        versions[tool.name] = _versions(python, names)
    return ready, skipped, versions


def _versions(python: Path, names: Sequence[str]) -> dict[str, str]:
    import json  # noqa: PLC0415

    output = subprocess.run([python, "-c", READ, *names], check=True, capture_output=True, text=True).stdout
    return dict(json.loads(output))


def quality(tools: Sequence[Tool], cases: Sequence[SeriesCase], folder: Path, orders: int) -> dict[str, Any]:
    """Return the accuracy of every tool on some cases."""
    rows = evaluate_tools(tools, cases, folder)
    if any(tool.adapter == "by_poet" for tool in tools):
        rows.append(learned(cases, orders))
    for row in rows:
        if "series" in row:
            row["measures"] = summary(row["series"])
    return {
        "series": len({case.series for case in cases}),
        "windows": len(cases),
        "changed": sum(case.is_drift for case in cases),
        "rows": rows,
    }


def main() -> None:
    """Measure, save the results, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes and few rounds, to check that it runs"
    )
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="only these tools")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--orders", type=int, default=3)
    parser.add_argument("--collection", type=Path, default=COLLECTION)
    parser.add_argument("--write-only", action="store_true", help="measure nothing")
    options = parser.parse_args()
    if not options.write_only:
        measure(options)
    write()


def measure(options: argparse.Namespace) -> None:
    """Measure the chosen tools, and save the results."""
    known = {tool.name.lower(): tool for tool in TOOLS}
    chosen = [known[name.lower()] for name in options.only] or list(TOOLS)
    ready, skipped, versions = installed(chosen)
    rounds = 3 if options.quick else options.rounds
    shape = (10, 1000) if options.quick else (100, 10_000)
    with tempfile.TemporaryDirectory(prefix="poet-peers-") as temporary:
        folder = Path(temporary)
        sizes = SIZES[:2] if options.quick else SIZES
        found: dict[str, Any] = {"skipped": skipped, "versions": versions}
        _log_step("calls")
        found["calls"] = speeds(ready, folder, rounds, sizes)
        _log_step("tables")
        found["tables"] = table_speeds(ready, folder, max(3, rounds // 2), shape)
        _log_step("imports and memory")
        found["footprints"] = footprints(ready, folder, rounds, shape)
        _log_step("series that ship")
        cases = load_shipped()[:: 20 if options.quick else 1]
        found["shipped"] = quality(ready, cases, folder, options.orders)
        if (options.collection / "dev").is_dir():
            _log_step("series of the collection")
            cases = load_collection(options.collection)[:: 20 if options.quick else 1]
            found["collected"] = quality(ready, cases, folder, options.orders)
        else:
            found["collected"] = {"skipped": "the collection was not there"}
    save("peers", found)


def _log_step(what: str) -> None:
    print(f"{what} (load {os.getloadavg()[0]:.1f})", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except WorkerError as error:
        sys.exit(str(error))
