"""The runtime part of `detect_drift`, which records every score so that any rule can be replayed."""

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final, Protocol

import numpy as np

from poet_runtime.policies.policy import (
    Attributes,
    Difference,
    Execution,
    RecordedEvent,
    Recording,
    RuntimePolicy,
    difference_of_counts,
    version_attribute,
)
from poet_runtime.results import DriftResult, Score

_SAMPLES: Final = ("current", "reference", "current_times", "reference_times")


class DetectDrift(Protocol):
    """Call signature of every version of `detect_drift`."""

    def __call__(
        self,
        current: Any,
        reference: Any,
        *,
        feature: str = "",
        current_times: Any = None,
        reference_times: Any = None,
        context: Mapping[str, Any] | None = None,
    ) -> DriftResult:
        """Return whether `current` has drifted from `reference`, and the statistic that decided."""
        ...


def _difference(champion: DriftResult, shadow: DriftResult) -> Difference:
    return difference_of_counts(champion.drifted, shadow.drifted)


def _brief(answer: DriftResult) -> str:
    against = f"{answer.score:.6g} against {answer.threshold:.6g}"
    return f"drifted={answer.drifted}, {against} by {answer.rule}"


def _hold(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with copies of the samples, because the caller may reuse its buffers."""
    kept = dict(arguments)
    for name in _SAMPLES:
        if isinstance(kept.get(name), np.ndarray):
            kept[name] = kept[name].copy()
    return kept


def _identify(answer: DriftResult, recording: Recording) -> DriftResult:
    identity = recording.execution_id
    return replace(answer, execution_id=identity, audit=not answer.drifted and recording.is_audited(identity))


def _execution(execution: Execution) -> RecordedEvent:
    from poet_runtime.drift.comparison import score_all  # noqa: PLC0415 -- only needed to record

    result: DriftResult = execution.answer
    # The result's own scores take precedence, so that it can be replayed on the scale it was decided on.
    scores = score_all(**execution.arguments) | dict(result.scores)
    data = {
        "execution_id": result.execution_id,
        "policy": execution.policy,
        "version": result.policy_version,
        "feature": result.feature,
        "drifted": result.drifted,
        "test": result.test,
        "score": _finite(result.score),
        "threshold": _finite(result.threshold),
        "scores": {test: _score(score) for test, score in scores.items() if math.isfinite(score.statistic)},
        "profile": {} if result.profile is None else asdict(result.profile),
        "audit": result.audit,
        "propensity": execution.audit_rate if result.audit else 1.0,
    }
    return "execution.recorded", data


def _score(score: Score) -> dict[str, float]:
    return {
        name: value for name, value in asdict(score).items() if value is not None and math.isfinite(value)
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _metric_attributes(answer: DriftResult) -> Attributes:
    return version_attribute(answer) | {"poet.drifted": answer.drifted, "poet.audit": answer.audit}


def _span_attributes(answer: DriftResult) -> Attributes:
    return {
        "poet.feature": answer.feature,
        "poet.rule": answer.rule,
        "poet.score": answer.score,
        "poet.threshold": answer.threshold,
    }


RUNTIME: Final = RuntimePolicy(
    name="detect_drift",
    protocol=DetectDrift,
    answer=DriftResult,
    difference=_difference,
    brief=_brief,
    hold=_hold,
    identify=_identify,
    execution=_execution,
    sketched=("current", "reference"),
    metric_attributes=_metric_attributes,
    span_attributes=_span_attributes,
)
