"""Columns of every library become one plain sample."""

import datetime as dt
import decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from poet_runtime.drift.columns import Sample, read
from poet_runtime.errors import SampleError

NUMBERS = [1.0, None, 3.5, 2.0]
TEXT = ["b", None, "a", "b"]
FLAGS = [True, None, False, True]


def values_of(sample: Sample) -> list[Any]:
    """Give the values as a list."""
    return list(sample.values)


def dictionary(values: list[Any]) -> pa.ChunkedArray:
    """Give a dictionary-encoded pyarrow column in two chunks."""
    return pa.chunked_array([pa.array(half).dictionary_encode() for half in (values[:2], values[2:])])


@pytest.mark.parametrize(
    "column",
    [
        NUMBERS,
        tuple(NUMBERS),
        np.array([1.0, np.nan, 3.5, 2.0]),
        np.array([1.0, np.nan, 3.5, 2.0], np.float32),
        np.array(NUMBERS, object),
        np.ma.MaskedArray([1.0, 9.0, 3.5, 2.0], [False, True, False, False]),
        [1, pd.NA, decimal.Decimal("3.5"), np.int8(2)],
        pd.Series(NUMBERS),
        pd.Series(NUMBERS, dtype="Float64"),
        pd.Series(NUMBERS, dtype="float64[pyarrow]"),
        pl.Series(NUMBERS),
        pa.array(NUMBERS),
        pa.chunked_array([[1.0, None], [3.5, 2.0]]),
    ],
)
def test_numbers_are_read_from_any_column(column: Any) -> None:
    """The present values in their order, as float64, and how many rows there were."""
    sample = read(column)
    assert (sample.kind, sample.n, values_of(sample)) == ("numeric", 4, [1.0, 3.5, 2.0])
    assert sample.missing_fraction == 0.25


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.int32, np.float16, bool])
def test_every_number_type_is_read(dtype: Any) -> None:
    """Small and unsigned integers do not wrap around later; booleans are a kind of their own."""
    sample = read(np.array([0, 1, 1], dtype))
    assert values_of(sample) == [0, 1, 1]
    assert sample.kind == ("boolean" if dtype is bool else "numeric")


@pytest.mark.parametrize(
    "column",
    [
        TEXT,
        np.array(TEXT, object),
        pd.Series(TEXT),
        pd.Series(TEXT, dtype="category"),
        pd.Categorical(TEXT),
        pl.Series(TEXT),
        pl.Series(TEXT, dtype=pl.Categorical),
        pa.array(TEXT),
        dictionary(TEXT),
    ],
)
def test_text_is_read_from_any_column(column: Any) -> None:
    """Categories by their names, whatever codes a library gives them."""
    sample = read(column)
    assert sample.kind == "categorical"
    assert [sample.categories[code] for code in values_of(sample)] == ["b", "a", "b"]
    assert sample.n == 4


@pytest.mark.parametrize(
    "column", [FLAGS, pd.Series(FLAGS), pd.Series(FLAGS, dtype="boolean"), pl.Series(FLAGS), pa.array(FLAGS)]
)
def test_booleans_with_gaps_stay_booleans(column: Any) -> None:
    """A missing value does not turn them into text."""
    sample = read(column)
    assert sample.kind == "boolean"
    assert [bool(sample.categories[code]) for code in values_of(sample)] == [True, False, True]


@pytest.mark.parametrize("column", [[1, "1", 2.5], np.array(["1", "2"]), [b"a", b"b"]])
def test_text_that_looks_like_numbers_is_text(column: Any) -> None:
    """Nothing is parsed, and a mixed column is categories."""
    assert read(column).kind == "categorical"


@pytest.mark.parametrize("column", [[], [None, None], np.full(3, np.nan), [float("nan"), pd.NA], pa.nulls(2)])
def test_a_column_without_values_is_empty(column: Any) -> None:
    """Empty and all-missing are told apart by the number of rows."""
    sample = read(column)
    assert ("empty", len(column), 0) == (sample.kind, sample.n, sample.n_present)


def test_float64_is_not_copied() -> None:
    """A large array costs nothing to read; neither does an arrow column without nulls."""
    values = np.arange(5.0)
    assert np.shares_memory(values, read(values).values)
    column = pa.array(values)
    assert np.shares_memory(column.to_numpy(), read(column).values)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("text", "got str"),
        ({"a": [1]}, "got dict"),
        (5, "got int"),
        (None, "got NoneType"),
        (np.zeros((2, 2)), "detect_drift_table"),
        (np.zeros((2, 2, 2)), "one dimension, got 3"),
        (np.array(1.0), "one dimension, got 0"),
        ([[1, 2], [3]], "different lengths"),
        (np.array(["2024-01-01"], "datetime64[s]"), "datetime64"),
        ([dt.date(2024, 1, 1)], "dates"),
        (np.array([1j]), "complex128"),
        ((each for each in (1, 2)), "generator"),
        (pd.DataFrame({"a": [1.0]}), "detect_drift_table"),
        (np.array([[1], {}, None], object), "not a number, boolean or text"),
    ],
)
def test_a_wrong_type_is_an_error_that_says_what_to_give(wrong: Any, said: str) -> None:
    """Programming errors raise, and are type errors too."""
    with pytest.raises(SampleError, match=said):
        read(wrong)
    with pytest.raises(TypeError):
        read(wrong)


def test_a_datetime_index_brings_times() -> None:
    """In UTC, whatever the index's zone and unit."""
    index = pd.date_range("2024-01-01", periods=3, freq="h", tz="Europe/Paris")
    assert list(read(pd.Series([1.0, 2.0, 3.0], index)).times) == [1704063600.0, 1704067200.0, 1704070800.0]  # type: ignore[arg-type]
    assert read(pd.Series([1.0, 2.0])).times is None


@pytest.mark.parametrize(
    "times",
    [
        np.array([60, 0, 120], "datetime64[s]"),
        [60, 0, 120],
        pd.Series(pd.to_datetime([60, 0, 120], unit="s")),
        pd.Series(pd.to_datetime([60, 0, 120], unit="s", utc=True)),
        pl.Series([60.0, 0.0, 120.0]),
        [dt.datetime(1970, 1, 1, 0, minute) for minute in (1, 0, 2)],  # noqa: DTZ001 -- naive is UTC
    ],
)
def test_rows_are_put_in_the_order_of_their_times(times: Any) -> None:
    """Windows of a reference are stretches of time, not of a file."""
    sample = read([1.0, 0.0, 2.0], times=times)
    assert (values_of(sample), list(sample.times)) == ([0.0, 1.0, 2.0], [0.0, 60.0, 120.0])  # type: ignore[arg-type]


def test_times_of_missing_values_go_with_them() -> None:
    """Values and times stay aligned."""
    assert list(read([1.0, None, 3.0], times=[0, 1, 2]).times) == [0.0, 2.0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "times", [[0.0, np.nan], np.array(["1970-01-01", "NaT"], "datetime64[s]"), [None, 1.0]]
)
def test_a_missing_time_makes_all_of_them_unusable(times: Any) -> None:
    """Bad data is no error; a phase is never guessed."""
    assert read([1.0, 2.0], times=times).times is None


@pytest.mark.parametrize(
    ("times", "said"), [([1.0], "2 rows but 1 times"), (["a", "b"], "datetime64 or seconds")]
)
def test_wrong_times_are_an_error(times: Any, said: str) -> None:
    """As many times as rows, and times they are."""
    with pytest.raises(SampleError, match=said):
        read([1.0, 2.0], times=times)
