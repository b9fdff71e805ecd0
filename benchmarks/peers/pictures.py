"""Dot plots as SVG: no library, the same bytes for the same numbers, readable on light and dark backgrounds.

Colors are those of Okabe & Ito 2008 ("Color Universal Design"), which color-blind people can distinguish.
Shapes carry the same information.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

__all__ = ["pictures"]

Found = dict[str, Any]
LEFT, RIGHT, TOP, ROW, WIDTH = 250, 30, 64, 26, 800
STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.quiet { fill: #57606a } .grid { stroke: #d0d7de } .range { stroke-width: 2; opacity: .55 }
.a { fill: #0072b2; stroke: #0072b2 } .b { fill: #d55e00; stroke: #d55e00 }
.c { fill: #009e73; stroke: #009e73 }
.d { fill: #cc79a7; stroke: #cc79a7 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .quiet { fill: #9198a1 } .grid { stroke: #3d444d }
.a { fill: #56b4e9; stroke: #56b4e9 } .b { fill: #e69f00; stroke: #e69f00 }
.c { fill: #2fd0a0; stroke: #2fd0a0 } .d { fill: #e8a5c9; stroke: #e8a5c9 } }
</style>"""
SHAPES: Mapping[str, str] = {
    "a": '<circle class="a" cx="{x:.1f}" cy="{y:.1f}" r="5"/>',
    "b": '<rect class="b" x="{left:.1f}" y="{up:.1f}" width="9" height="9"/>',
    "c": '<path class="c" d="M{x:.1f} {top:.1f}l6 6l-6 6l-6 -6z"/>',
    "d": '<path class="d" d="M{x:.1f} {top:.1f}l6 11h-12z"/>',
}


@dataclass(frozen=True)
class Dot:
    """A mark, with the ends of its interval if it has one."""

    kind: str
    at: float
    low: float | None = None
    high: float | None = None


def pictures(document: Found) -> dict[str, str]:
    """Return the figures as SVG, by file name."""
    drawn = {"peers-speed.svg": _speed(document["calls"])}
    for name in ("collected", "shipped"):
        if "skipped" not in document[name]:
            drawn["peers-quality.svg"] = _quality(document[name])
            break
    return drawn


def _quality(found: Found) -> str:
    rows = sorted(
        (row for row in found["rows"] if "measures" in row),
        key=lambda row: -float(row["measures"]["balanced"][0]),
    )
    ticks = [(each / 5, f"{each * 20} %") for each in range(6)]
    return _plot(
        f"False alarms and hits on {found['windows']} windows of {found['series']} real series",
        {"b": "false alarms: share of unchanged windows", "a": "hits: share of changed windows"},
        ticks,
        [
            (
                _named(row),
                [Dot(kind, *row["measures"][name]) for kind, name in (("b", "false_alarms"), ("a", "hits"))],
            )
            for row in rows
        ],
    )


def _speed(rows: Sequence[Found]) -> str:
    timed = [row for row in rows if "ms" in row]
    kinds = dict(zip(sorted({row["values"] for row in timed}), "abcd", strict=False))
    by_method: dict[str, list[Dot]] = {}
    for row in timed:
        by_method.setdefault(_named(row), []).append(Dot(kinds[row["values"]], math.log10(row["ms"])))
    everywhere = [dot.at for dots in by_method.values() for dot in dots] or [0.0]
    first, last = math.floor(min(everywhere)), math.ceil(max(everywhere))
    ticks = [(float(each), f"{10.0**each:g} ms") for each in range(first, max(last, first + 1) + 1)]
    return _plot(
        "Time of one answer, one column",
        {kind: f"{size:,} values" for size, kind in kinds.items()},
        ticks,
        sorted(by_method.items(), key=lambda pair: max(dot.at for dot in pair[1] if dot.kind == "a")),
    )


def _named(row: Found) -> str:
    method = str(row["method"]).partition(", evaluated")[0]
    return str(row["tool"]) if method == "default" else f"{row['tool']} {method}"


def _plot(
    title: str,
    legend: Mapping[str, str],
    ticks: Sequence[tuple[float, str]],
    rows: Iterable[tuple[str, Sequence[Dot]]],
) -> str:
    rows = list(rows)
    height = TOP + ROW * len(rows) + 34
    low, high = ticks[0][0], ticks[-1][0]

    def x_of(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low)

    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
            f' aria-label="{escape(title)}">'
        ),
        STYLE,
        f'<text x="10" y="20" font-weight="600">{escape(title)}</text>',
    ]
    across = 10.0
    for kind, text in legend.items():
        lines += [_shape(kind, across + 6, 40), f'<text x="{across + 18:.0f}" y="45">{escape(text)}</text>']
        across += 40 + 7.2 * len(text)
    for value, text in ticks:
        x = x_of(value)
        lines += [
            f'<line class="grid" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 28}"/>',
            f'<text class="quiet" x="{x:.1f}" y="{height - 10}" text-anchor="middle">{escape(text)}</text>',
        ]
    for number, (name, dots) in enumerate(rows):
        y = TOP + ROW * number + ROW / 2
        weight = ' font-weight="600"' if name.startswith("POET") else ""
        lines.append(f'<text x="{LEFT - 14}" y="{y + 4:.1f}" text-anchor="end"{weight}>{escape(name)}</text>')
        for dot in dots:
            if dot.low is not None and dot.high is not None:
                lines.append(
                    f'<line class="range {dot.kind}" x1="{x_of(dot.low):.1f}" y1="{y:.1f}"'
                    f' x2="{x_of(dot.high):.1f}" y2="{y:.1f}"/>'
                )
            lines.append(_shape(dot.kind, x_of(dot.at), y))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _shape(kind: str, x: float, y: float) -> str:
    return SHAPES[kind].format(x=x, y=y, left=x - 4.5, up=y - 4.5, top=y - 6)
