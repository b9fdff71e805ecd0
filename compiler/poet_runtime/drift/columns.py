"""Conversion of a column of any library to a `Sample`.

Libraries are recognized by the attributes of their columns and never imported. `open_column` converts a
column to a numpy array or to codes. Numbers keep their type (integers, single or double precision) without a
copy; results computed from them are in double precision. None, NaN, NaT and `pandas.NA` are missing. An
infinity is a present, extreme value: it is kept here, and `poet_runtime.drift.reference` replaces it by a
finite one.

`Taming` keeps arithmetic finite: it replaces infinities by finite values, and scales extreme magnitudes by a
power of two.
"""

import math
import numbers
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from poet_runtime.errors import SampleError


class SupportsArray(Protocol):
    """A column that numpy can read: an array, or a column of pandas, polars or pyarrow."""

    def __array__(self) -> npt.NDArray[Any]:
        """Return the values as an array."""
        ...


Column: TypeAlias = SupportsArray | Sequence[Any]  # a value per row; None, NaN, NaT and pandas.NA are missing
Times: TypeAlias = SupportsArray | Sequence[Any]  # datetime64, or seconds since 1970, one per row
Context: TypeAlias = Mapping[str, Any]  # scalars by name, such as "business_impact" and "period" (seconds)

_ACCEPTED: Final = "a 1-D numpy array, a list, or a pandas, polars or pyarrow column"


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Categories and the code of each row; -1 is missing."""

    codes: npt.NDArray[np.int64]
    categories: tuple[Hashable, ...]


def open_column(
    values: Any, name: str, *, dates: bool = False
) -> tuple[npt.NDArray[Any] | Coded, npt.NDArray[Any] | None]:
    """Return the column as an array or codes, and the times in its index, if any.

    Raises
    ------
    SampleError
        `values` is not a column, or it is a column of dates and `dates` is false.
    """
    if type(values) is np.ndarray:  # the most frequent case, which has neither codes nor an index
        return _plain(values, name, dates=dates), None
    if isinstance(values, str | bytes | dict | set | frozenset) or np.isscalar(values):
        raise SampleError(f"{name} must be {_ACCEPTED}, got {type(values).__name__}")
    coded = _coded(values)
    if coded is not None:
        return coded, _index_times(values)
    return _plain(_array(values, name), name, dates=dates), _index_times(values)


def _plain(column: npt.NDArray[Any], name: str, *, dates: bool) -> npt.NDArray[Any]:
    """Return the array unchanged if it is a column that can be compared.

    Raises
    ------
    SampleError
        It has more than one dimension or an unsupported type.
    """
    if column.ndim != 1:
        advice = "; for a table use detect_drift_table" if column.ndim == 2 else ""
        raise SampleError(f"{name} must have one dimension, got {column.ndim}{advice}")
    if column.dtype.kind not in ("iufbOUSTM" if dates else "iufbOUST"):
        raise SampleError(f"{name} holds {column.dtype}; pass numbers, booleans, text or categories instead")
    return column


def factorise(
    column: npt.NDArray[Any], name: str
) -> tuple[Coded, Literal["numeric", "boolean", "categorical"]]:
    """Return the codes of a column of Python objects or text, in order of appearance, and its kind."""
    codes: dict[Hashable, int] = {}
    try:
        rows = [codes.setdefault(value, len(codes)) for value in column.tolist()]
    except TypeError as error:
        raise SampleError(f"{name} holds a value that is not a number, boolean or text ({error})") from error
    seen = list(codes)
    kept = [value for value in seen if not _is_missing(value)]
    places = {id(value): place for place, value in enumerate(kept)}
    new_codes = np.array([places.get(id(value), -1) for value in seen], np.int64)
    inverse = new_codes[np.array(rows, np.int64)] if rows else np.empty(0, np.int64)
    return Coded(inverse, tuple(kept)), _kind_of(kept, name)


def _kind_of(values: list[Hashable], name: str) -> Literal["numeric", "boolean", "categorical"]:
    types = {type(value) for value in values}
    if types and all(issubclass(type_, bool | np.bool_) for type_ in types):
        return "boolean"
    if types and all(issubclass(type_, numbers.Number) and not issubclass(type_, complex) for type_ in types):
        return "numeric"
    if any(type_.__module__ == "datetime" or type_.__name__ == "Timestamp" for type_ in types):
        raise SampleError(f"{name} holds dates; pass numbers, booleans, text or categories instead")
    return "categorical"


def _is_missing(value: object) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _coded(values: Any) -> Coded | None:
    """Return the codes of a pandas categorical; None for other columns, whose libraries decode them."""
    categorical: Any = (
        getattr(values, "cat", None) if str(getattr(values, "dtype", "")) == "category" else values
    )
    if not (hasattr(categorical, "codes") and hasattr(categorical, "categories")):
        return None
    return Coded(np.asarray(categorical.codes, np.int64), tuple(categorical.categories.tolist()))


def _array(values: Any, name: str) -> npt.NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(np.ma.filled(values.astype(np.float64), np.nan))
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "type") and hasattr(values, "null_count"):  # pyarrow
        return _arrow(values)
    if hasattr(values, "to_numpy"):  # pandas and polars
        return _frame_column(values)
    if isinstance(values, list | tuple | range) or hasattr(values, "__array__"):
        return _sequence(values, name)
    raise SampleError(f"{name} must be {_ACCEPTED}, got {type(values).__name__}")


def _arrow(values: Any) -> npt.NDArray[Any]:
    if hasattr(values.type, "value_type") and hasattr(values.type, "index_type"):  # dictionary encoded
        values = values.cast(values.type.value_type)
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _frame_column(values: Any) -> npt.NDArray[Any]:
    if hasattr(values, "index") or hasattr(values, "array"):  # pandas, including its nullable numbers
        kind = getattr(getattr(values, "dtype", None), "kind", "O")
        if kind in "iuf" and not isinstance(values.dtype, np.dtype):
            return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
        if kind == "M":
            return _utc(values)
    return np.asarray(values.to_numpy())


def _sequence(values: Any, name: str) -> npt.NDArray[Any]:
    try:
        column = np.asarray(values)
    except ValueError as error:
        raise SampleError(f"{name} must have one dimension, got rows of different lengths") from error
    if column.ndim == 1 and column.dtype.kind in "USTV" and not hasattr(values, "__array__"):
        return np.asarray(
            values, dtype=object
        )  # numpy would convert numbers among text, and None, to strings
    return column


def _index_times(values: Any) -> npt.NDArray[Any] | None:
    index: Any = getattr(values, "index", None)
    if getattr(getattr(index, "dtype", None), "kind", "") != "M":
        return None
    return _utc(index)


def _utc(dates: Any) -> npt.NDArray[Any]:
    """Return the dates of pandas as UTC without a time zone."""
    if getattr(dates.dtype, "tz", None) is not None:
        dates = getattr(dates, "dt", dates).tz_convert(None)
    return np.asarray(dates.to_numpy())


FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_EXACT: Final = tuple(
    map(np.dtype, ("f8", "f4", "i8", "i4", "i2", "i1", "u4", "u2", "u1"))
)  # native, no rounding
Kind = Literal["numeric", "categorical", "boolean", "empty"]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The present values of one column, in the order of their times if those are known.

    `values` are numbers for a numeric sample, otherwise int64 codes into `categories`. `n` is the number of
    all rows. `times` are in seconds and as long as `values`. `is_single` is true if the numbers were given
    in single precision (float32 or less).
    """

    kind: Kind
    n: int
    values: npt.NDArray[Any]
    categories: tuple[Hashable, ...] = ()
    times: FloatArray | None = None
    is_single: bool = False

    @property
    def n_present(self) -> int:
        """The number of rows that are not missing."""
        return len(self.values)

    @property
    def missing_fraction(self) -> float:
        """The share of missing rows; 0 for a sample without rows."""
        return 1.0 - self.n_present / self.n if self.n else 0.0


def read(values: Any, *, times: Any = None, name: str = "current") -> Sample:
    """Read a one-dimensional column.

    Parameters
    ----------
    values
        1-D numpy array, list, tuple, or pandas, polars or pyarrow column: numbers, booleans, text or
        categories. The times of a pandas Series with a DatetimeIndex are read from its index.
    times
        One `datetime64` or number of seconds per row; takes precedence over an index.
    name
        The name of the sample in error messages.

    Raises
    ------
    SampleError
        The argument is not a column of a supported kind, or the number of times differs from that of rows.
    """
    column, index = open_column(values, name)
    seconds = _seconds(index if times is None else times, name)
    n = len(column.codes) if isinstance(column, Coded) else len(column)
    if seconds is not None and len(seconds) != n:
        raise SampleError(f"{name} has {n} rows but {len(seconds)} times; pass one time per row")
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
    ):  # no mask is created if nothing is missing
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
    """Return times in seconds; None if one is missing, because its phase would have to be guessed."""
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


HUGE, TINY, LIMIT = 1e100, 1e-100, 1e140  # squares and their sums stay finite in between
SINGLE: Final = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Taming:
    """The map of a reference, and of every current sample after it, to a safe numeric range.

    An infinity is replaced by a value that is one range of the reference's finite values beyond them, or by
    the current sample's own finite extreme if that is further out.
    """

    exponent: int  # values are divided by this power of two; 0 unless the reference is extreme
    low: float
    high: float

    @classmethod
    def of(cls, values: FloatArray) -> Self:
        """Return the map for a reference."""
        ends = _ends(values)
        if not all(map(math.isfinite, ends)):
            ends = _ends(values[np.isfinite(values)])
        if not ends:
            return cls(0, -1.0, 1.0)
        largest = max(map(abs, ends))
        exponent = 0 if largest == 0.0 or TINY < largest < HUGE else math.frexp(largest)[1]
        low, high = (float(each) for each in np.ldexp(ends, -exponent))
        beyond = high - low or abs(high) or 1.0
        return cls(exponent, low - beyond, high + beyond)

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return numbers of any type mapped to the range. Ordinary numbers are returned without a copy."""
        if self.exponent:
            with np.errstate(over="ignore"):
                values = np.ldexp(values.astype(np.float64, copy=False), -self.exponent)
        if not len(values) or (float(values.max()) <= LIMIT and float(values.min()) >= -LIMIT):
            return values
        values = values.astype(np.float64, copy=False)
        finite = np.clip(values[np.isfinite(values)], -LIMIT, LIMIT)
        low = min(self.low, float(finite.min(initial=np.inf)))
        high = max(self.high, float(finite.max(initial=-np.inf)))
        return np.where(
            np.isneginf(values), low, np.where(np.isposinf(values), high, np.clip(values, -LIMIT, LIMIT))
        )


def _ends(values: FloatArray) -> list[float]:
    return [float(values.min()), float(values.max())] if len(values) else []


def as_single(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return values in single precision, like the other sample; otherwise equal values would differ."""
    if len(values) and max(float(values.max()), -float(values.min())) > SINGLE:
        values = np.clip(values, -SINGLE, SINGLE)
    return values.astype(np.float32)
