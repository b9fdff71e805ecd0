"""Drift detection for all columns of two tables."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from poet_runtime.drift.columns import read
from poet_runtime.drift.reference import Reference
from poet_runtime.errors import SampleError
from poet_runtime.results import DriftResult


def detect_drift_table(
    detect: Callable[..., DriftResult],
    current: Any,
    reference: Any,
    *,
    current_times: Any = None,
    reference_times: Any = None,
    context: Mapping[str, Any] | None = None,
) -> dict[str, DriftResult]:
    """Return one result per column, the reference's columns first.

    >>> from poet_runtime.drift import compare
    >>> from poet_runtime.drift.table import detect_drift_table
    >>> def detect(current, reference, *, feature="", **_):
    ...     samples = compare(current, reference)
    ...     return samples.result(samples.statistic("ks") > 0.5, rule="all")
    >>> table = {"age": [1.0, 2.0, 3.0], "city": ["a", "b", "a"]}
    >>> found = detect_drift_table(detect, table | {"age": [8.0, 9.0]}, table)
    >>> {name: result.drifted for name, result in found.items()}
    {'age': True, 'city': False}

    Parameters
    ----------
    detect
        A `detect_drift` of any version.
    current, reference
        Mappings of names to columns, pandas, polars or pyarrow tables, or matrices, whose columns are named
        ``x0``, ``x1`` …; a reference may map names to prepared `Reference` objects. The result of a column
        that is missing in one of them, or that cannot be read (dates, for example), has a reason.
    current_times, reference_times, context
        Passed to `detect` with every column.

    Raises
    ------
    SampleError
        An argument is not a table, or `detect` rejects the call although the columns can be read.
    """
    now, before = _columns(current, "current"), _columns(reference, "reference")
    shared = {"current_times": current_times, "reference_times": reference_times, "context": context}
    return {
        name: _detect_column(detect, name, now.get(name), before.get(name), shared)
        for name in [*before, *(name for name in now if name not in before)]
    }


def _detect_column(
    detect: Callable[..., DriftResult], name: str, current: Any, reference: Any, shared: Mapping[str, Any]
) -> DriftResult:
    for which, column in (("current", current), ("reference", reference)):
        if column is None:
            return _unread(detect, name, f"{which} has no column {name!r}")
    try:
        return detect(current, reference, feature=name, **shared)
    except SampleError:
        reason = _why_unreadable(current, "current") or _why_unreadable(reference, "reference")
        if not reason:
            raise  # the columns can be read, so the call itself is wrong
        return _unread(detect, name, reason)


def _unread(detect: Callable[..., DriftResult], name: str, reason: str) -> DriftResult:
    return replace(detect([], [], feature=name), reason=reason)


def _why_unreadable(column: Any, name: str) -> str:
    if isinstance(column, Reference):
        return ""
    try:
        read(column, name=name)
    except SampleError as error:
        return str(error)
    return ""


def _columns(table: Any, name: str) -> dict[str, Any]:
    if isinstance(table, Mapping):
        return {str(key): table[key] for key in table}
    names = getattr(table, "column_names", None)  # pyarrow
    if names is None:
        names = getattr(table, "columns", None)  # pandas and polars
    if names is None and isinstance(table, np.ndarray) and table.ndim == 2:  # as scikit-learn names them
        return {f"x{place}": column for place, column in enumerate(table.T)}
    if names is None:
        raise SampleError(f"{name} must be a mapping of columns or a table, got {type(table).__name__}")
    return {str(key): table[key] for key in names}
