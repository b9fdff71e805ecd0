"""Another monitor's answers become executions, on the way that POET's own take."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from poet.errors import SampleError
from poet.runtime.drift import compare
from poet.runtime.results import DriftResult

if TYPE_CHECKING:
    from poet.workspace import Workspace

__all__ = ["recorded", "rows_of"]

POLICY = "detect_drift"


def recorded(
    workspace: "Workspace", result: DriftResult, current: Any, reference: Any, *, when: float | None = None
) -> DriftResult:
    """Record an answer about a feature with the samples it was given for; gives it with its id and profile.

    Samples that POET cannot compare are left out, and the reason stands in the result.
    """
    feature = result.feature
    try:
        samples = compare(current, reference, feature=feature)
        result = replace(result, profile=samples.profile)
    except SampleError as error:
        current, reference, result = [], [], replace(result, reason=result.reason or str(error))
    arguments = {"current": current, "reference": reference, "feature": feature}
    answered: DriftResult = workspace.record(POLICY, arguments, result, when=when)
    return answered


def rows_of(table: Any, name: str, rows: slice = slice(None)) -> Any:
    """Give rows of a column of a table; none where the table or the column is not there."""
    if table is None or not _has(table, name):
        return []
    column = table[name]
    return getattr(column, "iloc", column)[rows]


def _has(table: Any, name: str) -> bool:
    if isinstance(table, Mapping):
        return name in table
    names = getattr(table, "column_names", None)  # pyarrow
    return name in (table.columns if names is None else names)
