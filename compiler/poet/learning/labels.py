"""Aggregation of votes into labels: one vote per source and execution, capped bursts, disagreement.

A source may revise its vote, so there are two choices of the label that a bet uses. A bet on an execution's
label at its first vote only is a martingale regardless of what sources do, but a misclick then remains
evidence forever. A bet on final labels, with each execution at the position of its *last counted vote*, lets
people correct themselves. It is valid if, under the null, the decision to vote again does not depend on what
a candidate answered. `LabelTable` has both: `label` with `positions` for the second choice, `first_label` for
the first. To guard against revisions that depend on a candidate, take the smaller of both e-values: it is as
valid as the first and as robust to misclicks as the second. In either case bets follow the order of the
rows; a vote that is settled later never moves before one on which a bet was already made.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poet.learning.feedback_rows import cap_bursts

if TYPE_CHECKING:
    from poet.summaries import Summaries


_SOFT: Final = {"retrained": 0.25, "adjusted": 0.25}  # distance of such a vote from certainty, either way
_IMPACTS: Final = ("", "none", "low", "medium", "high", "critical")
_ALERT_PREFIX: Final = "drift_alert_"
_SAME_THRESHOLD: Final = 0.01  # relative tolerance within which two thresholds are the same
_MOST_PER_ADJUSTMENT: Final = 20  # executions that one adjustment votes on: the newest before it
_EXECUTION: Final = (
    "policy_version", "drifted", "audit", "propensity", "kind", "is_seasonal", "n_current", "n_reference",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTable:
    """Labels with one row per voted execution, ordered by `positions`; every array has shape (executions,).

    If an execution was never recorded, `is_recorded` is False, `propensity` is NaN, `drifted`, `audit` and
    `is_seasonal` are False, `kinds` is empty, and `n_current`, `n_reference` and `policy_version` are 0.
    """

    execution_ids: NDArray[np.object_]
    label: NDArray[np.float64]  # mean over sources of "the drift was real" in [0, 1]; only soft: 1/4 or 3/4
    first_label: NDArray[np.float64]  # first vote of the first source that counted
    disagreement: NDArray[np.float64]  # from 0 (all sources agree) to 1 (split in halves)
    n_sources: NDArray[np.int64]
    sources: NDArray[np.object_]  # tuple of the sources that counted, sorted
    positions: NDArray[np.int64]  # log position of the last counted vote: the order of bets
    first_positions: NDArray[np.int64]  # of the first vote of a source that counted
    times: NDArray[np.float64]  # event time of the last counted vote in seconds
    event_ids: NDArray[np.object_]  # of the last counted vote
    origin: NDArray[np.object_]  # of the last counted vote: "validation", "false_positive", "missed", or soft
    unsolicited: NDArray[np.bool_]  # every counted vote is an unsolicited report of a missed drift
    impact: NDArray[np.object_]  # the highest business impact in the counted votes, or ""
    is_recorded: NDArray[np.bool_]
    policy_version: NDArray[np.int64]
    drifted: NDArray[np.bool_]
    audit: NDArray[np.bool_]
    propensity: NDArray[np.float64]
    features: NDArray[np.object_]
    kinds: NDArray[np.object_]
    is_seasonal: NDArray[np.bool_]
    n_current: NDArray[np.int64]
    n_reference: NDArray[np.int64]
    sources_by_first_vote: tuple[str, ...]  # all sources, ordered by their first vote
    votes_by_source: dict[str, int]
    excluded_votes: dict[str, int]  # source: votes beyond its burst limit
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.execution_ids.size)


def count_votes(votes: pa.Table, *, burst_limit: int = 50, without: Collection[str] = ()) -> LabelTable:
    """Return the labels of `Summaries.votes`: the last vote of each source on each execution, by position.

    At most `burst_limit` votes of one source count per clock hour of event time: the earliest by position.
    The rest are excluded and mentioned in `notes`. `without` excludes sources, to check whether the others
    agree.
    """
    rows = sorted(votes.to_pylist(), key=lambda row: row["position"])
    rows = [row for row in rows if row["source"] not in without]
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        key = row["source"], row["execution_id"]
        if key not in last or row["origin"] not in _SOFT or last[key]["origin"] in _SOFT:
            last[key] = row  # a soft vote (an action) never replaces an explicit vote
    counted, excluded_votes = cap_bursts(sorted(last.values(), key=lambda row: row["position"]), burst_limit)
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        first.setdefault((row["source"], row["execution_id"]), row)
    by_execution: dict[str, list[dict[str, Any]]] = {}
    for row in counted:  # by position, so each list ends with the last counted vote
        by_execution.setdefault(row["execution_id"], []).append(row)
    groups = sorted(by_execution.values(), key=lambda group: group[-1]["position"])
    first_votes = [
        min((first[row["source"], row["execution_id"]] for row in group), key=lambda row: row["position"])
        for group in groups
    ]
    sources_by_first_vote = tuple(dict.fromkeys(row["source"] for row in rows))
    return _label_table(
        groups, first_votes, counted, sources_by_first_vote, excluded_votes, n_votes=votes.num_rows
    )


def _label_table(
    groups: list[list[dict[str, Any]]],
    first_votes: list[dict[str, Any]],
    counted: list[dict[str, Any]],
    sources_by_first_vote: tuple[str, ...],
    excluded_votes: dict[str, int],
    *,
    n_votes: int,
) -> LabelTable:
    last_votes = [group[-1] for group in groups]
    label = np.array([_label(group) for group in groups], dtype=np.float64)
    shares_real = np.array(
        [np.mean([row["was_real"] for row in group]) for group in groups], dtype=np.float64
    )
    disagreement = 2.0 * np.minimum(shares_real, 1.0 - shares_real)
    by_source = dict(sorted(Counter(row["source"] for row in counted).items()))
    return LabelTable(
        execution_ids=_objects([row["execution_id"] for row in last_votes]),
        label=label,
        first_label=np.array([_label([row]) for row in first_votes], dtype=np.float64),
        disagreement=disagreement,
        n_sources=np.array([len(group) for group in groups], dtype=np.int64),
        sources=_objects([tuple(sorted(row["source"] for row in group)) for group in groups]),
        positions=np.array([row["position"] for row in last_votes], dtype=np.int64),
        first_positions=np.array([row["position"] for row in first_votes], dtype=np.int64),
        times=np.array([row["time"] for row in last_votes], dtype=np.float64),
        event_ids=_objects([row["event_id"] for row in last_votes]),
        origin=_objects([row["origin"] for row in last_votes]),
        unsolicited=np.array([all(row["origin"] == "missed" for row in g) for g in groups], dtype=np.bool_),
        impact=_objects([max((row["business_impact"] or "" for row in g), key=_severity) for g in groups]),
        is_recorded=np.array([row["drifted"] is not None for row in last_votes], dtype=np.bool_),
        policy_version=_numbers(last_votes, "policy_version"),
        drifted=_flags(last_votes, "drifted"),
        audit=_flags(last_votes, "audit"),
        propensity=np.array([_or_nan(row["propensity"]) for row in last_votes], dtype=np.float64),
        features=_objects([row["feature"] or "" for row in last_votes]),
        kinds=_objects([row["kind"] or "" for row in last_votes]),
        is_seasonal=_flags(last_votes, "is_seasonal"),
        n_current=_numbers(last_votes, "n_current"),
        n_reference=_numbers(last_votes, "n_reference"),
        sources_by_first_vote=sources_by_first_vote,
        votes_by_source=by_source,
        excluded_votes=excluded_votes,
        notes=_notes(n_votes, len(counted), len(groups), disagreement, excluded_votes),
    )


def _label(group: list[dict[str, Any]]) -> float:
    """Return the mean of the explicit votes; soft votes count only if there are no explicit votes."""
    explicit = [float(row["was_real"]) for row in group if row["origin"] not in _SOFT]
    soft = [abs(float(row["was_real"]) - _SOFT[row["origin"]]) for row in group if row["origin"] in _SOFT]
    counted = explicit or soft
    return sum(counted) / len(counted)


def _notes(
    n_votes: int,
    n_counted: int,
    n_executions: int,
    disagreement: NDArray[np.float64],
    excluded_votes: dict[str, int],
) -> tuple[str, ...]:
    notes = [f"{n_counted} of {n_votes} labels count; they cover {n_executions} executions"]
    split = int((disagreement > 0).sum())
    if split:
        notes.append(f"sources disagree on {split} of {n_executions} executions")
    notes += [
        f"{n} labels from {source} beyond its burst limit are ignored" for source, n in excluded_votes.items()
    ]
    return tuple(notes)


def _objects(values: list[Any]) -> NDArray[np.object_]:
    array = np.empty(len(values), dtype=np.object_)  # np.array would unpack tuples into columns
    array[:] = values
    return array


def _flags(rows: list[dict[str, Any]], column: str) -> NDArray[np.bool_]:
    return np.array([bool(row[column]) for row in rows], dtype=np.bool_)


def _numbers(rows: list[dict[str, Any]], column: str) -> NDArray[np.int64]:
    return np.array([row[column] or 0 for row in rows], dtype=np.int64)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _severity(impact: str) -> int:
    return _IMPACTS.index(impact) if impact in _IMPACTS else 0


def with_soft_votes(summaries: "Summaries") -> pa.Table:
    """Return `Summaries.votes` together with the soft votes, by position.

    A retraining is a vote on the execution that triggered it: real if the model performed better afterwards.
    A manual threshold adjustment is a vote on earlier executions of the same feature at the old threshold
    whose answer the new threshold would have changed: an alert that it suppresses was a false alarm, and a
    non-alert that it turns into an alert was a miss.
    """
    votes: pa.Table = summaries.votes
    soft = [*_retrained(summaries), *_adjusted(summaries)]
    if not soft:
        return votes
    soft_votes = pa.Table.from_pylist(soft, schema=votes.schema)
    return pa.concat_tables([votes, soft_votes]).sort_by(
        [("position", "ascending"), ("execution_id", "ascending")]
    )


def _retrained(summaries: "Summaries") -> Iterator[dict[str, Any]]:
    rows = summaries.events("model.retrained").to_pylist()
    if not rows:
        return
    recorded = {row["execution_id"]: row for row in summaries.recorded.to_pylist()}
    for row in rows:
        identity = row["trigger"].removeprefix(_ALERT_PREFIX)
        has_helped = row["performance_after"] > row["performance_before"]
        yield _vote(row, identity, recorded.get(identity), was_real=has_helped, origin="retrained")


def _adjusted(summaries: "Summaries") -> Iterator[dict[str, Any]]:
    rows = summaries.events("threshold.adjustment").to_pylist()
    if not rows:
        return
    decided = [
        row
        for row in summaries.recorded.to_pylist()
        if row["score"] is not None and row["threshold"] is not None and row["feature"]
    ]
    for row in rows:
        turned = [
            run
            for run in decided
            if run["feature"] == row["feature"]
            and run["position"] < row["position"]
            and math.isclose(run["threshold"], row["old_threshold"], rel_tol=_SAME_THRESHOLD)
            and _would_drift(run, row["manually_adjusted_to"]) != run["drifted"]
        ]
        for run in turned[-_MOST_PER_ADJUSTMENT:]:
            yield _vote(row, run["execution_id"], run, was_real=not run["drifted"], origin="adjusted")


def _would_drift(run: dict[str, Any], threshold: float) -> bool:
    is_above = (run["score"] > run["threshold"]) == run["drifted"]
    return bool(run["score"] > threshold if is_above else run["score"] < threshold)


def _vote(
    event: dict[str, Any], execution_id: str, run: dict[str, Any] | None, *, was_real: bool, origin: str
) -> dict[str, Any]:
    return {
        **{name: event[name] for name in ("position", "event_id", "source", "time")},
        "execution_id": execution_id,
        "feature": run["feature"] if run else None,
        "was_real": was_real,
        "origin": origin,
        "reason": event.get("reason"),
        "business_impact": None,
        **{name: run[name] if run else None for name in _EXECUTION},
    }
