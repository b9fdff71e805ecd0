"""Measures of the data before monitoring, and smaller or simpler views of them.

`missing` returns which values of a column are missing, for columns of any library.
"""

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from poet_runtime.errors import SampleError
from poet_runtime.recovery.tables import PAIR, Table, is_pair, open_table, part_of

Mask = npt.NDArray[np.bool_]


def missing(column: Any) -> Mask | None:
    """Return a mask of the missing rows (None, NaN, NaT, NA, null); None if no row can be missing.

    Numbers that cannot be NaN are not examined. Python objects are examined one by one.
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
    """Return the mask of plain Python values, computed by numpy if all are numbers."""
    try:
        numbers = np.asarray(column)
    except ValueError:  # contains sequences of different lengths
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


_GOLDEN: Final = 0.6180339887498949  # the fraction whose multiples are spread most evenly modulo 1
_TIMES: Final = ("current_times", "reference_times")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The size of data and their shares of missing values; all 0 if the data are not a table."""

    rows: int = 0  # of the longer table of a pair
    features: int = 0
    missing_shares: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def missing_share(self) -> float:
        """The largest share of missing values of a feature, 0 … 1."""
        return max(self.missing_shares.values(), default=0.0)


def measure(data: Any) -> Measures:
    """Measure a table, or a pair of a current and a reference table.

    >>> from poet_runtime.recovery import measure
    >>> found = measure({"age": [31.0, None], "city": ["a", "b"]})
    >>> found.rows, found.features, found.missing_share
    (2, 2, 0.5)

    Raises
    ------
    Exception
        Any error that damaged data raise when they are read.
    """
    tables = _tables(data)
    shares: dict[str, float] = {}
    for table in tables:
        for place, name in enumerate(table.names):
            shares[name] = max(shares.get(name, 0.0), _share(table.column(place)))
    return Measures(
        rows=max((table.n_rows for table in tables), default=0),
        features=len(tables[0].names) if tables else 0,
        missing_shares=shares,
    )


def sample_rows(data: Any, rows: int) -> Any:
    """Return a sample of `rows` rows, in their order and in the same type of container.

    The sample is systematic, with one row from each of `rows` contiguous pieces of equal length. The position
    within the piece advances by the golden section, because a fixed step would always meet a season in the
    same phase. The same data give the same sample. Both tables of a pair are sampled. Data with at most
    `rows` rows are returned unchanged.

    >>> from poet_runtime.recovery import sample_rows
    >>> len(sample_rows({"age": list(range(1000))}, 100)["age"])
    100

    Raises
    ------
    SampleError
        `rows` is not a positive int, or `data` is not a table.
    """
    if type(rows) is not int or rows < 1:
        raise SampleError(f"rows must be an int of at least 1, got {rows!r}")

    def sampled(table: Table) -> Any:
        n = table.n_rows
        return table.rows(_places(n, rows)) if n > rows else None

    return _changed(data, sampled)


def sparse_view(data: Any, names: frozenset[str]) -> Any:
    """Return the data with the values of these columns replaced by presence, 1.0 or 0.0.

    A monitor then sees changes of missingness but no missing values.

    >>> from poet_runtime.recovery import sparse_view
    >>> sparse_view({"age": [31.0, None], "city": ["a", "b"]}, frozenset({"age"}))
    {'age': [1.0, 0.0], 'city': ['a', 'b']}

    Raises
    ------
    SampleError
        `data` is not a table.
    """

    def presence(table: Table) -> Any:
        columns = {
            place: _presence(table.column(place), table.n_rows)
            for place, name in enumerate(table.names)
            if name in names
        }
        return table.replaced(columns) if columns else None

    return _changed(data, presence)


def by_feature(data: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name of each column and the data with only this column; a table without it stays whole.

    Raises
    ------
    SampleError
        `data` is not a table.
    """
    names = dict.fromkeys(name for table in _tables_of(data) for name in table.names)
    for name in names:

        def single(table: Table, name: str = name) -> Any:
            return table.only(table.names.index(name)) if name in table.names else None

        yield name, _changed(data, single)


def _places(n: int, rows: int) -> npt.NDArray[np.int64]:
    borders = np.arange(rows + 1, dtype=np.int64) * n // rows
    within = np.modf(np.arange(rows) * _GOLDEN)[0] * np.diff(borders)
    return np.asarray(borders[:-1] + within.astype(np.int64))


def _share(column: Any) -> float:
    mask = missing(column) if hasattr(column, "__len__") else None
    return float(np.mean(mask)) if mask is not None and len(mask) else 0.0


def _presence(column: Any, n: int) -> npt.NDArray[np.float64]:
    mask = missing(column)
    return np.ones(n) if mask is None else (~mask).astype(np.float64)


def _tables_of(data: Any) -> list[Table]:
    tables = _tables(data)
    if not tables:
        raise SampleError(
            f"data must be a table, or a pair of current and reference, got {type(data).__name__}"
        )
    return tables


def _tables(data: Any) -> list[Table]:
    """Return both tables of a pair, a list with the single table, or an empty list."""
    if is_pair(data):
        return [table for part in PAIR if (table := open_table(part_of(data, part))) is not None]
    table = open_table(data)
    return [] if table is None else [table]


def _changed(data: Any, change: Callable[[Table], Any]) -> Any:
    """Return the data with each table changed. If the change returns None, the table stays unchanged."""
    _tables_of(data)
    if not is_pair(data):
        (table,) = _tables_of(data)
        return _or(change(table), data)
    parts: dict[str, Any] = {}
    for part, times in zip(PAIR, _TIMES, strict=True):
        opened, moments = open_table(part_of(data, part)), open_table(part_of(data, times))
        if opened is None:  # prepared references, for example
            continue
        parts[part] = _or(change(opened), part_of(data, part))
        now = open_table(parts[part])
        if moments is not None and now is not None and now.n_rows < moments.n_rows == opened.n_rows:
            parts[times] = change(moments)
    return _with_parts(data, parts)


def _or(changed: Any, otherwise: Any) -> Any:
    return otherwise if changed is None else changed


def _with_parts(data: Any, parts: Mapping[str, Any]) -> Any:
    if isinstance(data, Mapping):
        held = data.copy() if isinstance(data, dict) else dict(data)
        held.update(parts)
        return held
    if hasattr(data, "_replace"):  # a named tuple
        return data._replace(**parts)
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return dataclasses.replace(data, **parts)
    held = copy.copy(data)
    for name, part in parts.items():
        setattr(held, name, part)
    return held
