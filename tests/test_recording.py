"""Tests of recorded executions and alerts, which people label and learners read."""

import math
import threading
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poet.events import LIMIT_BYTES, Event
from poet.log import BufferedLog
from poet.workspace.recording import Recorder
from poet_runtime.errors import LogError
from poet_runtime.policies.policy import RuntimePolicy, scalars
from poet_runtime.results import (
    Alert,
    AlertPlan,
    DriftResult,
    MonitoringOutcome,
    MonitoringStrategy,
    Suppressed,
)
from tests.stores import opened


class Log:
    """A log that keeps the appended events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, events: list[Event], **_keywords: Any) -> None:
        """Keep the events."""
        self.events += events


def recorder(log: Log | BufferedLog) -> Recorder:
    """Create a recorder with a constant clock and numbered ids."""
    ids = iter(range(10_000))
    return Recorder(
        log,  # type: ignore[arg-type]
        source="monitor/shop",
        audit_rate=0.0,
        clock=lambda: 1000.0,
        new_id=lambda: f"id-{next(ids)}",
    )


def drift(feature: str) -> DriftResult:
    """Return a drifted result with an id."""
    return DriftResult(
        drifted=True, score=2.0, threshold=1.0, test="t", feature=feature, execution_id=f"x-{feature}"
    )


def test_every_alert_gets_an_id_that_feedback_can_cite() -> None:
    """The log has the alert's features, and suppressed alerts with their rule."""
    log = Log()
    plan = AlertPlan(
        alerts=(Alert(members=(drift("a"), drift("b")), group="group-a", rule="group-a", is_summary=True),),
        suppressed=(Suppressed(member=drift("c"), rule="useless-c"),),
    )
    record = recorder(log)
    answer = record("generate_alerts", {"now": 5.0}, plan)
    record.close()
    assert [alert.alert_id for alert in answer.alerts] == ["id-1"]
    shown, held, execution = (event.data for event in log.events)
    assert answer.execution_id == execution.execution_id == "id-0"  # type: ignore[attr-defined]
    assert execution.answer == {"alerts": 1, "suppressed": 1}  # type: ignore[attr-defined]
    assert (shown.alert_id, shown.features, shown.execution_ids) == ("id-1", ("a", "b"), ("x-a", "x-b"))  # type: ignore[attr-defined]
    assert (held.suppressed, held.features, held.reason) == (True, ("c",), "useless-c")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("fields", "types"),
    [
        ({"strategy": "full"}, ["monitoring.performance"]),
        ({"strategy": "sampled"}, ["monitoring.performance"]),
        ({"strategy": "failed", "error": "value"}, ["error.occurred"]),
        ({"strategy": "failed", "error": "timeout"}, ["monitoring.performance", "error.occurred"]),
        (
            {"strategy": "sampled", "error": "timeout"},
            ["monitoring.performance", "error.occurred", "error.recovery"],
        ),
    ],
)
def test_a_run_is_recorded_with_size_time_and_error(fields: dict[str, Any], types: list[str]) -> None:
    """Only runs that succeed, or exceed time or memory, have a known cost for their size."""
    log = Log()
    outcome = MonitoringOutcome(results=None, rows=500, features=3, duration_ms=20.0, **fields)
    record = recorder(log)
    assert record("monitor_with_recovery", {}, outcome).execution_id == "id-0"
    record.close()
    assert [event.type for event in log.events] == [*types, "policy.executed"]
    assert "results" not in log.events[-1].data.answer  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("policy", "arguments", "answer"),
    [
        ("calculate_adaptive_window", {"feature_name": "age", "data_velocity": 10.0}, 5000),
        ("calculate_feature_importance", {"feature_name": "age", "context": {"season": "winter"}}, 0.5),
        ("a_policy_of_a_package", {"day": date(2026, 1, 2), "rows": np.zeros(9)}, ["a", "b"]),
    ],
)
def test_any_answer_becomes_an_execution(policy: str, arguments: dict[str, Any], answer: Any) -> None:
    """An answer without a field for the id is returned unchanged; the recorder provides the id."""
    log = Log()
    record = recorder(log)
    assert record.last_execution_id() == ""
    assert record(policy, arguments, answer, 3) is answer
    assert record.last_execution_id() == "id-0"
    record.close()
    (event,) = log.events
    data: Any = event.data
    assert (event.type, event.id) == ("policy.executed", "id-0")
    assert (data.execution_id, data.policy, data.version, data.answer) == ("id-0", policy, 3, answer)


def test_only_scalar_arguments_are_recorded() -> None:
    """Members of a mapping are recorded under its name, and numbers that JSON lacks become null."""
    given = {
        "a": np.float64(2.0),
        "b": math.nan,
        "rows": np.zeros(3),
        "context": {"c": True, "d": [1]},
        "e": {},
    }
    assert scalars(given) == {"a": 2.0, "b": None, "context.c": True}


def test_strategies_are_compared_without_their_id() -> None:
    """The id is not part of the strategy."""
    log = Log()
    record = recorder(log)
    strategy = MonitoringStrategy(frequency="daily", features="all", tests="single")
    answered = record("adaptive_monitoring_strategy", {"model_context": {"name": "churn"}}, strategy)
    record.close()
    assert (answered.execution_id, answered, repr(answered)) == ("id-0", strategy, repr(strategy))
    data: Any = log.events[0].data
    assert data.arguments == {"model_context.name": "churn"}
    assert data.answer["frequency"] == "daily"


def test_a_large_answer_is_truncated() -> None:
    """The event never exceeds the size limit."""
    log = Log()
    record = recorder(log)
    record("of_a_package", {"text": "x" * 10_000}, {"numbers": list(range(100_000)), "text": "é" * 100_000})
    record("of_a_package", {}, [["é" * 1000] * 400] * 400)
    record("of_a_package", {}, object())
    record.close()
    first: Any = log.events[0].data
    assert first.answer["numbers"] == "<list>"
    assert all(len(event.raw) <= LIMIT_BYTES for event in log.events)


def test_a_failing_recording_of_a_policy_loses_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The execution is recorded by the defaults, and the next flush raises the error."""

    def broken(_answer: object, _recording: object) -> object:
        raise KeyError("no such field")

    policy = RuntimePolicy(name="of_a_package", identify=broken)
    monkeypatch.setattr("poet.workspace.recording.runtime_policy", lambda _name: policy)
    log = Log()
    record = recorder(log)
    assert record("of_a_package", {"a": 1}, 7) == 7
    with pytest.raises(LogError, match="no such field"):
        record.flush()
    assert [event.id for event in log.events] == ["id-0"]


def test_a_flush_waits_only_for_earlier_answers() -> None:
    """A continuous stream does not delay it."""
    log = Log()
    record = recorder(log)
    stop = threading.Event()

    def stream() -> None:
        while not stop.wait(0.002):
            record("detect_drift", {"current": [1.0, 2.0], "reference": [1.0, 2.0]}, drift("a"))

    record("detect_drift", {"current": [1.0, 2.0], "reference": [1.0, 2.0]}, drift("first"))
    thread = threading.Thread(target=stream)
    thread.start()
    record.flush()
    assert log.events[0].data.feature == "first"  # type: ignore[attr-defined]
    stop.set()
    thread.join()
    record.close()


@pytest.mark.usefixtures("each_store")
def test_recorded_answers_are_in_the_log(tmp_path: Path) -> None:
    """In every store, the recorded id is the one that the caller got."""
    with opened(tmp_path) as log:
        record = recorder(log)
        arguments = {"current": [1.0, 2.0], "reference": [1.0, 2.0]}
        ids = [record("detect_drift", arguments, drift(name)).execution_id for name in "abc"]
        record.close()
        log.flush()
        assert [stored.event.id for stored in log.read()] == ids == ["id-0", "id-1", "id-2"]
