"""Sketches of both samples of an execution in a few hundred bytes, for a person to compare them visually.

The data of an execution that people are asked to label contain the field ``sketch``: counts between common
edges for numbers, and counts of the most frequent values for everything else. A program that records
executions itself may send ``samples`` with the values instead.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from math import isfinite
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from msgspec import Meta

from poet_runtime.drift.columns import read

BINS: Final = 32
VALUES: Final = 12  # of a categorical sample; all other values are counted together
OTHER: Final = "(other)"
SHOWN: Final = 40  # characters of a value
_Count = Annotated[int, Meta(ge=0)]
_Number = Annotated[float, Meta(ge=-1e300, le=1e300)]


class Sketch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Counts of both samples, between `edges` (one more than counts) or of `values`."""

    current: Annotated[tuple[_Count, ...], Meta(min_length=1, max_length=256)]
    reference: Annotated[tuple[_Count, ...], Meta(min_length=1, max_length=256)]
    edges: tuple[_Number, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether the number of counts matches the edges or values, and the edges increase."""
        if len(self.current) != len(self.reference):
            return False
        if self.values:
            return len(self.values) == len(self.current)
        grows = all(low < high for low, high in zip(self.edges, self.edges[1:], strict=False))
        return len(self.edges) == len(self.current) + 1 and grows


class _Samples(msgspec.Struct, frozen=True, kw_only=True):
    current: tuple[float | str, ...]
    reference: tuple[float | str, ...]


def sketch(current: Any, reference: Any, *, least: int = 1) -> Sketch | None:
    """Return a sketch of two columns; None if one has no values or their kinds differ.

    A value of a categorical column is listed if it occurs in at least `least` rows.
    """
    now, before = read(current), read(reference, name="reference")
    if not now.n_present or not before.n_present:
        return None
    if now.kind == before.kind == "numeric":
        return _numeric(np.asarray(now.values, dtype=np.float64), np.asarray(before.values, dtype=np.float64))
    if "numeric" in {now.kind, before.kind}:
        return None
    counted = (_counted(each.values, each.categories) for each in (now, before))
    return _categorical(*counted, least=least)


def read_sketch(data: Mapping[str, Any]) -> Sketch | None:
    """Return the sketch in an execution's data, or of its samples; None if there is nothing valid to plot."""
    try:
        if "sketch" in data:
            found = msgspec.convert(data["sketch"], Sketch)
            return found if found.is_sound else None
        if "samples" in data:
            samples = msgspec.convert(data["samples"], _Samples)
            kinds = {isinstance(value, str) for value in (*samples.current, *samples.reference)}
            return sketch(list(samples.current), list(samples.reference)) if len(kinds) == 1 else None
    except (msgspec.ValidationError, ValueError, TypeError, OverflowError):
        return None
    return None


def _numeric(current: np.ndarray[Any, Any], reference: np.ndarray[Any, Any]) -> Sketch | None:
    current, reference = current[np.isfinite(current)], reference[np.isfinite(reference)]
    if not current.size or not reference.size:
        return None
    both = np.concatenate([current, reference])
    ends = [np.quantile(each, [0.005, 0.995]) for each in (current, reference)]
    low, high = float(min(ends[0][0], ends[1][0])), float(max(ends[0][1], ends[1][1]))
    low, high = (low, high) if low < high else (float(both.min()), float(both.max()))
    if not low < high:
        low, high = low - 0.5, low + 0.5
    edges = np.linspace(low, high, BINS + 1)
    if not (isfinite(low) and isfinite(high)) or not bool((np.diff(edges) > 0).all()):
        return None
    counts = [np.histogram(np.clip(each, low, high), edges)[0] for each in (current, reference)]
    return Sketch(
        edges=tuple(float(f"{edge:.6g}") for edge in edges)
        if high - low > 1e-2 * max(abs(low), abs(high))
        else tuple(map(float, edges)),
        current=tuple(map(int, counts[0])),
        reference=tuple(map(int, counts[1])),
    )


def _counted(codes: Sequence[Any] | np.ndarray[Any, Any], categories: tuple[Hashable, ...]) -> Counter[str]:
    names = [str(each)[:SHOWN].encode("utf-8", "replace").decode() for each in categories]
    return Counter(names[int(code)] for code in codes)


def _categorical(current: Counter[str], reference: Counter[str], *, least: int) -> Sketch:
    values = [value for value, count in (current + reference).most_common(VALUES) if count >= least]
    counts = [[each[value] for value in values] for each in (current, reference)]
    rest = [each.total() - sum(known) for each, known in zip((current, reference), counts, strict=True)]
    if any(rest):
        values, counts = [*values, OTHER], [[*known, left] for known, left in zip(counts, rest, strict=True)]
    return Sketch(values=tuple(values), current=tuple(counts[0]), reference=tuple(counts[1]))
