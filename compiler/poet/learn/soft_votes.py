"""Votes that nobody cast in so many words: a retraining that helped, a threshold that somebody moved.

Both say something about an execution, softly: a verdict of any person outweighs them (`poet.learn.votes`).
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:  # the tables are all that is used; the engine behind them stays out of the way
    from poet.summaries import Summaries

__all__ = ["with_soft_votes"]

_PREFIX = "drift_alert_"
_SAME = 0.01  # of a threshold: how far from it "the old threshold" may lie
_MOST = 20  # executions that one moved threshold speaks of, the newest before it
_EXECUTION = (
    "policy_version", "drifted", "audit", "propensity", "kind", "is_seasonal", "n_current", "n_reference",
)  # fmt: skip


def with_soft_votes(summaries: "Summaries") -> pa.Table:
    """Give `Summaries.votes` with the soft ones among them, by position.

    A retraining votes on the execution that triggered it: real when the model did better afterwards. A
    threshold moved by hand votes on earlier executions of its feature at the old threshold whose answer
    the new one would have turned: an alert that it silences was false, a silence that it breaks a miss.
    """
    votes: pa.Table = summaries.votes
    soft = [*_retrained(summaries), *_adjusted(summaries)]
    if not soft:
        return votes
    told = pa.Table.from_pylist(soft, schema=votes.schema)
    return pa.concat_tables([votes, told]).sort_by([("position", "ascending"), ("execution_id", "ascending")])


def _retrained(summaries: "Summaries") -> Iterator[dict[str, Any]]:
    rows = summaries.events("model.retrained").to_pylist()
    if not rows:
        return
    recorded = {row["execution_id"]: row for row in summaries.recorded.to_pylist()}
    for row in rows:
        identity = row["trigger"].removeprefix(_PREFIX)
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
            and math.isclose(run["threshold"], row["old_threshold"], rel_tol=_SAME)
            and _would_drift(run, row["manually_adjusted_to"]) != run["drifted"]
        ]
        for run in turned[-_MOST:]:
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
