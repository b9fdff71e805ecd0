"""Reads a column of any library into one plain `Sample`.

Libraries are recognised by what their columns can do, never imported. Numbers stay what they are, single
or double precision or integers, without a copy; what is computed from them is in double precision. None,
NaN, NaT and `pandas.NA` are missing. An infinity is a present, extreme value: it is kept here and given a
finite place by `poet.runtime.reference`.
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from poet.errors import SampleError
from poet.runtime._columns import Coded, factorise, open_column

__all__ = ["FloatArray", "IntArray", "Kind", "Sample", "read"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_EXACT = tuple(map(np.dtype, ("f8", "f4", "i8", "i4", "i2", "i1", "u4", "u2", "u1")))  # native, no rounding
Kind = Literal["numeric", "categorical", "boolean", "empty"]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The present values of one column, in the order of their times where those are known.

    `values` are numbers for a numeric sample, otherwise int64 codes into `categories`. `n` counts every row,
    `times` are seconds and as long as `values`. `is_single` says that the numbers came in single
    precision (float32 or less).
    """

    kind: Kind
    n: int
    values: npt.NDArray[Any]
    categories: tuple[Hashable, ...] = ()
    times: FloatArray | None = None
    is_single: bool = False

    @property
    def n_present(self) -> int:
        """How many rows are not missing."""
        return len(self.values)

    @property
    def missing_fraction(self) -> float:
        """Share of missing rows, 0 for a sample without rows."""
        return 1.0 - self.n_present / self.n if self.n else 0.0


def read(values: Any, *, times: Any = None, name: str = "current") -> Sample:
    """Read a one-dimensional column.

    Parameters
    ----------
    values
        1-D numpy array, list, tuple, or pandas, polars or pyarrow column: numbers, booleans, text or
        categories. A pandas Series with a DatetimeIndex brings its times.
    times
        One `datetime64` or number of seconds per row; wins over an index.
    name
        What to call the sample in an error.

    Raises
    ------
    SampleError
        The argument is not a column of a kind that can be compared.
    """
    column, index = open_column(values, name)
    seconds = _seconds(index if times is None else times, name)
    n = len(column.codes) if isinstance(column, Coded) else len(column)
    if seconds is not None and len(seconds) != n:
        raise SampleError(f"{name} has {n} rows but {len(seconds)} times; give one time per row")
    if isinstance(column, Coded):
        return _build("categorical", column.codes, column.codes >= 0, seconds, categories=column.categories)
    if column.dtype.kind in "iuf":
        return _numeric(column, seconds)
    if column.dtype.kind == "b":
        return _build("boolean", column.astype(np.int64), None, seconds, categories=(False, True))
    return _from_objects(column, seconds, name)


def _numeric(column: npt.NDArray[Any], seconds: FloatArray | None) -> Sample:
    values = column if column.dtype in _EXACT else column.astype(np.float64)
    present = None
    if (
        values.dtype.kind == "f" and len(values) and np.isnan(values.min())
    ):  # no array of flags if all are there
        present = ~np.isnan(values)
    sample = _build("numeric", values, present, seconds)
    is_single = column.dtype.kind == "f" and column.dtype.itemsize <= 4
    return replace(sample, is_single=True) if is_single else sample


def _from_objects(column: npt.NDArray[Any], seconds: FloatArray | None, name: str) -> Sample:
    coded, kind = factorise(column, name)
    if kind == "numeric":
        lookup = np.array([*map(float, coded.categories), np.nan])  # type: ignore[arg-type]
        return _numeric(lookup[coded.codes], seconds)
    return _build(kind, coded.codes, coded.codes >= 0, seconds, categories=coded.categories)


def _build(
    kind: Kind,
    values: npt.NDArray[Any],
    present: npt.NDArray[np.bool_] | None,
    seconds: FloatArray | None,
    *,
    categories: tuple[Hashable, ...] = (),
) -> Sample:
    n = len(values)
    if present is not None and not present.all():
        values = values[present]
        seconds = None if seconds is None else seconds[present]
    if seconds is not None and (seconds[1:] < seconds[:-1]).any():
        order = np.argsort(seconds, kind="stable")
        values, seconds = values[order], seconds[order]
    return Sample("empty" if not len(values) else kind, n, values, categories, seconds)


def _seconds(times: Any, name: str) -> FloatArray | None:
    """Read times as seconds; a missing time makes all of them unusable, for phases would be guessed."""
    if times is None:
        return None
    column, _ = open_column(times, f"times of {name}", dates=True)
    if not isinstance(column, Coded) and column.dtype.kind == "O":
        column = _instants(column, name)
    if isinstance(column, Coded) or column.dtype.kind not in "iufM":
        raise SampleError(f"times of {name} must be datetime64 or seconds, got {type(times).__name__}")
    if column.dtype.kind == "M":
        if np.isnat(column).any():
            return None
        return np.asarray(column.astype("datetime64[us]").astype(np.int64) / 1e6, np.float64)
    seconds = column.astype(np.float64, copy=False)
    return seconds if np.isfinite(seconds).all() else None


def _instants(column: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    are_seconds = all(value is None or isinstance(value, int | float) for value in column)
    try:
        return column.astype(np.float64 if are_seconds else "datetime64[us]")
    except (TypeError, ValueError) as error:
        raise SampleError(f"times of {name} must be datetime64 or seconds ({error})") from error
