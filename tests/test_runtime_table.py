"""A detector is applied to the columns of two tables."""

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
def test_every_column_has_a_result(table: Any) -> None:
    """Results are by name, in the order of the reference, for any type of table."""
    results = detect_drift_table(detect, table(NOW), table(BEFORE))
    found = [(name, result.feature, result.drifted) for name, result in results.items()]
    assert found == [("age", "age", True), ("land", "land", False)]


def test_a_column_missing_in_one_table_is_reported() -> None:
    """It is neither skipped nor reported as unchanged."""
    results = detect_drift_table(detect, {"b": [1.0]}, {"a": [1.0]})
    reasons = {name: result.reason for name, result in results.items()}
    assert reasons == {"a": "current has no column 'a'", "b": "reference has no column 'b'"}


def test_an_unsupported_column_does_not_affect_the_others() -> None:
    """The reason for a column of dates has its type."""
    dates = [dt.date(2024, 1, 1)] * 60
    results = detect_drift_table(detect, NOW | {"when": dates}, BEFORE | {"when": dates})
    assert "current holds dates" in results["when"].reason
    assert results["age"].drifted


def test_invalid_arguments_are_errors() -> None:
    """Times must fit the rows, and both arguments must be tables."""
    with pytest.raises(SampleError, match="60 rows but 1 times"):
        detect_drift_table(detect, NOW, BEFORE, current_times=[0.0])
    with pytest.raises(SampleError, match="current must be a mapping of columns or a table, got list"):
        detect_drift_table(detect, [1.0], BEFORE)


def test_prepared_references_are_accepted_by_column() -> None:
    """A monitor that calls often prepares every reference once."""
    prepared = {name: Reference.prepare(column) for name, column in BEFORE.items()}
    results = detect_drift_table(detect, NOW, prepared)
    assert [result.drifted for result in results.values()] == [True, False]


def test_the_columns_of_a_matrix_are_numbered() -> None:
    """The names are those that scikit-learn uses. An array with three dimensions is not a table."""
    before = np.column_stack([np.arange(60.0), np.arange(60.0)])
    results = detect_drift_table(detect, before + np.array([0.0, 60.0]), before)
    assert {name: result.drifted for name, result in results.items()} == {"x0": False, "x1": True}
    with pytest.raises(SampleError, match="must be a mapping of columns or a table, got ndarray"):
        detect_drift_table(detect, np.zeros((2, 2, 2)), before)


def test_outputs_of_scikit_learn_are_tables() -> None:
    """The data of its bunches and the output of its transformers may be matrices or frames."""
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
