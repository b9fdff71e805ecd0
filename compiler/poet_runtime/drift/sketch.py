"""Sketches of a reference in a few kilobytes: exact counts between fixed edges that can be merged.

Sketches with the same edges add up exactly over days and machines.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from poet_runtime.drift.columns import IntArray, read
from poet_runtime.drift.statistics import shares
from poet_runtime.drift.statistics.baseline import BINS, Counts, FloatArray
from poet_runtime.drift.statistics.p_values import kolmogorov
from poet_runtime.errors import SampleError

EDGES: Final = 256
_FORMAT: Final = 1


class Between(NamedTuple):
    """Lower and upper bound of a number."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Sketch:
    """Counts of the values of a numeric sample at, between and beyond fixed edges.

    Counts are integers, so sketches with the same edges add up exactly, in any order and grouping. Both
    distribution functions are known exactly on both sides of each edge; in between they can only increase.
    This bounds every distance; see `ks`.

    >>> from poet_runtime.drift.sketch import Sketch
    >>> reference = Sketch.of([1.0, 2.0, 3.0, 4.0])
    >>> reference.ks(reference.counted([3.0, 4.0]))
    Between(low=0.5, high=0.5)

    Parameters
    ----------
    edges
        The increasing edges, shape (m,).
    at
        The numbers of values equal to each edge, shape (m,).
    between
        The numbers of values below the first edge, strictly between neighboring edges, and above the last,
        shape (m + 1,).
    missing
        The number of missing rows.
    """

    edges: FloatArray
    at: IntArray
    between: IntArray
    missing: int = 0

    @classmethod
    def of(cls, values: Any, *, edges: npt.ArrayLike | None = None) -> Self:
        """Return the sketch of a numeric column.

        Parameters
        ----------
        values
            See `poet_runtime.drift.columns.read`.
        edges
            Increasing finite numbers, as returned by `edges_of`; by default those of this column.

        Raises
        ------
        SampleError
            The column is not numeric or has no finite value, or the edges are not increasing.
        """
        sample = read(values, name="values")
        if sample.kind not in ("numeric", "empty"):
            raise SampleError(
                f"a sketch needs numbers, these values are {sample.kind}; count them by category instead"
            )
        doubles = np.sort(np.asarray(sample.values, np.float64))
        bounds = edges_of(doubles) if edges is None else _checked(edges)
        before, upto = np.searchsorted(doubles, bounds, "left"), np.searchsorted(doubles, bounds, "right")
        between = np.append(before, len(doubles)) - np.append(0, upto)
        return cls(bounds, upto - before, between, sample.n - len(doubles))

    @property
    def n(self) -> int:
        """The number of present values."""
        return int(self.at.sum() + self.between.sum())

    @property
    def error(self) -> float:
        """The largest share of values between two edges, which bounds the error of `ks`."""
        return float(self.between.max(initial=0)) / max(self.n, 1)

    def __add__(self, other: "Sketch") -> "Sketch":
        """Return the sketch of both samples together."""
        if not np.array_equal(self.edges, other.edges):
            raise SampleError(
                "sketches with different edges cannot be added; sketch both with the edges of the first"
            )
        return Sketch(
            self.edges, self.at + other.at, self.between + other.between, self.missing + other.missing
        )

    def counted(self, values: Any) -> "Sketch":
        """Return the sketch of another column with the same edges."""
        return Sketch.of(values, edges=self.edges)

    def ks(self, current: "Sketch") -> Between:
        """Return bounds of the Kolmogorov-Smirnov distance from a current sample.

        The bounds differ by at most the larger `error` of the two sketches.
        """
        own, new = self._shares(current)
        apart = max(float(np.abs(own.below - new.below).max()), float(np.abs(own.upto - new.upto).max()))
        rise = np.maximum(own.ends - new.begins, new.ends - own.begins)
        return Between(apart, max(apart, float(rise.max())))

    def ks_p_value(self, current: "Sketch") -> Between:
        """Return bounds of the asymptotic p-value of that distance, for independent rows."""
        root = math.sqrt(self.n * current.n / (self.n + current.n))
        low, high = self.ks(current)
        return Between(kolmogorov(root * high), kolmogorov(root * low))

    def wasserstein(self, current: "Sketch") -> Between:
        """Return bounds of the first Wasserstein distance, in the unit of the values.

        The upper bound is infinite if values lie beyond the edges.
        """
        own, new = self._shares(current)
        widths = np.diff(self.edges)
        inner = slice(1, -1)
        least = np.maximum(own.begins - new.ends, new.begins - own.ends)[inner]
        most = np.maximum(own.ends - new.begins, new.ends - own.begins)[inner]
        is_enclosed = not (self.between[[0, -1]].any() or current.between[[0, -1]].any())
        high = float((widths * most).sum()) if is_enclosed else math.inf
        return Between(float((widths * np.maximum(least, 0.0)).sum()), high)

    def psi(self, current: "Sketch") -> float:
        """Return the population stability index over about ten bins of equal share."""
        return float(shares.psi(self._binned(current))[0])

    def jensen_shannon(self, current: "Sketch") -> float:
        """Return the Jensen-Shannon distance to base 2 over about ten bins of equal share."""
        return float(shares.jensen_shannon(self._binned(current))[0])

    def to_bytes(self) -> bytes:
        """Return the sketch as bytes, which `from_bytes` reads."""
        head = json.dumps({"format": _FORMAT, "edges": len(self.edges), "missing": self.missing}).encode()
        parts = (self.edges.astype("<f8"), self.at.astype("<i8"), self.between.astype("<i8"))
        return b"\n".join((head, b"".join(part.tobytes() for part in parts)))

    @classmethod
    def from_bytes(cls, document: bytes) -> Self:
        """Return the sketch that `to_bytes` wrote.

        Raises
        ------
        SampleError
            The document is not a sketch, or it was truncated.
        """
        head, _, body = document.partition(b"\n")
        try:
            told = json.loads(head)
            m, missing, is_known = int(told["edges"]), int(told["missing"]), told["format"] == _FORMAT
        except (ValueError, KeyError, TypeError) as error:
            raise SampleError(
                f"this is not a sketch ({error}); pass the output of Sketch.to_bytes"
            ) from error
        if not is_known or m < 1 or len(body) != 8 * (3 * m + 1):
            raise SampleError(
                f"a sketch of {m} edges has {8 * (3 * m + 1)} bytes of counts, this has {len(body)}"
            )
        edges = _checked(np.frombuffer(body, "<f8", m))
        counts = np.frombuffer(body, "<i8", offset=8 * m).astype(np.int64)
        if missing < 0 or counts.min() < 0:
            raise SampleError("this sketch is damaged: it has negative counts; create it again")
        return cls(edges, counts[:m], counts[m:], missing)

    def _shares(self, current: "Sketch") -> tuple["_Shares", "_Shares"]:
        if not np.array_equal(self.edges, current.edges):
            raise SampleError("these sketches have different edges; sketch the current sample with `counted`")
        if not self.n or not current.n:
            raise SampleError("a sketch without values cannot be compared; wait for values")
        return _Shares.of(self), _Shares.of(current)

    def _binned(self, current: "Sketch") -> Counts:
        own, new = self._shares(current)
        wanted = np.searchsorted(own.upto, np.arange(1, BINS) / BINS)
        bins = np.unique(np.minimum(wanted, len(self.edges) - 1))
        parts = [
            np.diff(np.concatenate(([0.0], each.upto[bins], [1.0]))) * n
            for each, n in ((new, current.n), (own, self.n))
        ]
        return Counts(np.rint(parts[0])[None], np.rint(parts[1]))


class _Shares(NamedTuple):
    """A distribution function below and up to each edge, and at the start and end of each gap between."""

    below: FloatArray
    upto: FloatArray
    begins: FloatArray
    ends: FloatArray

    @classmethod
    def of(cls, sketch: Sketch) -> "_Shares":
        below = np.cumsum(sketch.between[:-1] + np.append(0, sketch.at[:-1]))
        upto = below + sketch.at
        n = sketch.n
        return cls(below / n, upto / n, np.append(0.0, upto / n), np.append(below / n, 1.0))


def edges_of(values: npt.ArrayLike, edges: int = EDGES) -> FloatArray:
    """Return at most `edges` quantiles of a sample at equal distances, from its minimum to its maximum.

    >>> from poet_runtime.drift.sketch import edges_of
    >>> edges_of([1.0, 2.0, 3.0, 4.0], edges=3).tolist()
    [1.0, 2.0, 4.0]

    Raises
    ------
    SampleError
        There is no finite value.
    """
    doubles = np.asarray(values, np.float64)
    finite = np.sort(doubles[np.isfinite(doubles)])
    if not finite.size:
        raise SampleError("there is no finite value to compute edges from; pass a column of numbers")
    return np.unique(finite[np.linspace(0, finite.size - 1, edges).astype(np.int64)])


def merge(sketches: Iterable[Sketch]) -> Sketch:
    """Return the sum of sketches with the same edges, exact in any order and grouping.

    Raises
    ------
    SampleError
        There are no sketches, or their edges differ.
    """
    first, *others = list(sketches) or _none()
    for other in others:
        first += other
    return first


def _none() -> list[Sketch]:
    raise SampleError("there are no sketches to merge")


def _checked(edges: npt.ArrayLike) -> FloatArray:
    found = np.array(edges, np.float64)
    if found.ndim != 1 or not found.size or not np.isfinite(found).all() or (np.diff(found) <= 0.0).any():
        raise SampleError("edges must be increasing finite numbers; `edges_of` computes such edges")
    return found
