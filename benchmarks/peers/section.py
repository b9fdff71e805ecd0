"""The results of POET and the other tools as a section of the page."""

from typing import Any

from benchmarks.peers.tools import TOOLS
from benchmarks.tables import paragraph, table

__all__ = ["section"]

Found = dict[str, Any]
NOTHING = "-"
POET_DEFAULT = ("POET", "start=ks")


def section(document: Found) -> list[str]:
    """Return the lines of the section."""
    return [
        *_versions_of_tools(document),
        "",
        "### Accuracy",
        "",
        "![False alarms and hits of each tool](images/peers-quality.svg)",
        "",
        *_quality(document),
        "",
        "### Time of a call",
        "",
        "![Time of a call by tool and length](images/peers-speed.svg)",
        "",
        *_calls(document["calls"]),
        "",
        "### A table of many features",
        "",
        *_tables(document["tables"]),
        "",
        "### Import and memory",
        "",
        *_footprints(document["footprints"]),
        "",
        "### Use of labels",
        "",
        *_label_use(),
    ]


def _versions_of_tools(document: Found) -> list[str]:
    lines = paragraph("""
        Every tool has its own environment with the newest release that installs there. It is used as its
        documentation shows, at its own defaults (`benchmarks/peers/adapters/`), with telemetry turned off.
    """)
    versions = document["versions"]
    for name, own in versions.items():
        lines.append(f"- {name}: " + ", ".join(f"{package} {version}" for package, version in own.items()))
    lines += [f"- {name}: left out, {why}" for name, why in document["skipped"].items()]
    return lines


def _quality(document: Found) -> list[str]:
    lines = paragraph("""
        Each window of a real series is compared with the data before it. People or the authors of the
        data labeled whether anything changed. *False alarms*: share of the unchanged windows with an
        alarm; *hits*: share of the changed ones; *balanced*: the mean of hits and of unchanged
        windows without an alarm, .5 for a random answer. Brackets show 95 % intervals from a bootstrap over
        series. The other tools and POET without times get only the values; *with times* adds their
        times and the length of a season, which only POET accepts. *Learned* starts at start=ks, sees
        the labels of its own alerts, and is scored only on groups of series that gave none. ADWIN
        processes a stream of single values: it gets the reference, then the window, and alarms if it
        reports drift at any value of the window. NannyML splits the reference into chunks as long as
        the window.
    """)
    for name, title in (
        ("collected", "The collection (not in this repository)"),
        ("shipped", "Series that ship with POET"),
    ):
        found = document[name]
        if "skipped" in found:
            lines += [f"{title}: not measured, {found['skipped']}.", ""]
            continue
        lines += [
            f"{title}: {found['windows']} windows of {found['series']} series, {found['changed']} changed.",
            "",
            *table(
                ("tool", "method", "false alarms", "hits", "balanced", ""),
                [
                    (row["tool"], row["method"], *_measured(row), _raised(row))
                    for row in sorted(found["rows"], key=_worst_first)
                ],
            ),
            "",
        ]
    return lines[:-1]


def _worst_first(row: Found) -> float:
    return -float(row["measures"]["balanced"][0]) if "measures" in row else 1.0


def _measured(row: Found) -> tuple[str, ...]:
    if "measures" not in row:
        return (NOTHING,) * 3
    return tuple(
        f"{value:.3f} [{low:.3f}, {high:.3f}]"
        for value, low, high in (row["measures"][name] for name in ("false_alarms", "hits", "balanced"))
    )


def _raised(row: Found) -> str:
    if "failed" in row:
        return str(row["failed"])
    times = sum(row["raised"].values())
    return f"raised {times} times, counted as no alarm" if times else ""


def _calls(rows: list[Found]) -> list[str]:
    sizes = sorted({row["values"] for row in rows})
    methods = list(dict.fromkeys((row["tool"], row["method"]) for row in rows))
    found = {(row["tool"], row["method"], row["values"]): row for row in rows}
    lines = paragraph("""
        Milliseconds of one answer for one column of normal values. The reference is as long, and prepared
        if the tool allows it. Brackets show the ratio to POET's start=ks. The stream of river continues from
        call to call. IncrementalKSTest answers for every value; longer streams take minutes.
    """)
    body = []
    for tool, method in methods:
        cells = [tool, method]
        for size in sizes:
            row, own = found.get((tool, method, size)), found.get((*POET_DEFAULT, size))
            cells.append(_time(row, own))
        body.append(cells)
    return lines + table(("tool", "method", *(f"{size:,} values" for size in sizes)), body)


def _time(row: Found | None, own: Found | None) -> str:
    if row is None or "ms" not in row:
        return NOTHING if row is None else str(row.get("failed", NOTHING))
    if own is None or "ms" not in own or own is row:
        return _digits(row["ms"])
    return f"{_digits(row['ms'])} ({_digits(row['ms'] / own['ms'])} x)"


def _digits(value: float) -> str:
    """Return a number with three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _tables(rows: list[Found]) -> list[str]:
    own = next((row for row in rows if (row["tool"], row["method"]) == POET_DEFAULT), None)
    columns, length = (rows[0]["columns"], rows[0]["values"]) if rows else (0, 0)
    return [
        f"{columns} numeric features of {length:,} rows: milliseconds of one answer for all of them.",
        "",
        *table(
            ("tool", "method", "one answer", "first answer", "preparation"),
            [
                (
                    row["tool"],
                    row["method"],
                    _time(row, own),
                    *(_digits(row[name]) if name in row else NOTHING for name in ("first_ms", "prepared_ms")),
                )
                for row in rows
            ],
        ),
    ]


def _footprints(rows: list[Found]) -> list[str]:
    return [
        *paragraph("""
            Fresh processes with warm caches, minus one of the same Python without imports. Memory is the peak
            of the process. The table is the one above, prepared and compared once, minus a process with
            numpy and the same arrays.
        """),
        *table(
            ("tool", "import, ms", "import, MiB", "import and table, MiB"),
            [
                (
                    row["tool"],
                    _digits(row["import_ms"]),
                    _digits(row["import_mib"]),
                    _digits(row["table_mib"]),
                )
                for row in sorted(rows, key=lambda row: float(row["import_ms"]))
            ],
        ),
    ]


def _label_use() -> list[str]:
    return [
        "What each tool does with the label *this was a false alarm*, according to its documentation.",
        "",
        *table(
            ("tool", "learns from labels", "documented behavior", "source"),
            [(tool.name, tool.learns, tool.says, f"[documentation]({tool.source})") for tool in TOOLS],
        ),
    ]
