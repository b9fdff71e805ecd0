"""Tests that columns of every library are read as one plain sample."""

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
    """Return the values as a list."""
    return list(sample.values)


def dictionary(values: list[Any]) -> pa.ChunkedArray:
    """Return a dictionary-encoded pyarrow column in two chunks."""
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
    """The sample has the present values in order, as float64, and the number of rows."""
    sample = read(column)
    assert (sample.kind, sample.n, values_of(sample)) == ("numeric", 4, [1.0, 3.5, 2.0])
    assert sample.missing_fraction == 0.25


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.int32, np.float16, bool])
def test_every_number_type_is_read(dtype: Any) -> None:
    """Small and unsigned integers cannot wrap around later. Booleans are a separate kind."""
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
    """Categories are identified by their names and not by the codes of a library."""
    sample = read(column)
    assert sample.kind == "categorical"
    assert [sample.categories[code] for code in values_of(sample)] == ["b", "a", "b"]
    assert sample.n == 4


@pytest.mark.parametrize(
    "column", [FLAGS, pd.Series(FLAGS), pd.Series(FLAGS, dtype="boolean"), pl.Series(FLAGS), pa.array(FLAGS)]
)
def test_booleans_with_missing_values_stay_booleans(column: Any) -> None:
    """They do not become text."""
    sample = read(column)
    assert sample.kind == "boolean"
    assert [bool(sample.categories[code]) for code in values_of(sample)] == [True, False, True]


@pytest.mark.parametrize("column", [[1, "1", 2.5], np.array(["1", "2"]), [b"a", b"b"]])
def test_text_that_looks_like_numbers_is_text(column: Any) -> None:
    """No text is parsed as a number, and a mixed column is categorical."""
    assert read(column).kind == "categorical"


@pytest.mark.parametrize("column", [[], [None, None], np.full(3, np.nan), [float("nan"), pd.NA], pa.nulls(2)])
def test_a_column_without_values_is_empty(column: Any) -> None:
    """The number of rows distinguishes an empty column from one with only missing values."""
    sample = read(column)
    assert ("empty", len(column), 0) == (sample.kind, sample.n, sample.n_present)


def test_float64_is_not_copied() -> None:
    """Neither a large array nor an arrow column without nulls is copied."""
    values = np.arange(5.0)
    assert np.shares_memory(values, read(values).values)
    column = pa.array(values)
    assert np.shares_memory(column.to_numpy(), read(column).values)


@pytest.mark.parametrize(
    ("wrong", "message"),
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
def test_a_wrong_type_raises_an_error_with_the_expected_one(wrong: Any, message: str) -> None:
    """Programming errors raise `SampleError`, which is a `TypeError`."""
    with pytest.raises(SampleError, match=message):
        read(wrong)
    with pytest.raises(TypeError):
        read(wrong)


def test_a_datetime_index_gives_the_times() -> None:
    """Times are in UTC for every time zone and unit of the index."""
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
def test_rows_are_sorted_by_time(times: Any) -> None:
    """Windows of a reference are contiguous in time, whatever the order of the rows."""
    sample = read([1.0, 0.0, 2.0], times=times)
    assert (values_of(sample), list(sample.times)) == ([0.0, 1.0, 2.0], [0.0, 60.0, 120.0])  # type: ignore[arg-type]


def test_times_of_missing_values_are_dropped() -> None:
    """Values and times stay aligned."""
    assert list(read([1.0, None, 3.0], times=[0, 1, 2]).times) == [0.0, 2.0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "times", [[0.0, np.nan], np.array(["1970-01-01", "NaT"], "datetime64[s]"), [None, 1.0]]
)
def test_a_missing_time_discards_all_times(times: Any) -> None:
    """Bad data raises no error, and a phase is never guessed."""
    assert read([1.0, 2.0], times=times).times is None


@pytest.mark.parametrize(
    ("times", "message"), [([1.0], "2 rows but 1 times"), (["a", "b"], "datetime64 or seconds")]
)
def test_invalid_times_raise_an_error(times: Any, message: str) -> None:
    """Their number must be that of the rows, and their type must be a time."""
    with pytest.raises(SampleError, match=message):
        read([1.0, 2.0], times=times)
