"""Numbers in, coordinates out; templates put them into SVG. Every plot carries its numbers as rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from poet.decisions import Interval

__all__ = ["Curve", "Plot", "Range", "Ranges", "Series", "curves", "ranges"]

WIDTH, HEIGHT = 640.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 14.0, 12.0, 40.0
ROW = 34.0  # of a plot of ranges
MOST_TICKS = 6
GREATEST = 1e100  # an e-value beyond it says no more
Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One line to draw: its points, and around them a band where there is one."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()  # x, low, high
    is_quiet: bool = False  # what the others are held against
    is_stepped: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """A series in coordinates."""

    name: str
    path: str
    band: str
    dots: tuple[tuple[float, float], ...]
    number: int  # which line style it has
    is_quiet: bool


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines over one axis each way, with the numbers behind them."""

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
    """Intervals under one another on one axis."""

    title: str
    x_label: str
    lines: tuple[tuple[str, float, tuple[float, float, float], tuple[float, float, float] | None], ...]
    x_ticks: tuple[tuple[float, str], ...]
    columns: Row
    rows: tuple[Row, ...]
    zero: float | None
    height: float
    width: float = WIDTH


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
    """Draw lines; None where there is not a point."""
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
    """Draw intervals; None where there is none."""
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


class _Axis:
    """One axis: values to coordinates, and round numbers along it."""

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
        """Give the next step of 1, 2 or 5 times a power of ten; whole decades on a log axis."""
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
