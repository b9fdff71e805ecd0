"""A common interface to tables of all libraries: columns, selected rows, replaced columns.

Selections and replacements return a table of the same kind, so that a monitor gets the type that it expects.
No data frame library is imported; only methods of the caller's own table are used.

There are classes for tables of pandas, polars, pyarrow and numpy, and for plain Python: mappings of columns,
lists of rows, and a single column.
"""

# ruff: noqa: D102 -- the methods of every table are documented once, in `Table`

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
Replacements = Mapping[int, npt.NDArray[np.float64]]  # by the place of the column


@dataclass(frozen=True, slots=True)
class PandasTable:
    """A pandas data frame."""

    data: Any

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, self.data.columns))

    @property
    def n_rows(self) -> int:
        return len(self.data)

    def column(self, place: int) -> Any:
        return self.data.iloc[:, place]

    def rows(self, places: Places) -> Any:
        return self.data.iloc[places]

    def only(self, place: int) -> Any:
        return self.data.iloc[:, [place]]

    def replaced(self, columns: Replacements) -> Any:
        changed = self.data.copy(deep=False)
        for place, values in columns.items():
            changed.isetitem(place, values)
        return changed


@dataclass(frozen=True, slots=True)
class PolarsTable:
    """A polars data frame."""

    data: Any

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.data.columns)

    @property
    def n_rows(self) -> int:
        return int(self.data.height)

    def column(self, place: int) -> Any:
        return self.data.get_columns()[place]

    def rows(self, places: Places) -> Any:
        return self.data[places]

    def only(self, place: int) -> Any:
        return self.data.select(self.data.columns[place])

    def replaced(self, columns: Replacements) -> Any:
        series = [type(self.column(place))(self.names[place], values) for place, values in columns.items()]
        return self.data.with_columns(series)


@dataclass(frozen=True, slots=True)
class ArrowTable:
    """A pyarrow table or record batch."""

    data: Any

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.data.column_names)

    @property
    def n_rows(self) -> int:
        return int(self.data.num_rows)

    def column(self, place: int) -> Any:
        return self.data.column(place)

    def rows(self, places: Places) -> Any:
        return self.data.take(places)

    def only(self, place: int) -> Any:
        return self.data.select([place])

    def replaced(self, columns: Replacements) -> Any:
        changed = self.data
        for place, values in columns.items():
            column = sys.modules["pyarrow"].array(values)  # imported, since the table is of pyarrow
            changed = changed.set_column(place, self.names[place], column)
        return changed


@dataclass(frozen=True, slots=True)
class Matrix:
    """A two-dimensional numpy array, whose columns are named by their positions."""

    data: npt.NDArray[Any]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, range(self.data.shape[1])))

    @property
    def n_rows(self) -> int:
        return int(self.data.shape[0])

    def column(self, place: int) -> Any:
        return self.data[:, place]

    def rows(self, places: Places) -> Any:
        return self.data[places]

    def only(self, place: int) -> Any:
        return self.data[:, [place]]

    def replaced(self, columns: Replacements) -> Any:
        changed = self.data.copy()
        for place, values in columns.items():
            changed[:, place] = values
        return changed


@dataclass(frozen=True, slots=True)
class Columns:
    """A mapping of columns. Values that are not columns stay unchanged."""

    data: Mapping[Any, Any]
    keys: tuple[Any, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, self.keys))

    @property
    def n_rows(self) -> int:
        return max(len(self.data[key]) for key in self.keys)

    def column(self, place: int) -> Any:
        return self.data[self.keys[place]]

    def rows(self, places: Places) -> Any:
        n = self.n_rows
        return self._with({
            key: _taken(self.data[key], places) for key in self.keys if len(self.data[key]) == n
        })  # fmt: skip

    def only(self, place: int) -> Any:
        return {self.keys[place]: self.column(place)}

    def replaced(self, columns: Replacements) -> Any:
        return self._with({
            self.keys[place]: _column_like(self.column(place), values) for place, values in columns.items()
        })  # fmt: skip

    def _with(self, columns: Mapping[Any, Any]) -> Any:
        changed = self.data.copy() if isinstance(self.data, dict) else dict(self.data)
        changed.update(columns)
        return changed


@dataclass(frozen=True, slots=True)
class Rows:
    """A list or tuple of rows, each a sequence or a mapping; what a row does not have it lacks."""

    data: Sequence[Any]
    keys: tuple[Any, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, self.keys))

    @property
    def n_rows(self) -> int:
        return len(self.data)

    def column(self, place: int) -> Any:
        key = self.keys[place]
        return [_cell(row, key) for row in self.data]

    def rows(self, places: Places) -> Any:
        return _like(self.data, [self.data[place] for place in places])

    def only(self, place: int) -> Any:
        key = self.keys[place]
        return _like(self.data, [
            {key: _cell(row, key)} if isinstance(row, Mapping) else _like(row, [_cell(row, key)])
            for row in self.data
        ])  # fmt: skip

    def replaced(self, columns: Replacements) -> Any:
        return _like(self.data, [
            self._row(row, {self.keys[place]: float(values[n]) for place, values in columns.items()})
            for n, row in enumerate(self.data)
        ])  # fmt: skip

    def _row(self, row: Any, cells: Mapping[Any, float]) -> Any:
        if isinstance(row, Mapping):
            return {**row, **cells}
        longest = max(len(row), *(place + 1 for place in cells))
        return _like(row, [cells.get(place, _cell(row, place)) for place in range(longest)])


@dataclass(frozen=True, slots=True)
class Column:
    """A single column, without a name."""

    data: Any

    @property
    def names(self) -> tuple[str, ...]:
        return ("",)

    @property
    def n_rows(self) -> int:
        return len(self.data)

    def column(self, place: int) -> Any:  # noqa: ARG002 -- there is only one
        return self.data

    def rows(self, places: Places) -> Any:
        return _taken(self.data, places)

    def only(self, place: int) -> Any:  # noqa: ARG002
        return self.data

    def replaced(self, columns: Replacements) -> Any:
        return _column_like(self.data, columns[0])


def _taken(column: Any, places: Places) -> Any:
    if hasattr(column, "iloc"):
        return column.iloc[places]
    if isinstance(column, list):
        return [column[place] for place in places]
    if isinstance(column, tuple | range):
        return tuple(column[place] for place in places)
    if hasattr(column, "take") and not isinstance(column, np.ndarray):
        return column.take(places)
    return column[places]


def _column_like(example: Any, values: npt.NDArray[np.float64]) -> Any:
    """Return the values as a column of the example's type."""
    if hasattr(example, "iloc"):
        return type(example)(values, index=example.index, name=example.name)
    if hasattr(example, "is_null"):
        is_polars = hasattr(getattr(example, "dtype", None), "is_float")
        return type(example)(example.name, values) if is_polars else sys.modules["pyarrow"].array(values)
    return _like(example, values.tolist()) if isinstance(example, list | tuple) else values


def _cell(row: Any, key: Any) -> Any:
    if isinstance(row, Mapping):
        return row.get(key)
    return row[key] if key < len(row) else None


def _like(example: Any, values: list[Any]) -> Any:
    """Return the values as a sequence of the example's type."""
    if isinstance(example, np.ndarray):
        return np.asarray(values)
    return tuple(values) if isinstance(example, tuple) else values


PAIR: Final = ("current", "reference")


class Table(Protocol):
    """The table interface that recovery uses."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        ...

    @property
    def n_rows(self) -> int:
        """The number of rows; the maximum if columns differ in length."""
        ...

    def column(self, place: int) -> Any:
        """Return a column."""
        ...

    def rows(self, places: Places) -> Any:
        """Return a table of these rows."""
        ...

    def only(self, place: int) -> Any:
        """Return a table with only this column."""
        ...

    def replaced(self, columns: Replacements) -> Any:
        """Return a table with new values in these columns."""
        ...


def open_table(data: Any) -> Table | None:
    """Return the table interface of `data`; None if it is not a table.

    Supports mappings of columns, pandas, polars and pyarrow tables, numpy arrays of one or two dimensions,
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
    """Return whether data are a pair of a current and a reference table, not a table with such columns."""
    return all(_is_whole(part_of(data, part)) for part in PAIR)


def part_of(data: Any, name: str) -> Any:
    """Return a part of a pair, which is a mapping or an object; None if it is missing."""
    return data.get(name) if isinstance(data, Mapping) else getattr(data, name, None)


def _is_whole(part: Any) -> bool:
    if isinstance(part, Mapping):
        return True
    table = open_table(part)
    return table is not None and not isinstance(table, Column)
