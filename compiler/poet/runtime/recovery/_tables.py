"""Tables of every library as one: their columns, some of their rows, other values in a column.

What is taken from a table or replaced in it gives a table of the same kind, so that a monitor gets what it
knows. No library of data frames is imported: the caller's own table brings what it can do.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Table", "open_table"]

Places = npt.NDArray[np.int64]
Replacements = Mapping[int, npt.NDArray[np.float64]]  # by the place of the column


class Table(Protocol):
    """What recovery asks of a table."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in their order."""

    @property
    def n_rows(self) -> int:
        """How many rows there are; of columns of different lengths the most."""

    def column(self, place: int) -> Any:
        """Give a column."""

    def rows(self, places: Places) -> Any:
        """Give a table of these rows."""

    def only(self, place: int) -> Any:
        """Give a table of one column."""

    def replaced(self, columns: Replacements) -> Any:
        """Give a table with other values in these columns."""


def open_table(data: Any) -> Table | None:
    """See `data` as a table; None where it is none.

    Knows mappings of columns, pandas, polars and pyarrow tables, numpy arrays of one or two dimensions,
    lists of rows (sequences or mappings), and a single column of any of these.
    """
    if isinstance(data, Mapping):
        return _mapping(data)
    if isinstance(data, np.ndarray):
        return {1: _Column, 2: _Matrix}[data.ndim](data) if data.ndim in (1, 2) else None
    if hasattr(data, "iloc"):
        return _Pandas(data) if hasattr(data, "columns") else _Column(data)
    if hasattr(data, "with_columns") and hasattr(data, "height"):
        return _Polars(data)
    if hasattr(data, "column_names") and hasattr(data, "take"):
        return _Arrow(data)
    if isinstance(data, list | tuple):
        return _listed(data)
    return _Column(data) if _is_column(data) else None


def _mapping(data: Mapping[Any, Any]) -> "_Columns | None":
    keys = tuple(key for key in data if _is_column(data[key]))
    return _Columns(data, keys) if keys else None


def _listed(data: Sequence[Any]) -> "_Rows | _Column | None":
    if not data:
        return None
    if all(isinstance(row, Mapping) for row in data):
        return _Rows(data, tuple(dict.fromkeys(key for row in data for key in row)))
    if all(isinstance(row, list | tuple | np.ndarray) for row in data):
        return _Rows(data, tuple(range(max(map(len, data)))))
    return _Column(data)


def _is_column(values: Any) -> bool:
    if isinstance(values, str | bytes | bytearray | Mapping | set | frozenset):
        return False
    if isinstance(values, np.ndarray):
        return values.ndim == 1
    if hasattr(values, "columns") or hasattr(values, "column_names"):
        return False
    return hasattr(values, "__len__") and hasattr(values, "__getitem__")


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


@dataclass(frozen=True, slots=True)
class _Columns:
    """A mapping of columns; what in it is no column stays as it is."""

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
        return self._with({self.keys[place]: values for place, values in columns.items()})

    def _with(self, columns: Mapping[Any, Any]) -> Any:
        changed = self.data.copy() if isinstance(self.data, dict) else dict(self.data)
        changed.update(columns)
        return changed


@dataclass(frozen=True, slots=True)
class _Pandas:
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
class _Polars:
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
class _Arrow:
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
            column = sys.modules["pyarrow"].array(values)  # there, or there were no such table
            changed = changed.set_column(place, self.names[place], column)
        return changed


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A numpy array of two dimensions; its columns are named by their places."""

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
class _Rows:
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


def _cell(row: Any, key: Any) -> Any:
    if isinstance(row, Mapping):
        return row.get(key)
    return row[key] if key < len(row) else None


def _like(example: Any, values: list[Any]) -> Any:
    """Give the values in the kind of sequence that the example is."""
    if isinstance(example, np.ndarray):
        return np.asarray(values)
    return tuple(values) if isinstance(example, tuple) else values


@dataclass(frozen=True, slots=True)
class _Column:
    """A single column, without a name."""

    data: Any

    @property
    def names(self) -> tuple[str, ...]:
        return ("",)

    @property
    def n_rows(self) -> int:
        return len(self.data)

    def column(self, place: int) -> Any:  # noqa: ARG002 -- there is one
        return self.data

    def rows(self, places: Places) -> Any:
        return _taken(self.data, places)

    def only(self, place: int) -> Any:  # noqa: ARG002
        return self.data

    def replaced(self, columns: Replacements) -> Any:
        values = columns[0]
        if hasattr(self.data, "iloc"):
            return type(self.data)(values, index=self.data.index, name=self.data.name)
        return _like(self.data, values.tolist()) if isinstance(self.data, list | tuple) else values
