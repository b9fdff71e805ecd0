"""The plots of the report and the web interface: compute coordinates that templates render as SVG.

`curves` and `ranges` include their numbers as rows for a table below the plot. `histogram`, `bars`, `meter`
and `span` are small, and the page shows their numbers next to them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final, Protocol

from poet.spec.decisions import Evidence, Interval

WIDTH: Final = 640.0
HEIGHT: Final = 240.0
LEFT: Final = 62.0
RIGHT: Final = 14.0
TOP: Final = 12.0
BOTTOM: Final = 40.0
ROW: Final = 34.0  # of a plot of ranges
MOST_TICKS: Final = 6
GREATEST: Final = 1e100  # larger e-values are clipped
HISTOGRAM_WIDTH: Final = 640
HISTOGRAM_HEIGHT: Final = 180
HISTOGRAM_TICKS: Final = 5
Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its points, and optionally a band around them."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()  # x, low, high
    is_quiet: bool = False  # a reference line for the others
    is_stepped: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """A series in coordinates."""

    name: str
    path: str
    band: str
    dots: tuple[tuple[float, float], ...]
    number: int  # index of its line style
    is_quiet: bool


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines over a shared x axis and y axis, with their numbers."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    columns: Row
    rows: tuple[Row, ...]
    width: float = WIDTH
    height: float = HEIGHT


@dataclass(frozen=True, slots=True)
class Range:
    """An estimate with its interval, now and before."""

    label: str
    now: Interval
    was: Interval | None = None


@dataclass(frozen=True, slots=True)
class Ranges:
    """Intervals in rows on a shared axis."""

    title: str
    x_label: str
    lines: tuple[tuple[str, float, tuple[float, float, float], tuple[float, float, float] | None], ...]
    x_ticks: tuple[tuple[float, str], ...]
    columns: Row
    rows: tuple[Row, ...]
    zero: float | None
    height: float
    width: float = WIDTH


class Sketch(Protocol):
    """The counts of two samples: by bin if numeric, otherwise by value."""

    @property
    def edges(self) -> tuple[float, ...]:
        """Return the edges of the bins."""
        ...

    @property
    def values(self) -> tuple[str, ...]:
        """The categories."""
        ...

    @property
    def current(self) -> tuple[int, ...]:
        """Return the counts of the current sample."""
        ...

    @property
    def reference(self) -> tuple[int, ...]:
        """Return the counts of the reference."""
        ...


@dataclass(frozen=True, slots=True)
class Histogram:
    """Two numeric samples: the reference as an area, the current one as a line, in shares."""

    area: str
    line: str
    ticks: tuple[tuple[float, str], ...]
    most: str  # the share at the top


@dataclass(frozen=True, slots=True)
class Bars:
    """Two categorical samples: a pair of bars for each value."""

    rows: tuple[tuple[str, float, float, str, str], ...]  # value, widths and shares of reference and current


@dataclass(frozen=True, slots=True)
class Meter:
    """An e-value and its threshold, on a logarithmic scale from 1."""

    value: float
    bar: float
    is_clear: bool


@dataclass(frozen=True, slots=True)
class Span:
    """An interval on an axis that several share, in percent of it."""

    low: float
    estimate: float
    high: float


def curves(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    is_log_x: bool = False,
    is_log_y: bool = False,
    has_zero: bool = False,
) -> Plot | None:
    """Return a plot of lines; None without points."""
    xs = [x for each in series for x, _ in each.points]
    if not xs:
        return None
    ys = [y for each in series for _, y in each.points]
    ys += [end for each in series for _, low, high in each.band for end in (low, high)]
    across = _Axis(xs, LEFT, WIDTH - RIGHT, is_log=is_log_x)
    up = _Axis([*ys, *([0.0] if has_zero else [])], HEIGHT - BOTTOM, TOP, is_log=is_log_y)
    drawn = tuple(
        Curve(
            name=each.name,
            path=_path([(across(x), up(y)) for x, y in each.points], is_stepped=each.is_stepped),
            band=_band([(across(x), up(low), up(high)) for x, low, high in each.band]),
            dots=() if each.is_quiet else tuple((across(x), up(y)) for x, y in each.points),
            number=number,
            is_quiet=each.is_quiet,
        )
        for number, each in enumerate(series)
    )
    return Plot(title, x_label, y_label, drawn, across.ticks(), up.ticks(), *_table(x_label, series))


def ranges(title: str, found: Sequence[Range], *, x_label: str) -> Ranges | None:
    """Return a plot of intervals; None without intervals."""
    if not found:
        return None
    ends = [end for each in found for one in (each.now, each.was) if one for end in (one.low, one.high)]
    axis = _Axis([*ends, 0.0], 8.0, WIDTH - RIGHT)

    def place(one: Interval) -> tuple[float, float, float]:
        return axis(one.low), axis(one.estimate), axis(one.high)

    lines = tuple(
        (each.label, TOP + ROW * number, place(each.now), place(each.was) if each.was else None)
        for number, each in enumerate(found)
    )
    rows = tuple(
        (each.label, which, _number(one.estimate), _number(one.low), _number(one.high), f"{one.n:g}")
        for each in found
        for which, one in (("now", each.now), ("before", each.was))
        if one is not None
    )
    return Ranges(
        title=title,
        x_label=x_label,
        lines=lines,
        x_ticks=axis.ticks(),
        columns=("", "", "estimate", "low", "high", "n"),
        rows=rows,
        zero=axis(0.0) if min(ends) < 0.0 < max(ends) else None,
        height=TOP + ROW * len(found) + BOTTOM,
    )


def histogram(sketch: Sketch) -> Histogram:
    """Return a numeric sketch in a box of `HISTOGRAM_WIDTH` by `HISTOGRAM_HEIGHT`."""
    current, reference = _shares(sketch.current), _shares(sketch.reference)
    most = max(*current, *reference, 1e-12)
    ticks = []
    for number in range(HISTOGRAM_TICKS):
        place = number / (HISTOGRAM_TICKS - 1)
        edge = sketch.edges[0] + place * (sketch.edges[-1] - sketch.edges[0])
        ticks.append((round(place * HISTOGRAM_WIDTH, 1), f"{edge:.4g}"))
    steps = _steps(reference, most)
    return Histogram(
        area=f"M0,{HISTOGRAM_HEIGHT} {steps} L{HISTOGRAM_WIDTH},{HISTOGRAM_HEIGHT} Z",
        line=f"M{_steps(current, most).removeprefix('L')}",
        ticks=tuple(ticks),
        most=f"{100 * most:.3g} %",
    )


def bars(sketch: Sketch) -> Bars:
    """Return a categorical sketch, widths in percent."""
    current, reference = _shares(sketch.current), _shares(sketch.reference)
    most = max(*current, *reference, 1e-12)
    rows = zip(sketch.values, reference, current, strict=True)
    return Bars(
        tuple(
            (value, round(100 * old / most, 1), round(100 * new / most, 1), f"{old:.1%}", f"{new:.1%}")
            for value, old, new in rows
        )
    )


def meter(evidence: Evidence) -> Meter:
    """Return an e-value and its threshold in percent of the scale."""
    reach = 1.25 * max(log10(max(evidence.e_value_threshold, 10.0)), log10(max(evidence.e_value, 1.0)))
    return Meter(
        value=round(100 * log10(max(evidence.e_value, 1.0)) / reach, 2),
        bar=round(100 * log10(max(evidence.e_value_threshold, 1.0)) / reach, 2),
        is_clear=evidence.e_value >= evidence.e_value_threshold,
    )


def span(interval: Interval, *others: Interval | None) -> Span:
    """Return an interval on the axis that it shares with others."""
    all_of_them = [interval, *(other for other in others if other is not None)]
    low = min(0.0, *(each.low for each in all_of_them))
    high = max(1.0 if low >= 0.0 else 0.0, *(each.high for each in all_of_them))
    width = (high - low) or 1.0

    def place(value: float) -> float:
        return round(100 * (value - low) / width, 2)

    return Span(place(interval.low), place(interval.estimate), place(interval.high))


class _Axis:
    """An axis that maps values to coordinates, with ticks at round numbers."""

    def __init__(self, values: Iterable[float], first: float, last: float, *, is_log: bool = False) -> None:
        self._is_log = is_log
        inside = [self._inner(value) for value in values]
        low, high = min(inside), max(inside)
        if is_log:
            low, high = floor(low + 1e-9), ceil(high - 1e-9)
        if high - low < 1e-12:
            low, high = low - (0.5 if is_log else abs(low) / 2 or 0.5), high + (abs(high) / 2 or 0.5)
        self._step = self._round((high - low) / (MOST_TICKS - 1))
        self._low, self._high = floor(low / self._step + 1e-9), ceil(high / self._step - 1e-9)
        self._first, self._last = first, last

    def _inner(self, value: float) -> float:
        return log10(min(max(value, 1 / GREATEST), GREATEST)) if self._is_log else value

    def _round(self, least: float) -> float:
        """Return the next step of 1, 2 or 5 times a power of ten; whole decades on a log axis."""
        if self._is_log:
            least = max(least, 1.0)
        decade = 10.0 ** floor(log10(least))
        return next(digit * decade for digit in (1, 2, 5, 10) if digit * decade >= least * (1 - 1e-9))

    def __call__(self, value: float) -> float:
        low, high = self._low * self._step, self._high * self._step
        share = (self._inner(value) - low) / (high - low)
        return round(self._first + share * (self._last - self._first), 1)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        marks = [number * self._step for number in range(self._low, self._high + 1)]
        return tuple((self(10.0**mark if self._is_log else mark), self._name(mark)) for mark in marks)

    def _name(self, mark: float) -> str:
        if not self._is_log:
            return _number(mark)
        return f"{10.0**mark:g}" if -3 <= mark <= 4 else f"1e{mark:g}"


def _path(points: Sequence[tuple[float, float]], *, is_stepped: bool) -> str:
    found, before = [], None
    for x, y in points:
        if is_stepped and before is not None:
            found.append(f"{x},{before}")
        found.append(f"{x},{y}")
        before = y
    return "M" + " L".join(found)


def _band(points: Sequence[tuple[float, float, float]]) -> str:
    if not points:
        return ""
    there = [f"{x},{high}" for x, _, high in points]
    back = [f"{x},{low}" for x, low, _ in reversed(points)]
    return f"M{' L'.join([*there, *back])} Z"


def _table(x_label: str, series: Sequence[Series]) -> tuple[Row, tuple[Row, ...]]:
    columns: list[str] = [x_label]
    for each in series:
        columns += [each.name, *(["low", "high"] if each.band else [])]
    rows = []
    for x in sorted({x for each in series for x, _ in each.points}):
        row = [_number(x)]
        for each in series:
            row.append(next((_number(y) for at, y in each.points if at == x), "-"))
            if each.band:
                ends = next(((low, high) for at, low, high in each.band if at == x), None)
                row += [_number(end) for end in ends] if ends else ["-", "-"]
        rows.append(tuple(row))
    return tuple(columns), tuple(rows)


def _number(value: float) -> str:
    if value and (abs(value) >= 1e7 or abs(value) < 1e-4):
        return f"{value:.3g}"
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 1000 else f"{value:.4g}"


def _shares(counts: tuple[int, ...]) -> list[float]:
    total = sum(counts) or 1
    return [count / total for count in counts]


def _steps(shares: list[float], most: float) -> str:
    width = HISTOGRAM_WIDTH / len(shares)
    parts = []
    for number, share in enumerate(shares):
        y = HISTOGRAM_HEIGHT - HISTOGRAM_HEIGHT * 0.94 * share / most
        parts.append(f"L{number * width:.1f},{y:.1f} L{(number + 1) * width:.1f},{y:.1f}")
    return " ".join(parts)
