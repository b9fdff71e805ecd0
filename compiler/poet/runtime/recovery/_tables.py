"""Tables of every library as one: their columns, some of their rows, other values in a column.

What is taken from a table or replaced in it gives a table of the same kind, so that a monitor gets what it
knows. No library of data frames is imported: the caller's own table brings what it can do.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from poet.runtime.recovery._frames import ArrowTable, Matrix, PandasTable, PolarsTable
from poet.runtime.recovery._sequences import Column, Columns, Rows

__all__ = ["PAIR", "Table", "is_pair", "open_table", "part_of"]

PAIR = ("current", "reference")

Places = npt.NDArray[np.int64]
Replacements = Mapping[int, npt.NDArray[np.float64]]  # by the place of the column


class Table(Protocol):
    """What recovery asks of a table."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in their order."""
        ...

    @property
    def n_rows(self) -> int:
        """How many rows there are; of columns of different lengths the most."""
        ...

    def column(self, place: int) -> Any:
        """Give a column."""
        ...

    def rows(self, places: Places) -> Any:
        """Give a table of these rows."""
        ...

    def only(self, place: int) -> Any:
        """Give a table of one column."""
        ...

    def replaced(self, columns: Replacements) -> Any:
        """Give a table with other values in these columns."""
        ...


def open_table(data: Any) -> Table | None:
    """See `data` as a table; None where it is none.

    Knows mappings of columns, pandas, polars and pyarrow tables, numpy arrays of one or two dimensions,
    lists of rows (sequences or mappings), and a single column of any of these.
    """
    if isinstance(data, Mapping):
        return _mapping(data)
    if isinstance(data, list | tuple):
        return _listed(data)
    if isinstance(data, np.ndarray) and data.ndim == 2:
        return Matrix(data)
    return _frame(data) or (Column(data) if _is_column(data) else None)


def _frame(data: Any) -> Table | None:
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        return PandasTable(data)
    if hasattr(data, "with_columns") and hasattr(data, "height"):
        return PolarsTable(data)
    if hasattr(data, "column_names") and hasattr(data, "take"):
        return ArrowTable(data)
    return None


def _mapping(data: Mapping[Any, Any]) -> "Columns | None":
    keys = tuple(key for key in data if _is_column(data[key]))
    return Columns(data, keys) if keys else None


def _listed(data: Sequence[Any]) -> "Rows | Column | None":
    if not data:
        return None
    if all(isinstance(row, Mapping) for row in data):
        return Rows(data, tuple(dict.fromkeys(key for row in data for key in row)))
    if all(isinstance(row, list | tuple | np.ndarray) for row in data):
        return Rows(data, tuple(range(max(map(len, data)))))
    return Column(data)


def _is_column(values: Any) -> bool:
    if isinstance(values, str | bytes | bytearray | Mapping | set | frozenset):
        return False
    if isinstance(values, np.ndarray):
        return values.ndim == 1
    if hasattr(values, "columns") or hasattr(values, "column_names"):
        return False
    return hasattr(values, "__len__") and hasattr(values, "__getitem__")


def is_pair(data: Any) -> bool:
    """Tell a pair of a current and a reference table from a table with columns of these names."""
    return all(_is_whole(part_of(data, part)) for part in PAIR)


def part_of(data: Any, name: str) -> Any:
    """Give a part of a pair, which is a mapping or an object; None where there is none."""
    return data.get(name) if isinstance(data, Mapping) else getattr(data, name, None)


def _is_whole(part: Any) -> bool:
    if isinstance(part, Mapping):
        return True
    table = open_table(part)
    return table is not None and not isinstance(table, Column)
