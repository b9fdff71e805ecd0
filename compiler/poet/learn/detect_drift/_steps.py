"""Summaries → steps: everything the tournament needs, as arrays in log order.

A step is one execution at the moment something became known of it. An alert becomes a step when it is
judged; a silence at once (nobody asked is also an answer, at its worst case), an audited silence when it
is judged, and a silence that somebody volunteered a verdict on once more then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

if TYPE_CHECKING:
    from poet.learn.detect_drift._candidates import Candidate
    from poet.learn.labels import Ballots
    from poet.policies.detect_drift import Criterion
    from poet.summaries import Summaries

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
        """Return what a criterion compares, by execution, as the runtime would; NaN where not recorded."""
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
    kinds = table["kind"].combine_chunks()
    return Executions(
        ids=table["execution_id"].to_pylist(),
        positions=_numbers(table, "position").astype(np.int64),
        times=_numbers(table, "time"),
        features=[feature or "" for feature in table["feature"].to_pylist()],
        drifted=_flags(table, "drifted"),
        audit=_flags(table, "audit"),
        propensity=np.nan_to_num(_numbers(table, "propensity"), nan=1.0),
        is_categorical=_truth(_looked_up("is_in", kinds, pa.array(["categorical", "boolean"]))),
        is_seasonal=_flags(table, "is_seasonal"),
        n_reference=_numbers(table, "n_reference"),
        measures=_measures(summaries.scores, table["execution_id"].combine_chunks()),
    )


def _measures(scores: "pa.Table", ids: "pa.Array") -> dict[tuple[str, str], Floats]:
    found = _looked_up("index_in", scores["execution_id"], ids).fill_null(-1)
    rows = found.to_numpy().astype(np.int64)
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
                wide = np.full(len(ids), np.nan)
                wide[rows[of_test]] = values[of_test]
                measures[name, column] = wide
    return measures


def _looked_up(how: str, values: Any, among: "pa.Array") -> Any:
    return pc.call_function(how, [values], pc.SetLookupOptions(value_set=among))


def _numbers(table: "pa.Table", column: str) -> Floats:
    values: Floats = table[column].cast("float64").fill_null(np.nan).to_numpy()
    return values


def _flags(table: "pa.Table", column: str) -> NDArray[np.bool_]:
    return _truth(table[column].combine_chunks())


def _truth(flags: "pa.BooleanArray") -> NDArray[np.bool_]:
    return np.asarray(flags.fill_null(False).to_numpy(zero_copy_only=False), bool)  # noqa: FBT003


def read_steps(executions: Executions, ballots: "Ballots", *, after: int = 0) -> Steps:
    """Put judged executions and unjudged silences in the order in which they became known.

    Only what became known after log position `after`: earlier steps were taken when they were new.
    """
    row_of = {execution_id: row for row, execution_id in enumerate(executions.ids)}
    known = np.array([row_of.get(str(name), -1) for name in ballots.execution_ids], np.int64)
    ballot = np.flatnonzero((known >= 0) & (ballots.first_positions > after))
    row = known[ballot]
    roles = _roles(executions, row)
    judged = Steps(
        execution=row,
        positions=ballots.positions[ballot],
        times=ballots.times[ballot],
        labels=ballots.label[ballot],
        roles=roles,
        propensities=np.where(roles == Role.AUDIT, executions.propensity[row], 1.0),
        ballots=ballot,
    )
    return _in_order(judged, _silences(executions, after))


def _silences(executions: Executions, after: int) -> Steps:
    row = np.flatnonzero(~executions.drifted & ~executions.audit & (executions.positions > after))
    return Steps(
        execution=row,
        positions=executions.positions[row],
        times=executions.times[row],
        labels=np.full(row.size, np.nan),
        roles=np.full(row.size, int(Role.SILENT)),
        propensities=np.ones(row.size),
        ballots=np.full(row.size, -1),
    )


def _in_order(*parts: Steps) -> Steps:
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in Steps.__dataclass_fields__
    }
    order = np.argsort(columns["positions"], kind="stable")
    return Steps(**{name: column[order] for name, column in columns.items()})


def _roles(executions: Executions, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    silent = np.where(executions.audit[rows], int(Role.AUDIT), int(Role.VOLUNTEERED))
    return np.where(executions.drifted[rows], int(Role.ALERT), silent)


def fires(executions: Executions, candidate: "Candidate") -> NDArray[np.bool_]:
    """Return on which executions a candidate would alert, shape (n,). A missing score never fires."""
    return firing(executions, [candidate])[:, 0]


def firing(
    executions: Executions, candidates: "Sequence[Candidate]", rows: NDArray[np.int64] | None = None
) -> NDArray[np.bool_]:
    """Return on which of n executions each of K candidates would alert, shape (n, K).

    `rows` asks for some of the executions, in this order. Candidates lie together in memory by column.
    """
    n = len(executions.ids) if rows is None else len(rows)
    answers = np.zeros((len(candidates), n), bool)
    holds = _Holds(executions, rows)
    for answer, candidate in zip(answers, candidates, strict=True):
        if candidate.agree == 1:
            for criterion in candidate.criteria:
                np.logical_or(answer, holds(criterion), out=answer)
        else:
            count = sum(holds(criterion).astype(np.int64) for criterion in candidate.criteria)
            np.greater_equal(count, candidate.agree, out=answer)
    return answers.T


class _Holds:
    """Where each criterion holds, worked out once."""

    def __init__(self, executions: Executions, rows: NDArray[np.int64] | None) -> None:
        self._executions, self._rows = executions, rows
        self._measured: dict[tuple[str, str, str], Floats] = {}
        self._known: dict[Criterion, NDArray[np.bool_]] = {}

    def __call__(self, criterion: "Criterion") -> NDArray[np.bool_]:
        if criterion not in self._known:
            value, is_above = self._value(criterion), criterion.direction == "above"
            self._known[criterion] = value > criterion.threshold if is_above else value < criterion.threshold
        return self._known[criterion]

    def _value(self, criterion: "Criterion") -> Floats:
        measure = (criterion.statistic, criterion.preparation, criterion.scale)
        if measure not in self._measured:
            value = self._executions.value(criterion)
            self._measured[measure] = value if self._rows is None else value[self._rows]
        return self._measured[measure]
