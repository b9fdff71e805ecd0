"""Opens the columns of other libraries: from what they offer to a numpy array or to codes."""

import numbers
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from poet.errors import SampleError

__all__ = ["Coded", "factorise", "open_column"]

_ACCEPTED = "a 1-D numpy array, a list, or a pandas, polars or pyarrow column"


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Categories and, per row, which of them; -1 is missing."""

    codes: npt.NDArray[np.int64]
    categories: tuple[Hashable, ...]


def open_column(
    values: Any, name: str, *, dates: bool = False
) -> tuple[npt.NDArray[Any] | Coded, npt.NDArray[Any] | None]:
    """Give the column as an array or codes, and the times its index holds.

    Raises
    ------
    SampleError
        `values` is no column, or a column of dates where `dates` is false.
    """
    if type(values) is np.ndarray:  # most are, and have neither codes nor an index
        return _plain(values, name, dates=dates), None
    if isinstance(values, str | bytes | dict | set | frozenset) or np.isscalar(values):
        raise SampleError(f"{name} must be {_ACCEPTED}, got {type(values).__name__}")
    coded = _coded(values)
    if coded is not None:
        return coded, _index_times(values)
    return _plain(_array(values, name), name, dates=dates), _index_times(values)


def _plain(column: npt.NDArray[Any], name: str, *, dates: bool) -> npt.NDArray[Any]:
    """Give the array again if it is a column of something that can be compared."""
    if column.ndim != 1:
        advice = "; for a table use detect_drift_table" if column.ndim == 2 else ""
        raise SampleError(f"{name} must have one dimension, got {column.ndim}{advice}")
    if column.dtype.kind not in ("iufbOUSTM" if dates else "iufbOUST"):
        raise SampleError(f"{name} holds {column.dtype}; give numbers, booleans, text or categories instead")
    return column


def factorise(
    column: npt.NDArray[Any], name: str
) -> tuple[Coded, Literal["numeric", "boolean", "categorical"]]:
    """Code a column of Python objects or text in order of appearance, and tell its kind."""
    codes: dict[Hashable, int] = {}
    try:
        rows = [codes.setdefault(value, len(codes)) for value in column.tolist()]
    except TypeError as error:
        raise SampleError(f"{name} holds a value that is no number, boolean or text ({error})") from error
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
        raise SampleError(f"{name} holds dates; give numbers, booleans, text or categories instead")
    return "categorical"


def _is_missing(value: object) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _coded(values: Any) -> Coded | None:
    """Read pandas' categories, which are codes already; other libraries' decode themselves."""
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
    if hasattr(values, "index") or hasattr(values, "array"):  # pandas; `.array` tells its nullable numbers
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
        return np.asarray(values, dtype=object)  # numpy would print numbers among text, and None as "None"
    return column


def _index_times(values: Any) -> npt.NDArray[Any] | None:
    index: Any = getattr(values, "index", None)
    if getattr(getattr(index, "dtype", None), "kind", "") != "M":
        return None
    return _utc(index)


def _utc(dates: Any) -> npt.NDArray[Any]:
    """Give pandas' dates without their time zone."""
    if getattr(dates.dtype, "tz", None) is not None:
        dates = getattr(dates, "dt", dates).tz_convert(None)
    return np.asarray(dates.to_numpy())
