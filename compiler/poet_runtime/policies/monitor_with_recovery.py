"""The runtime part of `monitor_with_recovery`, which records running times, errors and recoveries."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from poet_runtime.policies.policy import (
    Attributes,
    Execution,
    RecordedEvent,
    Recording,
    RuntimePolicy,
    executed,
)
from poet_runtime.results import MonitoringOutcome


class MonitorWithRecovery(Protocol):
    """Call signature of every version of `monitor_with_recovery`."""

    def __call__(
        self,
        data: Any,
        *,
        monitor: Callable[[Any], Any] | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> MonitoringOutcome:
        """Run a monitor within its deadline, and recover if it fails."""
        ...


def _consequences(outcome: MonitoringOutcome, recording: Recording) -> Iterator[RecordedEvent]:
    """Yield the events that the recovery learner reads: running times, errors and successful recoveries."""
    size = {"data_size": outcome.rows, "feature_count": outcome.features, "computation": outcome.computation}
    is_out_of_room = outcome.error in ("timeout", "memory")
    if outcome.rows and (is_out_of_room or not outcome.error):
        yield (
            "monitoring.performance",
            {
                "window_size": outcome.rows,
                "computation_time_ms": outcome.duration_ms,
                "timeout_occurred": is_out_of_room,
                "context": {"feature_count": outcome.features, "computation": outcome.computation},
            },
        )
    if outcome.error:
        identity = recording.execution_id
        known = {name: value for name, value in size.items() if value}
        yield "error.occurred", {"error_id": identity, "error_type": outcome.error, "context": known}
        if outcome.strategy != "failed":
            yield (
                "error.recovery",
                {"error_id": identity, "recovery_strategy": outcome.strategy, "success": True},
            )


def _execution(execution: Execution) -> RecordedEvent:
    """Return the execution without the monitor's results, which belong to the caller."""
    type_, data = executed(execution)
    answer = {name: value for name, value in data["answer"].items() if name != "results"}
    return type_, data | {"answer": answer}


def _span_attributes(outcome: MonitoringOutcome) -> Attributes:
    return {"poet.strategy": outcome.strategy, "poet.timed_out": outcome.timed_out}


RUNTIME: Final = RuntimePolicy(
    name="monitor_with_recovery",
    protocol=MonitorWithRecovery,
    answer=MonitoringOutcome,
    consequences=_consequences,
    execution=_execution,
    span_attributes=_span_attributes,
    is_timed=False,  # it runs the caller's code under its own deadlines
)
