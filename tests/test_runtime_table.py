"""A detector over the columns of two tables."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from poet_runtime.drift.comparison import compare
from poet_runtime.drift.reference import Reference
from poet_runtime.drift.table import detect_drift_table
from poet_runtime.errors import SampleError
from poet_runtime.results import DriftResult

BEFORE = {"age": [1.0, 2.0, 3.0] * 20, "land": ["a", "b", "b"] * 20}
NOW = {"age": [9.0, 9.5, 8.0] * 20, "land": ["a", "b", "b"] * 20}


def detect(current: Any, reference: Any, **arguments: Any) -> DriftResult:
    """Detect drift as a generated policy does."""
    samples = compare(current, reference, **arguments)
    if not samples.comparable:
        return samples.not_compared()
    if samples.is_categorical:
        return samples.result(samples.p_value("chi_square") < 0.05, rule="categorical")
    return samples.result(samples.p_value("ks") < 0.05, rule="numeric")


@pytest.mark.parametrize("table", [dict, pd.DataFrame, pl.DataFrame, pa.table])
def test_every_column_has_its_result(table: Any) -> None:
    """In the reference's order, by name, from any kind of table."""
    results = detect_drift_table(detect, table(NOW), table(BEFORE))
    found = [(name, result.feature, result.drifted) for name, result in results.items()]
    assert found == [("age", "age", True), ("land", "land", False)]


def test_a_column_that_one_table_lacks_is_named() -> None:
    """Neither skipped nor called unchanged."""
    results = detect_drift_table(detect, {"b": [1.0]}, {"a": [1.0]})
    reasons = {name: result.reason for name, result in results.items()}
    assert reasons == {"a": "current has no column 'a'", "b": "reference has no column 'b'"}


def test_a_column_that_cannot_be_read_does_not_stop_the_others() -> None:
    """A column of dates is said to be one."""
    dates = [dt.date(2024, 1, 1)] * 60
    results = detect_drift_table(detect, NOW | {"when": dates}, BEFORE | {"when": dates})
    assert "current holds dates" in results["when"].reason
    assert results["age"].drifted


def test_a_wrong_call_is_an_error() -> None:
    """Times that fit no column, and what is no table."""
    with pytest.raises(SampleError, match="60 rows but 1 times"):
        detect_drift_table(detect, NOW, BEFORE, current_times=[0.0])
    with pytest.raises(SampleError, match="current must be a mapping of columns or a table, got list"):
        detect_drift_table(detect, [1.0], BEFORE)


def test_references_may_be_prepared_by_column() -> None:
    """As a monitor would that calls often."""
    prepared = {name: Reference.prepare(column) for name, column in BEFORE.items()}
    results = detect_drift_table(detect, NOW, prepared)
    assert [result.drifted for result in results.values()] == [True, False]


def test_the_columns_of_a_matrix_are_numbered() -> None:
    """As scikit-learn names them; one of three dimensions is no table."""
    before = np.column_stack([np.arange(60.0), np.arange(60.0)])
    results = detect_drift_table(detect, before + np.array([0.0, 60.0]), before)
    assert {name: result.drifted for name, result in results.items()} == {"x0": False, "x1": True}
    with pytest.raises(SampleError, match="must be a mapping of columns or a table, got ndarray"):
        detect_drift_table(detect, np.zeros((2, 2, 2)), before)


def test_what_scikit_learn_gives_is_a_table() -> None:
    """Its bunches, and what its transformers put out, as matrices or as frames."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    flowers = datasets.load_iris()
    scaler = preprocessing.StandardScaler().fit(flowers.data)
    plain = detect_drift_table(detect, scaler.transform(flowers.data + 1.0), scaler.transform(flowers.data))
    frame = datasets.load_iris(as_frame=True).frame
    framed = detect_drift_table(detect, frame + 1.0, frame)
    assert list(plain) == list(scaler.get_feature_names_out())
    assert [each.drifted for each in plain.values()] == [True] * 4
    assert framed["petal width (cm)"].drifted
