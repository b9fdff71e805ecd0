"""Which values of a column are missing, whatever library holds it."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["missing"]

Mask = npt.NDArray[np.bool_]


def missing(column: Any) -> Mask | None:
    """Tell row by row what is missing (None, NaN, NaT, NA, null); None where nothing can be.

    Numbers that cannot be NaN cost nothing; values of Python are looked at one by one.
    """
    if isinstance(column, np.ndarray):
        return _of_array(column)
    if isinstance(column, range):
        return None
    if hasattr(column, "isna"):  # pandas
        return np.asarray(column.isna(), np.bool_)
    if hasattr(column, "is_null"):
        return (
            _of_polars(column) if hasattr(getattr(column, "dtype", None), "is_float") else _of_arrow(column)
        )
    if hasattr(column, "__array__"):
        return _of_array(np.asarray(column))
    return _of_values(column)


def _of_array(column: npt.NDArray[Any]) -> Mask | None:
    if isinstance(column, np.ma.MaskedArray):
        inner = _of_array(np.asarray(column.data))
        masked = np.ma.getmaskarray(column)
        return masked if inner is None else masked | inner
    if column.dtype.kind in "fc":
        return np.asarray(np.isnan(column))
    if column.dtype.kind in "mM":
        return np.asarray(np.isnat(column))
    if column.dtype.kind == "O":
        return np.fromiter(map(_is_missing, column), np.bool_, len(column))
    return None


def _of_values(column: Any) -> Mask | None:
    """Look at plain Python values, at numpy's speed where all are numbers."""
    try:
        numbers = np.asarray(column)
    except ValueError:  # sequences of different lengths among them
        numbers = np.empty((), object)
    if numbers.ndim == 1 and numbers.dtype.kind in "fiub":
        return _of_array(numbers)
    return np.fromiter(map(_is_missing, column), np.bool_, len(column))


def _of_polars(column: Any) -> Mask:
    mask = np.asarray(column.is_null().to_numpy(), np.bool_)
    if column.dtype.is_float():
        mask = mask | np.asarray(column.is_nan().fill_null(value=False).to_numpy(), np.bool_)
    return mask


def _of_arrow(column: Any) -> Mask:
    mask = column.is_null(nan_is_null=True)
    if hasattr(mask, "combine_chunks"):  # a chunked column
        mask = mask.combine_chunks()
    return np.asarray(mask.to_numpy(zero_copy_only=False), np.bool_)


def _is_missing(value: object) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))
