"""Tables of pandas, polars, pyarrow and numpy: each does what recovery asks in its own way."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ArrowTable", "Matrix", "PandasTable", "PolarsTable"]

Places = npt.NDArray[np.int64]
Replacements = Mapping[int, npt.NDArray[np.float64]]  # by the place of the column


@dataclass(frozen=True, slots=True)
class PandasTable:
    """A data frame of pandas."""

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
    """A data frame of polars."""

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
    """A table or a batch of pyarrow."""

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
class Matrix:
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
