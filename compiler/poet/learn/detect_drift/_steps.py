"""Summaries → steps: everything the tournament needs, as arrays in log order.

A step is one execution at the moment something became known of it. An alert becomes a step when it is
judged; a silence at once (nobody asked is also an answer, at its worst case), an audited silence when it
is judged, and a silence that somebody volunteered a verdict on once more then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

    from poet.learn.detect_drift._candidates import Candidate
    from poet.learn.votes import Ballots
    from poet.policies.detect_drift import Criterion
    from poet.summaries import Summaries

__all__ = ["Executions", "Role", "Steps", "fires", "firing", "read_executions", "read_steps"]

Floats = NDArray[np.float64]


class Role(IntEnum):
    """How a step's label came about."""

    ALERT = 0  # an alert that was judged
    AUDIT = 1  # a silence that was asked about at random
    SILENT = 2  # a silence that nobody was asked about
    VOLUNTEERED = 3  # a silence that somebody spoke of unasked: proposes, does not bet


@dataclass(frozen=True, slots=True)
class Executions:
    """What was recorded of n executions, by execution."""

    ids: list[str]
    positions: NDArray[np.int64]
    times: Floats
    features: list[str]
    drifted: NDArray[np.bool_]
    audit: NDArray[np.bool_]
    propensity: Floats
    is_categorical: NDArray[np.bool_]
    is_seasonal: NDArray[np.bool_]
    n_reference: Floats
    measures: dict[tuple[str, str], Floats]  # (test, column of the scores table): values, NaN where missing

    def value(self, criterion: "Criterion") -> Floats:
        """Give what a criterion compares, by execution, as the runtime would; NaN where not recorded."""
        test = f"{criterion.statistic}/{criterion.preparation}"
        if criterion.scale == "p_value":
            return self._column(test, "p_value")
        value = self._column(test, "statistic")
        if criterion.scale == "absolute":
            return value
        if criterion.scale == "own_sd":
            return (value - self._column(test, "own_mean")) / self._column(test, "own_sd")
        return value / self._column(test, criterion.scale)

    def _column(self, test: str, column: str) -> Floats:
        found = self.measures.get((test, column))
        return np.full(len(self.ids), np.nan) if found is None else found


@dataclass(frozen=True, slots=True)
class Steps:
    """The n steps of a log, in its order."""

    execution: NDArray[np.int64]  # row in `Executions`
    positions: NDArray[np.int64]
    times: Floats
    labels: Floats  # share of the sources that call it a real drift; NaN for SILENT
    roles: NDArray[np.int64]
    propensities: Floats
    ballots: NDArray[np.int64]  # row in `Ballots`, -1 for SILENT


def read_executions(summaries: "Summaries") -> Executions:
    """Bring the recorded executions and their scores into arrays."""
    table = summaries.recorded
    ids = table["execution_id"].to_pylist()
    row_of = {execution_id: row for row, execution_id in enumerate(ids)}
    return Executions(
        ids=ids,
        positions=_numbers(table, "position").astype(np.int64),
        times=_numbers(table, "time"),
        features=[feature or "" for feature in table["feature"].to_pylist()],
        drifted=_flags(table, "drifted"),
        audit=_flags(table, "audit"),
        propensity=np.nan_to_num(_numbers(table, "propensity"), nan=1.0),
        is_categorical=np.array(
            [kind in ("categorical", "boolean") for kind in table["kind"].to_pylist()], bool
        ),
        is_seasonal=_flags(table, "is_seasonal"),
        n_reference=_numbers(table, "n_reference"),
        measures=_measures(summaries.scores, row_of),
    )


def _measures(scores: "pa.Table", row_of: dict[str, int]) -> dict[tuple[str, str], Floats]:
    rows = np.array([row_of.get(name, -1) for name in scores["execution_id"].to_pylist()], np.int64)
    encoded = scores["test"].combine_chunks().dictionary_encode()
    codes, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(names) + 1))
    measures: dict[tuple[str, str], Floats] = {}
    for column in ("statistic", "p_value", "own_q90", "own_max", "own_mean", "own_sd"):
        values = _numbers(scores, column)
        for code, name in enumerate(names):
            of_test = order[starts[code] : starts[code + 1]]
            of_test = of_test[rows[of_test] >= 0]
            if np.isfinite(values[of_test]).any():
                wide = np.full(len(row_of), np.nan)
                wide[rows[of_test]] = values[of_test]
                measures[name, column] = wide
    return measures


def _numbers(table: "pa.Table", column: str) -> Floats:
    values: Floats = table[column].cast("float64").fill_null(np.nan).to_numpy()
    return values


def _flags(table: "pa.Table", column: str) -> NDArray[np.bool_]:
    return np.array([bool(value) for value in table[column].to_pylist()], bool)


def read_steps(executions: Executions, ballots: "Ballots") -> Steps:
    """Put judged executions and unjudged silences in the order in which they became known."""
    row_of = {execution_id: row for row, execution_id in enumerate(executions.ids)}
    judged = [(row_of[name], ballot) for ballot, name in enumerate(ballots.execution_ids) if name in row_of]
    steps: list[tuple[int, int, float, float, Role, float, int]] = []
    asked: set[int] = set()
    for row, ballot in judged:
        role = _role(executions, row)
        if role != Role.VOLUNTEERED:
            asked.add(row)
        propensity = executions.propensity[row] if role == Role.AUDIT else 1.0
        when = float(ballots.times[ballot])
        steps.append(
            (
                int(ballots.positions[ballot]),
                row,
                when,
                float(ballots.label[ballot]),
                role,
                propensity,
                ballot,
            )
        )
    for silent in np.flatnonzero(~executions.drifted & ~executions.audit):
        row = int(silent)
        if row not in asked:
            when = float(executions.times[row])
            steps.append((int(executions.positions[row]), row, when, np.nan, Role.SILENT, 1.0, -1))
    steps.sort(key=lambda step: step[0])
    columns: list[Sequence[float]] = list(zip(*steps, strict=True)) if steps else [()] * 7
    return Steps(
        execution=np.array(columns[1], np.int64),
        positions=np.array(columns[0], np.int64),
        times=np.array(columns[2], float),
        labels=np.array(columns[3], float),
        roles=np.array(columns[4], np.int64),
        propensities=np.array(columns[5], float),
        ballots=np.array(columns[6], np.int64),
    )


def _role(executions: Executions, row: int) -> Role:
    if executions.drifted[row]:
        return Role.ALERT
    return Role.AUDIT if executions.audit[row] else Role.VOLUNTEERED


def fires(executions: Executions, candidate: "Candidate") -> NDArray[np.bool_]:
    """Tell on which executions a candidate would alert, shape (n,). A missing score never fires."""
    return firing(executions, [candidate])[:, 0]


def firing(executions: Executions, candidates: "Sequence[Candidate]") -> NDArray[np.bool_]:
    """Tell on which of n executions each of K candidates would alert, shape (n, K)."""
    measured: dict[tuple[str, str, str], Floats] = {}
    holds: dict[Criterion, NDArray[np.bool_]] = {}

    def held(criterion: "Criterion") -> NDArray[np.bool_]:
        if criterion not in holds:
            measure = (criterion.statistic, criterion.preparation, criterion.scale)
            if measure not in measured:
                measured[measure] = executions.value(criterion)
            value, is_above = measured[measure], criterion.direction == "above"
            holds[criterion] = value > criterion.threshold if is_above else value < criterion.threshold
        return holds[criterion]

    answers = np.zeros((len(executions.ids), len(candidates)), bool)
    for column, candidate in enumerate(candidates):
        if candidate.agree == 1:
            for criterion in candidate.criteria:
                answers[:, column] |= held(criterion)
        else:
            count = sum(held(criterion).astype(np.int64) for criterion in candidate.criteria)
            answers[:, column] = count >= candidate.agree
    return answers
