"""Measuring, sampling and sparse views work alike on tables of every library and keep their types."""

import datetime as dt
from collections import OrderedDict, namedtuple
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from poet_runtime.drift.reference import Reference
from poet_runtime.errors import SampleError
from poet_runtime.recovery import measure, sample_rows, sparse_view
from poet_runtime.recovery.views import by_feature

N = 20
FULL = [float(place) for place in range(N)]
SPARSE = [None] * 15 + [1.0, 2.0, 3.0, 4.0, 5.0]
NAMES = {"full", "sparse"}


def columns() -> dict[str, list[float | None]]:
    """Return a column without missing values and one with three quarters missing."""
    return {"full": list(FULL), "sparse": list(SPARSE)}


@dataclass(frozen=True, slots=True)
class Two:
    """A pair of tables as a dataclass."""

    current: Any
    reference: Any


Named = namedtuple("Named", ["current", "reference"])  # noqa: PYI024 - the untyped kind is what is tested

TABLES: dict[str, Any] = {
    "dict": columns(),
    "ordered dict": OrderedDict(columns()),
    "dict of arrays": {name: np.array(values, float) for name, values in columns().items()},
    "dict of series": {name: pd.Series(values) for name, values in columns().items()},
    "dict of polars": {name: pl.Series(name, values) for name, values in columns().items()},
    "dict of arrow": {name: pa.array(values) for name, values in columns().items()},
    "pandas": pd.DataFrame(columns(), index=range(100, 100 + N)),
    "polars": pl.DataFrame(columns()),
    "arrow": pa.table(columns()),
    "batch": pa.RecordBatch.from_pydict(columns()),
    "rows": [list(row) for row in zip(*columns().values(), strict=True)],
    "tuples": tuple(zip(*columns().values(), strict=True)),
    "records": [dict(zip(columns(), row, strict=True)) for row in zip(*columns().values(), strict=True)],
    "matrix": np.array(list(columns().values()), float).T,
    "masked": np.ma.masked_invalid(np.array(list(columns().values()), float).T),
}


def values(table: Any, place: int) -> list[Any]:
    """Return the values of a column of any of these tables, with None for missing values."""
    if isinstance(table, Mapping):
        found = list(table.values())[place]
    elif isinstance(table, pd.DataFrame):
        found = table.iloc[:, place]
    elif isinstance(table, pl.DataFrame):
        found = table.get_columns()[place]
    elif isinstance(table, pa.Table | pa.RecordBatch):
        found = table.column(place)
    elif isinstance(table, np.ndarray):
        found = table[:, place]
    else:
        found = [list(row.values())[place] if isinstance(row, dict) else row[place] for row in table]
    listed = found.to_pylist() if hasattr(found, "to_pylist") else list(found)
    return [None if each is np.ma.masked or pd.isna(each) else float(each) for each in listed]


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_measured(kind: str) -> None:
    """The size has the numbers of rows and features and the missing share of the sparsest feature."""
    size = measure(TABLES[kind])
    assert (size.rows, size.features, size.missing_share) == (N, 2, 0.75)


@pytest.mark.parametrize("kind", TABLES)
def test_a_sample_has_the_same_type_and_keeps_rows_together(kind: str) -> None:
    """The sample has one row of every block of the table, in order."""
    table = TABLES[kind]
    sample = sample_rows(table, 5)
    assert type(sample) is type(table)
    kept = values(sample, 0)
    assert [int(value) // 4 for value in kept] == [0, 1, 2, 3, 4]
    assert values(sample, 1) == [SPARSE[int(value)] for value in kept]
    assert values(table, 0) == FULL


@pytest.mark.parametrize("kind", TABLES)
def test_a_sparse_view_has_the_same_type_and_contains_presence(kind: str) -> None:
    """The sparse column becomes 0.0 and 1.0. The other column and the original table are unchanged."""
    table = TABLES[kind]
    view = sparse_view(table, frozenset({"sparse", "1"}))
    assert type(view) is type(table)
    assert values(view, 0) == FULL
    assert values(view, 1) == [0.0] * 15 + [1.0] * 5
    assert values(table, 1) == SPARSE


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_split_by_feature(kind: str) -> None:
    """Each feature is a table of the same type."""
    table = TABLES[kind]
    parts = dict(by_feature(table))
    assert set(parts) in (NAMES, {"0", "1"})
    assert [values(part, 0) for part in parts.values()] == [FULL, SPARSE]
    assert all(isinstance(part, dict if isinstance(table, dict) else type(table)) for part in parts.values())


@pytest.mark.parametrize("make", [lambda a, b: {"current": a, "reference": b}, Two, Named, SimpleNamespace])
def test_operations_apply_to_both_tables_of_a_pair(make: Any) -> None:
    """Pairs of any type have the larger number of rows and the larger missing share."""
    keywords = make is SimpleNamespace
    small, large = columns(), {"full": [0.0] * 100, "sparse": [1.0] * 100}
    pair = make(current=small, reference=large) if keywords else make(small, large)
    size = measure(pair)
    assert (size.rows, size.features, size.missing_share) == (100, 2, 0.75)
    sample = sample_rows(pair, 10)
    assert type(sample) is type(pair)
    assert [len(part["full"]) for part in parts_of(sample)] == [10, 10]
    view = sparse_view(pair, frozenset({"sparse"}))
    assert [part["sparse"][0] for part in parts_of(view)] == [0.0, 1.0]
    assert [part["full"][5] for part in parts_of(view)] == [5.0, 0.0]
    assert [list(part) for part in parts_of(dict(by_feature(pair))["full"])] == [["full"], ["full"]]


def parts_of(pair: Any) -> list[Any]:
    """Return both tables of a pair."""
    held = (
        pair if isinstance(pair, dict) else {name: getattr(pair, name) for name in ("current", "reference")}
    )
    return [held["current"], held["reference"]]


def test_the_times_of_a_pair_are_sampled_with_its_rows() -> None:
    """A sampled row keeps its time."""
    pair = {"current": columns(), "reference": columns(), "current_times": np.arange(N), "other": "kept"}
    sample = sample_rows(pair, 5)
    assert list(sample["current_times"]) == sample["current"]["full"]
    assert sample["other"] == "kept"


def test_a_prepared_reference_is_not_sampled() -> None:
    """It is already small and cannot be sampled."""
    reference = {"full": Reference.prepare(np.arange(100.0))}
    pair = {"current": columns(), "reference": reference}
    assert measure(pair).rows == N
    assert sample_rows(pair, 5)["reference"] is reference


def test_a_table_with_columns_current_and_reference_is_not_a_pair() -> None:
    """Both names are treated as features."""
    table = {"current": [1.0, 2.0, 3.0], "reference": [1.0, None, 3.0]}
    size = measure(table)
    assert (size.rows, size.features, size.missing_shares) == (3, 2, {"current": 0.0, "reference": 1 / 3})
    assert measure(pd.DataFrame(table)) == size


def test_a_sample_contains_every_phase_of_a_season() -> None:
    """A fixed step of 24 rows would only select one hour of the day."""
    hours = np.arange(24_000) % 24
    counts = np.bincount(sample_rows(hours, 1000), minlength=24)
    assert counts.min() >= 30
    assert counts.max() <= 54


def test_a_sample_is_deterministic_and_evenly_spread() -> None:
    """Sampling does not use a random number generator."""
    rows = sample_rows(np.arange(100_003), 10_000)
    assert np.array_equal(rows, sample_rows(np.arange(100_003), 10_000))
    assert len(rows) == 10_000
    assert 1 <= np.diff(rows).min() <= np.diff(rows).max() <= 20  # one in each block of ten


def test_data_that_are_small_enough_are_returned_unchanged() -> None:
    """The same object is returned, also if the table has exactly the requested number of rows."""
    table = columns()
    assert sample_rows(table, N) is table
    assert len(sample_rows(table, N - 1)["full"]) == N - 1


@pytest.mark.parametrize("rows", [0, -1, 2.0, True, None])
def test_the_number_of_rows_must_be_a_positive_integer(rows: Any) -> None:
    """Anything else is an error of the caller."""
    with pytest.raises(SampleError, match="rows must be an int of at least 1"):
        sample_rows(columns(), rows)


@pytest.mark.parametrize("data", [None, 5, "text", {}, {"a": 1}, [], np.zeros((2, 2, 2)), object()])
def test_data_that_are_not_a_table_have_no_size(data: Any) -> None:
    """They cannot be sampled either."""
    size = measure(data)
    assert (size.rows, size.features, size.missing_share) == (0, 0, 0.0)
    with pytest.raises(SampleError, match="data must be a table"):
        sample_rows(data, 1)


@pytest.mark.parametrize(
    ("column", "share"),
    [
        ([1, None, float("nan"), "x"], 0.5),
        ((1, None), 0.5),
        (range(3), 0.0),
        (np.array([1, 2]), 0.0),
        (np.array(["a", None], object), 0.5),
        (np.array(["a", "b"]), 0.0),
        (np.array(["NaT", "2024-01-01"], "datetime64[s]"), 0.5),
        (np.ma.array([1.0, 2.0, np.nan], mask=[True, False, False]), 2 / 3),
        (np.array([np.nan, 1j]), 0.5),
        (pd.Series([1, pd.NA], dtype="Int64"), 0.5),
        (pd.Series(["a", None], dtype="category"), 0.5),
        (pd.Series([pd.NaT, pd.Timestamp(0)]), 0.5),
        ([pd.NaT, pd.NA, 1.0], 2 / 3),
        (pl.Series([1.0, None, float("nan")]), 2 / 3),
        (pl.Series(["a", None]), 0.5),
        (pl.Series([None, dt.date(2024, 1, 1)]), 0.5),
        (pa.array([1.0, None, float("nan")]), 2 / 3),
        (pa.chunked_array([[1, None], [3]]), 1 / 3),
        (pa.array(["a", None]), 0.5),
        ([], 0.0),
    ],
)
def test_none_nan_nat_na_and_null_are_missing_values(column: Any, share: float) -> None:
    """Missing values are recognized in the columns of every library."""
    assert measure({"a": column}).missing_share == share


def test_two_columns_with_the_same_name_are_both_replaced() -> None:
    """A data frame may have two columns with one name."""
    table = pd.DataFrame([[1.0, None], [2.0, None]], columns=["a", "a"])
    view = sparse_view(table, frozenset({"a"}))
    assert view.to_numpy().tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_values_beyond_the_end_of_a_short_row_are_missing() -> None:
    """Their presence is 0.0."""
    rows = [[1.0, 2.0], [3.0]]
    assert measure(rows).missing_shares == {"0": 0.0, "1": 0.5}
    assert sparse_view(rows, frozenset({"1"})) == [[1.0, 1.0], [3.0, 0.0]]


def test_a_single_column_is_a_table_with_one_feature() -> None:
    """The column may be a list, an array or a series."""
    for column in ([1.0, None], np.array([1.0, np.nan]), pd.Series([1.0, None]), pl.Series([1.0, None])):
        assert (measure(column).rows, measure(column).features, measure(column).missing_share) == (2, 1, 0.5)
        view = sparse_view(column, frozenset({""}))
        assert (type(view), list(view)) == (type(column), [1.0, 0.0])
