"""Where things stand in a drawing: numbers in, coordinates out. Templates put them into SVG."""

from dataclasses import dataclass
from math import log10

from poet.decisions import Evidence, Interval
from poet.inbox import Sketch

__all__ = ["Bars", "Histogram", "Meter", "Span", "bars", "histogram", "meter", "span"]

WIDTH, HEIGHT = 640, 180
TICKS = 5


@dataclass(frozen=True, slots=True)
class Histogram:
    """Two numeric samples: the reference as an area, the current one as a line, in shares of each sample."""

    area: str
    line: str
    ticks: tuple[tuple[float, str], ...]
    most: str  # the share at the top


@dataclass(frozen=True, slots=True)
class Bars:
    """Two categorical samples: a pair of bars a value."""

    rows: tuple[tuple[str, float, float, str, str], ...]  # value, widths and shares of reference and current


@dataclass(frozen=True, slots=True)
class Meter:
    """An e-value against its bar, on a logarithmic scale from 1."""

    value: float
    bar: float
    is_clear: bool


@dataclass(frozen=True, slots=True)
class Span:
    """An interval on an axis that several share, in per cent of it."""

    low: float
    estimate: float
    high: float


def histogram(sketch: Sketch) -> Histogram:
    """Draw a numeric sketch in a box of `WIDTH` by `HEIGHT`."""
    current, reference = _shares(sketch.current), _shares(sketch.reference)
    most = max(*current, *reference, 1e-12)
    ticks = []
    for number in range(TICKS):
        place = number / (TICKS - 1)
        edge = sketch.edges[0] + place * (sketch.edges[-1] - sketch.edges[0])
        ticks.append((round(place * WIDTH, 1), f"{edge:.4g}"))
    steps = _steps(reference, most)
    return Histogram(
        area=f"M0,{HEIGHT} {steps} L{WIDTH},{HEIGHT} Z",
        line=f"M{_steps(current, most).removeprefix('L')}",
        ticks=tuple(ticks),
        most=f"{100 * most:.3g} %",
    )


def bars(sketch: Sketch) -> Bars:
    """Draw a categorical sketch, widths in per cent."""
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
    """Place an e-value and its bar, in per cent of the scale."""
    reach = 1.25 * max(log10(max(evidence.bar, 10.0)), log10(max(evidence.e_value, 1.0)))
    return Meter(
        value=round(100 * log10(max(evidence.e_value, 1.0)) / reach, 2),
        bar=round(100 * log10(max(evidence.bar, 1.0)) / reach, 2),
        is_clear=evidence.e_value >= evidence.bar,
    )


def span(interval: Interval, *others: Interval | None) -> Span:
    """Place an interval on the axis that it shares with others."""
    all_of_them = [interval, *(other for other in others if other is not None)]
    low = min(0.0, *(each.low for each in all_of_them))
    high = max(1.0 if low >= 0.0 else 0.0, *(each.high for each in all_of_them))
    width = (high - low) or 1.0

    def place(value: float) -> float:
        return round(100 * (value - low) / width, 2)

    return Span(place(interval.low), place(interval.estimate), place(interval.high))


def _shares(counts: tuple[int, ...]) -> list[float]:
    total = sum(counts) or 1
    return [count / total for count in counts]


def _steps(shares: list[float], most: float) -> str:
    width = WIDTH / len(shares)
    parts = []
    for number, share in enumerate(shares):
        y = HEIGHT - HEIGHT * 0.94 * share / most
        parts.append(f"L{number * width:.1f},{y:.1f} L{(number + 1) * width:.1f},{y:.1f}")
    return " ".join(parts)
