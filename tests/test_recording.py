"""What alerts and monitored runs leave in the log, for people to answer and learners to read."""

import threading
from pathlib import Path
from typing import Any

import pytest

from poet.events import Event
from poet.log import BufferedLog
from poet.recording import Recorder
from poet.runtime.results import Alert, AlertPlan, DriftResult, MonitoringOutcome, Suppressed
from tests.stores import opened


class Log:
    """Keeps what is appended."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, events: list[Event], **_keywords: Any) -> None:
        """Keep the events."""
        self.events += events


def recorder(log: Log | BufferedLog) -> Recorder:
    """Make a recorder with a clock that stands and ids that count."""
    ids = iter(range(10_000))
    return Recorder(
        log,  # type: ignore[arg-type]
        source="monitor/shop",
        audit_rate=0.0,
        clock=lambda: 1000.0,
        new_id=lambda: f"id-{next(ids)}",
    )


def drift(feature: str) -> DriftResult:
    """Give a drifted result with an id."""
    return DriftResult(
        drifted=True, score=2.0, threshold=1.0, test="t", feature=feature, execution_id=f"x-{feature}"
    )


def test_every_alert_gets_an_id_that_answers_can_name() -> None:
    """And the log says what it is about; what was held back is told as well, with its rule."""
    log = Log()
    plan = AlertPlan(
        alerts=(Alert(members=(drift("a"), drift("b")), group="group-a", rule="group-a", is_summary=True),),
        suppressed=(Suppressed(member=drift("c"), rule="useless-c"),),
    )
    told = recorder(log)("generate_alerts", {}, plan)
    assert [alert.alert_id for alert in told.alerts] == ["id-0"]
    shown, held = (event.data for event in log.events)
    assert (shown.alert_id, shown.features, shown.execution_ids) == ("id-0", ("a", "b"), ("x-a", "x-b"))  # type: ignore[attr-defined]
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
def test_a_run_tells_of_its_size_its_time_and_its_error(fields: dict[str, Any], types: list[str]) -> None:
    """Only runs that end well, or run out of time or memory, say what a size costs."""
    log = Log()
    outcome = MonitoringOutcome(results=None, rows=500, features=3, duration_ms=20.0, **fields)
    assert recorder(log)("monitor_with_recovery", {}, outcome).execution_id == "id-0"
    assert [event.type for event in log.events] == types


def test_flushing_waits_for_what_came_before_and_not_for_what_comes_meanwhile() -> None:
    """A stream that never rests does not hold it up."""
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
def test_what_was_recorded_is_in_the_log(tmp_path: Path) -> None:
    """Under the id that the caller was given, in whatever store."""
    with opened(tmp_path) as log:
        record = recorder(log)
        arguments = {"current": [1.0, 2.0], "reference": [1.0, 2.0]}
        told = [record("detect_drift", arguments, drift(name)).execution_id for name in "abc"]
        record.close()
        log.flush()
        assert [stored.event.id for stored in log.read()] == told == ["id-0", "id-1", "id-2"]
