"""Run `detect_drift` on the groups of a Spark data frame, and score groups against sketches.

`detect_drift_table` answers every feature of every group on Arrow tables, one task per group. `record` stores
these answers as executions that feedback can cite. `sketch_table` computes sketches of the columns of a data
frame of any length, and `score_table` compares groups with such sketches of their references.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from poet_runtime.drift.comparison import score_all
from poet_runtime.drift.reference import Reference
from poet_runtime.drift.sketch import EDGES, Sketch, merge
from poet_runtime.drift.table import detect_drift_table as detect_columns
from poet_runtime.errors import SampleError
from poet_runtime.results import DriftResult, Profile, Score

if TYPE_CHECKING:
    from poet.workspace.workspace import Workspace


Answer = Callable[[Any, Mapping[str, Any]], Iterator[dict[str, Any]]]


def require(table: Any, names: Iterable[str]) -> None:
    """Raise `SampleError` unless all names are columns of the data frame."""
    if lacking := [name for name in names if name not in table.columns]:
        raise SampleError(f"the table has no column {', '.join(lacking)}; it has {', '.join(table.columns)}")


def answer_groups(
    table: Any,
    by: Sequence[str],
    names: Iterable[str],
    known: Mapping[str, Any],
    answer: Answer,
    columns: Mapping[str, str],
) -> Any:
    """Return a data frame of the rows that `answer` yields for each group.

    `columns` maps the names of the result columns to Spark types. `names` are the columns that
    `answer` reads. `known` is sent to every worker once.
    """
    if taken := [name for name in by if name in columns]:
        raise SampleError(f"{', '.join(taken)} is a column of the answer; rename the column of the table")
    types = dict(table.dtypes)
    schema = {name: types[name] for name in by} | dict(columns)
    quoted = ", ".join(f"`{name.replace('`', '``')}` {type_}" for name, type_ in schema.items())
    work = partial(
        _group, by=tuple(by), shared=_shared(table.sparkSession, known), answer=answer, columns=dict(columns)
    )
    wanted = [_quoted(name) for name in dict.fromkeys([*by, *names])]
    groups = table.select(*wanted).groupBy(*(_quoted(name) for name in by))
    return groups.applyInArrow(_taking_key(work), quoted)


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def _taking_key(work: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """Return a plain function of two arguments, as Spark requires."""

    def of_group(key: Any, table: Any) -> Any:
        return work(key, table)

    return of_group


class _Sent:
    """A stand-in for a broadcast variable, which Spark Connect lacks; it is pickled with the function."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _shared(session: Any, value: Any) -> Any:
    context = getattr(session, "_sc", None)
    return _Sent(value) if context is None else context.broadcast(value)


def _group(
    key: tuple[Any, ...],
    table: Any,
    *,
    by: tuple[str, ...],
    shared: Any,
    answer: Answer,
    columns: Mapping[str, str],
) -> Any:
    import pyarrow as pa  # noqa: PLC0415 -- only workers need it

    types = {"string": pa.string(), "boolean": pa.bool_(), "double": pa.float64(), "bigint": pa.int64()}
    rows = list(answer(table, shared.value))
    keys = {name: pa.repeat(value, len(rows)) for name, value in zip(by, key, strict=True)}
    found = {
        name: pa.array([row[name] for row in rows], type=types[type_]) for name, type_ in columns.items()
    }
    return pa.table(keys | found)


DETECT_COLUMNS: Final = {
    "feature": "string",
    "drifted": "boolean",
    "score": "double",
    "threshold": "double",
    "test": "string",
    "reason": "string",
    "policy_version": "bigint",
    "details": "string",
}


def detect_drift_table(
    detect: Callable[..., DriftResult],
    current: Any,
    references: Mapping[str, Any],
    *,
    by: Sequence[str] = (),
    time: str | None = None,
    context: Mapping[str, Any] | None = None,
    with_scores: bool = False,
) -> Any:
    """Run `detect` on each feature of each group, one task per group.

    Parameters
    ----------
    detect
        The `detect_drift` function of any version.
    current
        A Spark data frame; the rows of one group must fit into the memory of one worker.
    references
        By feature, a prepared `Reference` or a column, which is prepared once. References are broadcast.
    by
        Columns that define groups, such as ``("model", "day")``; if empty, all rows are one group.
    time
        A column of timestamps or seconds. Rows are sorted by it, and it is passed as `current_times`.
    context
        Passed to `detect` with every column.
    with_scores
        Whether to compute all statistics that learners use to replay rules, for `record`.

    Returns
    -------
    pyspark.sql.DataFrame
        The columns of `by`, then ``feature, drifted, score, threshold, test, reason, policy_version`` and
        ``details`` (JSON: profile and scores). Each answer is bit-identical to the local result of `detect`
        for the same values.

    Raises
    ------
    SampleError
        The data frame lacks a column, or a reference cannot be read.
    """
    names = [*references, *([time] if time else [])]
    require(current, [*names, *by])
    prepared = {
        name: each if isinstance(each, Reference) else Reference.prepare(each)
        for name, each in references.items()
    }
    answer = partial(_answers, detect=detect, time=time, context=context, with_scores=with_scores)
    return answer_groups(current, by, names, prepared, answer, DETECT_COLUMNS)


def _answers(
    table: Any,
    references: Mapping[str, Reference],
    *,
    detect: Callable[..., DriftResult],
    time: str | None,
    context: Mapping[str, Any] | None,
    with_scores: bool,
) -> Iterator[dict[str, Any]]:
    times = None
    if time is not None:
        table = table.sort_by(time)
        times = table[time].to_numpy()
    columns = {name: table[name].combine_chunks() for name in references}
    answers = detect_columns(detect, columns, references, current_times=times, context=context)
    for name, result in answers.items():
        known = dict(result.scores)
        if with_scores and result.profile is not None and not result.reason:
            known |= score_all(columns[name], references[name], current_times=times, context=context)
        yield {
            "feature": name,
            "drifted": bool(result.drifted),
            "score": _finite(result.score),
            "threshold": _finite(result.threshold),
            "test": result.test,
            "reason": result.reason,
            "policy_version": int(result.policy_version),
            "details": _details(result, known),
        }


def _details(result: DriftResult, scores: Mapping[str, Any]) -> str:
    told = {
        "profile": asdict(result.profile) if result.profile else None,
        "scores": {test: asdict(score) for test, score in scores.items()},
    }
    return json.dumps(_plain(told), sort_keys=True)


def _plain(value: Any) -> Any:
    """Return a value that JSON can represent, with null for numbers that are not finite."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, float | np.floating):
        return _finite(float(value))
    return value.item() if isinstance(value, np.generic) else value


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def record(
    workspace: "Workspace", answers: Any, *, by: Sequence[str] = (), when: float | None = None
) -> dict[tuple[Any, ...], DriftResult]:
    """Record answers of `detect_drift_table`, computed with ``with_scores=True`` so that learners can replay.

    Return them with execution ids, by their values of `by` and their feature. Rows are transferred to this
    process one partition at a time. `when` is the time of the answers in seconds since 1970, by default now.
    """
    found: dict[tuple[Any, ...], DriftResult] = {}
    for row in answers.toLocalIterator():
        arguments = {"current": [], "reference": [], "feature": row["feature"]}
        key = (*(row[name] for name in by), row["feature"])
        found[key] = workspace.record("detect_drift", arguments, _result(row), when=when)
    return found


def _result(row: Any) -> DriftResult:
    told = json.loads(row["details"])
    return DriftResult(
        drifted=row["drifted"],
        score=_or_nan(row["score"]),
        threshold=_or_nan(row["threshold"]),
        test=row["test"],
        feature=row["feature"],
        reason=row["reason"],
        policy_version=row["policy_version"],
        profile=Profile(**told["profile"]) if told["profile"] else None,
        scores={
            test: Score(**(each | {"statistic": _or_nan(each["statistic"])}))
            for test, each in told["scores"].items()
        },
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


BOUNDED: Final = ("ks", "ks_p_value", "wasserstein")
PLAIN: Final = ("psi", "jensen_shannon")
ENDS: Final = [f"{name}_{end}" for name in BOUNDED for end in ("low", "high")]
SCORE_COLUMNS: Final = {"feature": "string", "n_current": "bigint", "n_reference": "bigint"} | dict.fromkeys(
    [*ENDS, *PLAIN], "double"
)


def score_table(current: Any, sketches: Mapping[str, Sketch], *, by: Sequence[str] = ()) -> Any:
    """Score each feature of each group against a sketch of its reference.

    Parameters
    ----------
    current
        A Spark data frame.
    sketches
        By feature, as returned by `sketch_table`; they are broadcast.
    by
        Columns that define groups; if empty, all rows are one group.

    Returns
    -------
    pyspark.sql.DataFrame
        The columns of `by`, then ``feature, n_current, n_reference``, lower and upper bounds of the
        Kolmogorov-Smirnov distance, its p-value and the Wasserstein distance (in the unit of the values),
        ``psi`` and ``jensen_shannon``. They are null if a group has no values; ``wasserstein_high`` is also
        null if values lie outside the sketch.

    Raises
    ------
    SampleError
        The data frame lacks a column.
    """
    require(current, [*sketches, *by])
    return answer_groups(current, by, sketches, sketches, _scored, SCORE_COLUMNS)


def _scored(table: Any, sketches: Mapping[str, Sketch]) -> Iterator[dict[str, Any]]:
    for name, own in sketches.items():
        new = own.counted(table[name].combine_chunks())
        row: dict[str, Any] = dict.fromkeys(SCORE_COLUMNS) | {
            "feature": name,
            "n_current": new.n,
            "n_reference": own.n,
        }
        if new.n and own.n:
            for statistic in BOUNDED:
                low, high = getattr(own, statistic)(new)
                row |= {f"{statistic}_low": low, f"{statistic}_high": high if math.isfinite(high) else None}
            row |= {statistic: getattr(own, statistic)(new) for statistic in PLAIN}
        yield row


_NUMBERS: Final = ("tinyint", "smallint", "int", "bigint", "float", "double")


def sketch_table(
    table: Any, columns: Iterable[str] | None = None, *, edges: int = EDGES
) -> dict[str, Sketch]:
    """Return sketches of numeric columns in two passes: edges at approximate quantiles, then exact counts.

    Parameters
    ----------
    table
        A Spark data frame.
    columns
        By default all numeric columns.
    edges
        The maximum number of edges per column, 24 bytes each. More edges give narrower bounds.

    Raises
    ------
    SampleError
        A column is missing, is not numeric, or has no finite value.
    """
    numbers = [name for name, type_ in table.dtypes if type_ in _NUMBERS]
    names = numbers if columns is None else list(columns)
    require(table, names)
    if odd := [name for name in names if name not in numbers]:
        raise SampleError(f"{', '.join(odd)}: a sketch is of numbers; count categories with groupBy instead")
    shares = np.linspace(0.0, 1.0, edges).tolist()
    found = table.approxQuantile(names, shares, 1.0 / (4.0 * edges))
    bounds = {name: _distinct(name, each) for name, each in zip(names, found, strict=True)}
    rows = table.select(*names).mapInArrow(_counting(bounds), "feature string, sketch binary")
    parts: dict[str, list[Sketch]] = {name: [] for name in names}
    for row in rows.toLocalIterator():
        parts[row["feature"]].append(Sketch.from_bytes(bytes(row["sketch"])))
    return {name: merge(each or [Sketch.of([], edges=bounds[name])]) for name, each in parts.items()}


def _distinct(name: str, quantiles: list[float]) -> list[float]:
    ascending = np.unique([each for each in quantiles if np.isfinite(each)]).tolist()
    if not ascending:
        raise SampleError(f"{name} holds no finite value to lay edges by")
    return list(ascending)


def _counting(bounds: Mapping[str, list[float]]) -> Any:
    """Return a plain function of one argument, as Spark requires."""
    work = partial(_counted, bounds=bounds)

    def counted(batches: Iterator[Any]) -> Iterator[Any]:
        return work(batches)

    return counted


def _counted(batches: Iterator[Any], *, bounds: Mapping[str, list[float]]) -> Iterator[Any]:
    """Yield the counts of a partition: one small row per column, for any number of batches."""
    import pyarrow as pa  # noqa: PLC0415 -- only workers need it

    sums = {name: Sketch.of([], edges=edges) for name, edges in bounds.items()}
    for batch in batches:
        for name, edges in bounds.items():
            sums[name] += Sketch.of(batch[name], edges=edges)
    yield pa.RecordBatch.from_pydict(
        {"feature": list(sums), "sketch": [sketch.to_bytes() for sketch in sums.values()]}
    )
