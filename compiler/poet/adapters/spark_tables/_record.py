"""Answers that Spark gave become executions that feedback can cite."""

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from poet.runtime.results import DriftResult, Profile, Score

if TYPE_CHECKING:
    from poet.workspace import Workspace

__all__ = ["record"]


def record(
    workspace: "Workspace", answers: Any, *, by: Sequence[str] = (), when: float | None = None
) -> dict[tuple[Any, ...], DriftResult]:
    """Record answers of `detect_drift_table`, made with ``with_scores=True`` for learners to replay.

    Gives them by their values of `by` and their feature, with the ids that feedback cites. Rows come to this
    process one partition after the other. `when` they were given is now, or in seconds since 1970.
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
