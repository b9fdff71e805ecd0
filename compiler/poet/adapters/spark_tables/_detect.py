"""`detect_drift` on the groups of a data frame."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from poet.adapters.spark_tables._grouped import answer_groups, require
from poet.runtime.drift import score_all
from poet.runtime.reference import Reference
from poet.runtime.results import DriftResult
from poet.runtime.table import detect_drift_table as detect_columns

__all__ = ["detect_drift_table"]

COLUMNS = {
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
    """Answer each feature of each group, one task a group.

    Parameters
    ----------
    detect
        A `detect_drift` of any version.
    current
        A Spark data frame; the rows of one group must fit one worker.
    references
        By feature, a prepared `Reference` or a column; what is a column is prepared here, once. They are
        broadcast.
    by
        Columns that name a group, as ``("model", "day")``; without, all rows are one.
    time
        A column of timestamps or seconds: rows are put in its order, and it is given as `current_times`.
    context
        Given to `detect` with every column.
    with_scores
        Whether to compute all statistics that learners replay rules on, for `record`.

    Returns
    -------
    pyspark.sql.DataFrame
        The columns of `by`, then ``feature, drifted, score, threshold, test, reason, policy_version`` and
        ``details`` (JSON: profile and scores). Each answer is, to the bit, what `detect` gives here for the
        same values.

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
    return answer_groups(current, by, names, prepared, answer, COLUMNS)


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
    """Give what JSON holds: numbers that are none become null."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, float | np.floating):
        return _finite(float(value))
    return value.item() if isinstance(value, np.generic) else value


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
