"""Tables of plain Python: mappings of columns, lists of rows, a single column of anything."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Column", "Columns", "Rows"]

Places = npt.NDArray[np.int64]
Replacements = Mapping[int, npt.NDArray[np.float64]]  # by the place of the column


@dataclass(frozen=True, slots=True)
class Columns:
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

    def column(self, place: int) -> Any:  # noqa: ARG002 -- there is one
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
    """Give the values in the kind of column that the example is."""
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
    """Give the values in the kind of sequence that the example is."""
    if isinstance(example, np.ndarray):
        return np.asarray(values)
    return tuple(values) if isinstance(example, tuple) else values
