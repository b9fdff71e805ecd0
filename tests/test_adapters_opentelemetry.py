"""Tests of spans and metrics with the collectors of the OpenTelemetry SDK."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poet import Workspace
from tests.workspaces import first_workspace

pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from poet.integrations.opentelemetry_signals import Observed

DRAWS = np.random.default_rng(7)
BEFORE, NOW = DRAWS.normal(0, 1, 200), DRAWS.normal(2, 1, 200)


class Collected:
    """An observed workspace with the spans and metrics that it emitted."""

    def __init__(self, workspace: Workspace) -> None:
        self._spans, self._metrics = InMemorySpanExporter(), InMemoryMetricReader()
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider([self._metrics], shutdown_on_exit=False)
        self.observed = Observed(workspace, tracer_provider=tracers, meter_provider=self.meters)

    def spans(self) -> tuple[Any, ...]:
        """Return the ended spans."""
        return self._spans.get_finished_spans()

    def points(self) -> dict[str, list[Any]]:
        """Return the data points of each metric."""
        data: Any = self._metrics.get_metrics_data()
        metrics = [] if data is None else data.resource_metrics[0].scope_metrics[0].metrics
        return {each.name: list(each.data.data_points) for each in metrics}


@pytest.fixture(name="collected")
def _collected(tmp_path: Path) -> Iterator[Collected]:
    with Workspace.open(first_workspace(tmp_path / "shop")) as workspace:
        collected = Collected(workspace)
        yield collected
        collected.meters.shutdown()


def test_a_call_is_a_span_with_its_answer(collected: Collected) -> None:
    """Metrics have only policy, version and outcome; features and ids would create too many series."""
    detect_drift = collected.observed.policy("detect_drift")
    result = detect_drift(NOW, BEFORE, feature="age")
    detect_drift(NOW, BEFORE, feature="price")
    (span, _) = collected.spans()
    attributes = dict(span.attributes)
    assert (span.name, attributes["poet.feature"], attributes["poet.drifted"]) == (
        "poet.call detect_drift",
        "age",
        True,
    )
    assert (attributes["poet.version"], attributes["poet.execution_id"]) == (1, result.execution_id)
    (point,) = collected.points()["poet.calls"]
    assert point.value == 2
    counted = {"poet.policy": "detect_drift", "poet.version": 1, "poet.drifted": True, "poet.audit": False}
    assert dict(point.attributes) == counted
    (took,) = collected.points()["poet.call.duration"]
    assert (took.count, took.sum > 0) == (2, True)


def test_the_observed_callable_looks_like_the_policy(collected: Collected) -> None:
    """Answers of other policies have attributes, too."""
    alerts = collected.observed.policy("generate_alerts")
    assert alerts.__name__ == "generate_alerts"
    plan = alerts([])
    attributes = collected.spans()[0].attributes
    assert (attributes["poet.alerts"], attributes["poet.execution_id"]) == (0, plan.execution_id)
    collected.observed.policy("calculate_adaptive_window")("age", 1000.0, "normal")
    last = collected.observed.workspace.last_execution_id()
    assert collected.spans()[1].attributes["poet.execution_id"] == last


def test_an_error_marks_its_span_and_is_raised(collected: Collected) -> None:
    """The caller gets the original exception."""
    with pytest.raises(TypeError):
        collected.observed.policy("detect_drift")("no column", BEFORE)
    (span,) = collected.spans()
    assert span.status.status_code.name == "ERROR"
    (point,) = collected.points()["poet.calls"]
    assert point.attributes["error.type"] == "SampleError"


def test_a_compile_is_a_span(collected: Collected) -> None:
    """It has the log position and the published versions."""
    report = collected.observed.compile()
    (span,) = collected.spans()
    assert (span.name, dict(span.attributes)) == ("poet.compile", {"poet.log_position": 0})
    assert report.versions == {}
    assert collected.points()["poet.compiles"][0].value == 1


def test_without_a_provider_calls_still_work(tmp_path: Path) -> None:
    """The answer is the same."""
    with Workspace.open(first_workspace(tmp_path / "shop")) as workspace:
        assert Observed(workspace).policy("detect_drift")(NOW, BEFORE).drifted
