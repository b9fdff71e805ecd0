"""Record NannyML univariate drift results as executions that feedback can cite.

This module reads the data frame of a result (`.to_df()`), or the columns of that frame as a dictionary, so
POET does not need NannyML. The Evidently integration shares `recorded` and `rows_of`: results of other
monitors are recorded in the same way as those of POET's own policies.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from poet_runtime.drift.comparison import compare
from poet_runtime.errors import EventError, SampleError
from poet_runtime.results import DriftResult

if TYPE_CHECKING:
    from poet.workspace.workspace import Workspace


POLICY: Final = "detect_drift"


def recorded(
    workspace: "Workspace", result: DriftResult, current: Any, reference: Any, *, when: float | None = None
) -> DriftResult:
    """Record a result for a feature with its samples, and return it with its execution id and profile.

    Samples that POET cannot compare are omitted, and the `reason` of the result explains why.
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
    """Return rows of a column of a table, or an empty list if the table or the column is missing."""
    if table is None or not _has(table, name):
        return []
    column = table[name]
    return getattr(column, "iloc", column)[rows]


def _has(table: Any, name: str) -> bool:
    if isinstance(table, Mapping):
        return name in table
    names = getattr(table, "column_names", None)  # pyarrow
    return name in (table.columns if names is None else names)


EVENT: Final = "NannyML's result"
Columns = Mapping[Any, list[Any]]


class ChunkResult(NamedTuple):
    """The NannyML result of one column in one chunk, by one method."""

    chunk: str
    rows: slice  # of the analyzed table
    when: float | None  # the chunk's end, in seconds since 1970
    result: DriftResult


def record(
    workspace: "Workspace", result: Any, *, current: Any = None, reference: Any = None
) -> list[ChunkResult]:
    """Record each analyzed chunk, column and method of a result, and return them with execution ids.

    Parameters
    ----------
    result
        The return value of `UnivariateDriftCalculator.calculate`, its `to_df()`, or that frame's
        `to_dict("list")`.
    current, reference
        The analysed and the reference table. With them every candidate statistic is computed, so that POET
        can learn a better rule; without them it learns only how good this monitor is.

    Raises
    ------
    EventError
        There is no analyzed chunk, or this is not a univariate drift result.
    """
    done = []
    for each in results(result):
        feature = each.result.feature
        rows = rows_of(current, feature, each.rows)
        before = rows_of(reference, feature)
        done.append(each._replace(result=recorded(workspace, each.result, rows, before, when=each.when)))
    return done


def results(result: Any) -> list[ChunkResult]:
    """Return each chunk, column and method of a result, without recording them.

    Raises
    ------
    EventError
        Under the same conditions as in `record`.
    """
    columns = _columns(result)
    measured = [(key[0], key[1]) for key in columns if key[0] != "chunk" and key[2] == "value"]
    chunks = [row for row, period in enumerate(_chunk(columns, "period")) if period != "reference"]
    if not measured or not chunks:
        raise EventError(event=EVENT, path="period", expected="an analysed chunk and a column", got="none")
    return [each for row in chunks for each in _of_chunk(columns, measured, row)]


def _columns(result: Any) -> Columns:
    frame = result.to_df() if hasattr(result, "to_df") else result
    columns = frame if isinstance(frame, Mapping) else getattr(frame, "to_dict", lambda _orient: {})("list")
    if ("chunk", "chunk", "key") in columns and all(len(key) == 3 for key in columns):
        return {tuple(key): list(values) for key, values in columns.items()}
    expected = "the frame of a univariate drift result, with columns as (feature, method, value)"
    raise EventError(event=EVENT, path="columns", expected=expected, got=f"{list(columns)!r:.80}")


def _chunk(columns: Columns, name: str) -> list[Any]:
    count = len(columns["chunk", "chunk", "key"])
    return columns.get(("chunk", "chunk", name), [None] * count)


def _of_chunk(columns: Columns, measured: list[tuple[str, str]], row: int) -> Iterator[ChunkResult]:
    start, end = _chunk(columns, "start_index")[row], _chunk(columns, "end_index")[row]
    rows = slice(None) if start is None or end is None else slice(int(start), int(end) + 1)
    when = _seconds(_chunk(columns, "end_date")[row])
    for feature, method in measured:
        result = _result(feature, method, {name: columns.get((feature, method, name)) for name in NAMES}, row)
        yield ChunkResult(str(columns["chunk", "chunk", "key"][row]), rows, when, result)


NAMES: Final = ("value", "upper_threshold", "lower_threshold", "alert")


def _result(feature: str, method: str, said: Mapping[str, list[Any] | None], row: int) -> DriftResult:
    score, upper, lower = (_number(said[name], row) for name in NAMES[:3])
    alert = said["alert"]
    is_below = math.isnan(upper) or score < lower  # comparisons with NaN are false
    return DriftResult(
        drifted=bool(alert[row]) if alert else score > upper or score < lower,
        score=score,
        threshold=lower if is_below else upper,
        test=f"nannyml/{method}",
        direction="below" if is_below and not math.isnan(lower) else "above",
        rule="nannyml",
        reason="" if math.isfinite(score) else "NannyML could not measure it",
        feature=feature,
    )


def _number(values: list[Any] | None, row: int) -> float:
    value = None if values is None else values[row]
    return math.nan if value is None else float(value)


def _seconds(date: Any) -> float | None:
    """Return seconds since 1970 of a Timestamp, a datetime or RFC 3339 text; the default offset is UTC."""
    if date is None or date != date:  # noqa: PLR0124 -- only NaT and NaN differ from themselves
        return None
    moment = datetime.fromisoformat(date) if isinstance(date, str) else date
    return float((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
