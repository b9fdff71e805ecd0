"""Steps of the tournament, as arrays in log order, and the answers of candidates on them.

A step is one execution at the moment at which new information about it arrives. An alert becomes a step when
it is labeled. A non-alert becomes a step at once: it has no label, so it counts at its worst case. An audited
non-alert becomes a step when it is labeled. A non-alert with an unsolicited label becomes a second step at
that time.

The answers of candidates are computed one by one for labeled executions and as counts for all others. No
new information about a scope arrives between two of its labels, so the non-alerts in between are one bet
(`poet.policies.detect_drift.learner.tournament`), and counts suffice for it.

Thousands of candidates compare about thirty scores with a few thresholds each. Between two adjacent
thresholds all answers are the same, so an execution falls into one bin for all candidates that use the same
scores, and counting bins counts the alerts of each candidate.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import product
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poet.policies.detect_drift.learner.candidates import Candidate
from poet.policies.detect_drift.rules import Criterion

if TYPE_CHECKING:
    from poet.learning.labels import LabelTable
    from poet.summaries import Summaries


Floats = NDArray[np.float64]


class Role(IntEnum):
    """The origin of a step's label."""

    ALERT = 0  # a labeled alert
    AUDIT = 1  # a non-alert labeled in a random audit
    UNLABELED = 2  # a non-alert without a label
    UNSOLICITED = 3  # a non-alert with an unsolicited label: affects the choice of candidates, not bets


@dataclass(frozen=True, slots=True)
class Executions:
    """The recorded data of n executions; arrays have one entry per execution."""

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
        """Return the value that a criterion compares, as the runtime computes it; NaN if not recorded."""
        test = f"{criterion.statistic}/{criterion.preparation}"
        if criterion.scale == "p_value":
            return self._column(test, "p_value")
        value = self._column(test, "statistic")
        if criterion.scale == "absolute":
            return value
        if criterion.scale == "null_zscore":
            return (value - self._column(test, "null_mean")) / self._column(test, "null_sd")
        return value / self._column(test, criterion.scale)

    def _column(self, test: str, column: str) -> Floats:
        found = self.measures.get((test, column))
        return np.full(len(self.ids), np.nan) if found is None else found


@dataclass(frozen=True, slots=True)
class Steps:
    """The n steps of a log, in log order."""

    execution: NDArray[np.int64]  # row in `Executions`
    positions: NDArray[np.int64]
    times: Floats
    labels: Floats  # share of the sources that call it a real drift; NaN for UNLABELED
    roles: NDArray[np.int64]
    propensities: Floats
    label_rows: NDArray[np.int64]  # row in `LabelTable`, -1 for UNLABELED


def read_executions(summaries: "Summaries") -> Executions:
    """Return the recorded executions and their scores as arrays."""
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
    for column in ("statistic", "p_value", "null_q90", "null_max", "null_mean", "null_sd"):
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


def read_steps(executions: Executions, label_table: "LabelTable", *, after: int = 0) -> Steps:
    """Return labeled executions and non-alerts without labels as steps, in log order.

    Only steps after log position `after` are returned; earlier steps have been processed before.
    """
    row_of = {execution_id: row for row, execution_id in enumerate(executions.ids)}
    known = np.array([row_of.get(str(name), -1) for name in label_table.execution_ids], np.int64)
    label_row = np.flatnonzero((known >= 0) & (label_table.first_positions > after))
    row = known[label_row]
    roles = _roles(executions, row)
    labeled = Steps(
        execution=row,
        positions=label_table.positions[label_row],
        times=label_table.times[label_row],
        labels=label_table.label[label_row],
        roles=roles,
        propensities=np.where(roles == Role.AUDIT, executions.propensity[row], 1.0),
        label_rows=label_row,
    )
    return _in_order(labeled, _unlabeled_non_alerts(executions, after))


def _unlabeled_non_alerts(executions: Executions, after: int) -> Steps:
    row = np.flatnonzero(~executions.drifted & ~executions.audit & (executions.positions > after))
    return Steps(
        execution=row,
        positions=executions.positions[row],
        times=executions.times[row],
        labels=np.full(row.size, np.nan),
        roles=np.full(row.size, int(Role.UNLABELED)),
        propensities=np.ones(row.size),
        label_rows=np.full(row.size, -1),
    )


def _in_order(*parts: Steps) -> Steps:
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in Steps.__dataclass_fields__
    }
    order = np.argsort(columns["positions"], kind="stable")
    return Steps(**{name: column[order] for name, column in columns.items()})


def _roles(executions: Executions, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    of_non_alerts = np.where(executions.audit[rows], int(Role.AUDIT), int(Role.UNSOLICITED))
    return np.where(executions.drifted[rows], int(Role.ALERT), of_non_alerts)


def fires(executions: Executions, candidate: "Candidate") -> NDArray[np.bool_]:
    """Return the executions on which a candidate would alert, shape (n,); a missing score never fires."""
    return firing(executions, [candidate])[:, 0]


def firing(
    executions: Executions, candidates: "Sequence[Candidate]", rows: NDArray[np.int64] | None = None
) -> NDArray[np.bool_]:
    """Return on which of n executions each of K candidates would alert, shape (n, K).

    `rows` selects executions, in this order. The memory layout is contiguous by candidate.
    """
    n = len(executions.ids) if rows is None else len(rows)
    answers = np.zeros((len(candidates), n), bool)
    holds = _Holds(executions, rows)
    for answer, candidate in zip(answers, candidates, strict=True):
        if candidate.min_votes == 1:
            for criterion in candidate.criteria:
                np.logical_or(answer, holds(criterion), out=answer)
        else:
            count = sum(holds(criterion).astype(np.int64) for criterion in candidate.criteria)
            np.greater_equal(count, candidate.min_votes, out=answer)
    return answers.T


class _Holds:
    """The executions on which each criterion holds, cached."""

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


_Measure = tuple[str, str, str, str]  # statistic, preparation, scale, direction


@dataclass(frozen=True, slots=True)
class CandidateGroup:
    """Candidates that compare the same scores."""

    columns: NDArray[np.int64]  # indices of the candidates, shape (k,)
    bins: NDArray[np.int64]  # by execution
    answers: NDArray[np.int64]  # 1 if a candidate alerts in a bin, else 0; shape (bins, k)


def candidate_groups(
    executions: Executions, candidates: Sequence[Candidate], rows: NDArray[np.int64]
) -> list[CandidateGroup]:
    """Return the candidates grouped by the scores they compare, with the bins of some executions."""
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


def single_candidate_group(answers: NDArray[np.bool_], column: int) -> CandidateGroup:
    """Return the answers of one more candidate as a group of its own."""
    return CandidateGroup(np.array([column]), answers.astype(np.int64), np.array([[0], [1]]))


def _measure(criterion: Criterion) -> _Measure:
    return criterion.statistic, criterion.preparation, criterion.scale, criterion.direction


def _binned(
    measures: tuple[_Measure, ...],
    candidates: Sequence[Candidate],
    columns: NDArray[np.int64],
    executions: Executions,
    rows: NDArray[np.int64],
    known: dict[_Measure, NDArray[np.float64]],
) -> CandidateGroup:
    requested: dict[_Measure, dict[float, Criterion]] = {measure: {} for measure in measures}
    for criterion in (criterion for candidate in candidates for criterion in candidate.criteria):
        requested[_measure(criterion)][criterion.threshold] = criterion
    bins, ranks = np.zeros(rows.size, np.int64), []
    for criteria in requested.values():
        thresholds = sorted(criteria)
        one = criteria[thresholds[0]]
        key = _measure(one)
        if key not in known:
            known[key] = executions.value(one)[rows]
        bins = bins * (len(thresholds) + 1) + _rank(known[key], thresholds, one.direction)
        ranks.append(range(len(thresholds) + 1))
    order = {
        measure: (index, sorted(criteria)) for index, (measure, criteria) in enumerate(requested.items())
    }
    every = np.array(list(product(*ranks)))
    answers = np.zeros((len(every), len(candidates)), np.int64)
    for column, candidate in enumerate(candidates):
        holding = np.zeros(len(every), np.int64)
        for criterion in candidate.criteria:
            index, thresholds = order[_measure(criterion)]
            at = thresholds.index(criterion.threshold)
            beyond = at if criterion.direction == "above" else len(thresholds) - 1 - at
            holding += every[:, index] > beyond
        answers[:, column] = holding >= candidate.min_votes
    return CandidateGroup(columns, bins, answers)


def _rank(values: NDArray[np.float64], thresholds: Sequence[float], direction: str) -> NDArray[np.int64]:
    """Return the number of thresholds that each value exceeds; 0 for a missing value."""
    if direction == "above":
        passed = np.searchsorted(thresholds, values, side="left")
    else:
        passed = len(thresholds) - np.searchsorted(thresholds, values, side="right")
    return np.where(np.isnan(values), 0, passed)


Counts = NDArray[np.int64]
Answers = NDArray[np.bool_]
Firing = Callable[[NDArray[np.int64]], Answers]  # rows of executions → answers of the candidates, (n, K)


class _Scope(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def members(self) -> Answers: ...
    @property
    def since(self) -> int: ...


@dataclass(frozen=True, slots=True)
class LabeledAnswers:
    """The answers of K candidates and the champion on the labeled executions."""

    steps: Steps
    row_of: NDArray[np.int64]  # by execution: its row in `answers`
    answers: Answers  # (labeled executions, K)
    champion_answers: Answers  # by execution

    def fires(self, step: int) -> Answers:
        """Return which candidates alert at a step, shape (K,)."""
        found: Answers = self.answers[self.row_of[self.steps.execution[step]]]
        return found

    def champion(self, step: int) -> bool:
        """Return whether the champion alerts at a step."""
        return bool(self.champion_answers[self.steps.execution[step]])

    def of(self, steps: Steps) -> "LabeledAnswers":
        """Return the same for other steps of these executions."""
        return LabeledAnswers(steps, self.row_of, self.answers, self.champion_answers)


def answers_on_labeled(runs: Sequence[Steps], firing: Firing, champion: Answers) -> LabeledAnswers:
    """Return the answers of all candidates on executions labeled in any run, for the first run's steps."""
    rows = np.unique(np.concatenate([steps.execution[steps.roles != Role.UNLABELED] for steps in runs]))
    row_of = np.full(champion.size, -1)
    row_of[rows] = np.arange(rows.size)
    return LabeledAnswers(runs[0], row_of, np.ascontiguousarray(firing(rows)), champion)


@dataclass(frozen=True, slots=True)
class AlertCounts:
    """Counts of non-alerts: their number, and the alerts of the champion and of K candidates among them."""

    steps: int
    alerts: int  # of the champion
    added: Counts  # alerts of a candidate where the champion does not alert, shape (K,)
    shared: Counts  # alerts of a candidate where the champion alerts too, shape (K,)


class _Segments:
    """Cumulative counts of one scope between the log positions of its labels."""

    def __init__(
        self,
        bounds: Counts,
        positions: Counts,
        answers: Sequence[CandidateGroup],
        inside: Answers,
        champion: Answers,
    ) -> None:
        self._last = bounds.size + 1
        at = np.searchsorted(bounds, positions)
        self._steps = self._summed(np.bincount(at, minlength=self._last))
        self._alerts = self._summed(np.bincount(at[champion], minlength=self._last))
        every = self._counted(at, answers, inside)
        self._shared = np.zeros_like(every)
        if champion.any():
            both = inside.copy()
            both[inside] = champion
            self._shared = self._counted(at[champion], answers, both)
        self._added = every - self._shared

    def _counted(self, at: Counts, answers: Sequence[CandidateGroup], inside: Answers) -> Counts:
        """Return the cumulative counts of alerts by segment, shape (segments + 1, K)."""
        found = np.zeros((self._last + 1, sum(len(group.columns) for group in answers)), np.int64)
        for group in answers:
            bins = len(group.answers)
            filled = np.bincount(at * bins + group.bins[inside], minlength=self._last * bins)
            found[1:, group.columns] = filled.reshape(self._last, bins) @ group.answers
        return np.cumsum(found, axis=0, out=found)

    @staticmethod
    def _summed(counts: Counts) -> Counts:
        return np.concatenate([[0], np.cumsum(counts)])

    def between(self, first: int, last: int) -> AlertCounts:
        """Return the counts of the segments from `first` up to, but not including, `last`."""
        return AlertCounts(
            int(self._steps[last] - self._steps[first]),
            int(self._alerts[last] - self._alerts[first]),
            self._added[last] - self._added[first],
            self._shared[last] - self._shared[first],
        )


@dataclass(frozen=True, slots=True)
class NonAlertCounts:
    """Counts of non-alerts by scope, in segments that end at the labels of the scope."""

    bounds: dict[str, Counts]  # log positions of labels, ascending
    every: dict[str, _Segments]
    staked: dict[str, _Segments]  # those after the position up to which the scope's champion was learned

    def before(self, scope: str, position: int) -> int:
        """Return the number of segments that end at or before the position of a label."""
        return int(np.searchsorted(self.bounds[scope], position)) + 1

    def last(self, scope: str) -> int:
        """Return the number of segments of a scope."""
        return int(self.bounds[scope].size) + 1

    def between(self, scope: str, first: int, last: int) -> tuple[AlertCounts, AlertCounts]:
        """Return the counts of all non-alerts in these segments, and of those that are bet on."""
        every = self.every[scope].between(first, last)
        staked = self.staked[scope]
        return every, every if staked is self.every[scope] else staked.between(first, last)


def count_non_alerts(
    runs: Sequence[tuple[Steps, Iterable[_Scope]]],
    answers: Callable[[NDArray[np.int64]], Sequence[CandidateGroup]],
    champion: Answers,
) -> NonAlertCounts:
    """Return counts of non-alerts between the labels of all runs; runs share non-alerts and scopes.

    Parameters
    ----------
    runs
        The steps of each run, with the scopes in terms of these steps.
    answers
        Callable that returns the answers of candidates on executions, by row.
    champion
        Whether the champion alerts, by execution.
    """
    steps, scopes = runs[0]
    unlabeled = np.flatnonzero(steps.roles == Role.UNLABELED)
    rows, positions = steps.execution[unlabeled], steps.positions[unlabeled]
    found_answers, alerts = answers(rows), champion[rows]
    bounds: dict[str, list[Counts]] = {}
    for run, in_run in runs:
        for scope in in_run:
            labeled = scope.members & (run.roles != Role.UNLABELED)
            bounds.setdefault(scope.name, []).append(run.positions[labeled])
    found = NonAlertCounts({name: np.unique(np.concatenate(each)) for name, each in bounds.items()}, {}, {})

    def segments(scope: _Scope, inside: Answers) -> _Segments:
        return _Segments(found.bounds[scope.name], positions[inside], found_answers, inside, alerts[inside])

    for scope in scopes:
        inside = scope.members[unlabeled]
        late = inside & (positions > scope.since)
        found.every[scope.name] = segments(scope, inside)
        is_same = int(late.sum()) == int(inside.sum())
        found.staked[scope.name] = found.every[scope.name] if is_same else segments(scope, late)
    return found
