"""Candidates that ask of the same scores, answered together: by the bin an execution falls into.

Thousands of candidates compare some thirty scores with a few thresholds each. Between two thresholds all
of them give the same answers, so an execution is one bin for all candidates that ask of the same scores, and
counting bins counts the alerts of each.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from poet.learn.detect_drift._candidates import Candidate
from poet.learn.detect_drift._steps import Executions
from poet.policies.detect_drift import Criterion

_Measure = tuple[str, str, str, str]  # statistic, preparation, scale, direction


@dataclass(frozen=True, slots=True)
class Alike:
    """Candidates that ask of the same scores."""

    columns: NDArray[np.int64]  # which candidates they are, shape (k,)
    bins: NDArray[np.int64]  # by execution
    answers: NDArray[np.int64]  # 1 where a candidate alerts in a bin, else 0; shape (bins, k)


def alike(executions: Executions, candidates: Sequence[Candidate], rows: NDArray[np.int64]) -> list[Alike]:
    """Put candidates together and find the bins of some executions."""
    groups: defaultdict[tuple[_Measure, ...], list[int]] = defaultdict(list)
    for column, candidate in enumerate(candidates):
        groups[tuple(sorted({_measure(criterion) for criterion in candidate.criteria}))].append(column)
    known: dict[_Measure, NDArray[np.float64]] = {}
    return [
        _binned(
            measures, [candidates[column] for column in columns], np.array(columns), executions, rows, known
        )
        for measures, columns in groups.items()
    ]


def given(answers: NDArray[np.bool_], column: int) -> Alike:
    """Put what one more candidate says beside the others."""
    return Alike(np.array([column]), answers.astype(np.int64), np.array([[0], [1]]))


def _measure(criterion: Criterion) -> _Measure:
    return criterion.statistic, criterion.preparation, criterion.scale, criterion.direction


def _binned(
    measures: tuple[_Measure, ...],
    candidates: Sequence[Candidate],
    columns: NDArray[np.int64],
    executions: Executions,
    rows: NDArray[np.int64],
    known: dict[_Measure, NDArray[np.float64]],
) -> Alike:
    asked: dict[_Measure, dict[float, Criterion]] = {measure: {} for measure in measures}
    for criterion in (criterion for candidate in candidates for criterion in candidate.criteria):
        asked[_measure(criterion)][criterion.threshold] = criterion
    bins, ranks = np.zeros(rows.size, np.int64), []
    for criteria in asked.values():
        thresholds = sorted(criteria)
        one = criteria[thresholds[0]]
        key = _measure(one)
        if key not in known:
            known[key] = executions.value(one)[rows]
        bins = bins * (len(thresholds) + 1) + _rank(known[key], thresholds, one.direction)
        ranks.append(range(len(thresholds) + 1))
    order = {measure: (place, sorted(criteria)) for place, (measure, criteria) in enumerate(asked.items())}
    every = np.array(list(product(*ranks)))
    answers = np.zeros((len(every), len(candidates)), np.int64)
    for column, candidate in enumerate(candidates):
        holding = np.zeros(len(every), np.int64)
        for criterion in candidate.criteria:
            place, thresholds = order[_measure(criterion)]
            at = thresholds.index(criterion.threshold)
            beyond = at if criterion.direction == "above" else len(thresholds) - 1 - at
            holding += every[:, place] > beyond
        answers[:, column] = holding >= candidate.agree
    return Alike(columns, bins, answers)


def _rank(values: NDArray[np.float64], thresholds: Sequence[float], direction: str) -> NDArray[np.int64]:
    """Count the thresholds that a value is beyond; none for a missing one."""
    if direction == "above":
        passed = np.searchsorted(thresholds, values, side="left")
    else:
        passed = len(thresholds) - np.searchsorted(thresholds, values, side="right")
    return np.where(np.isnan(values), 0, passed)
