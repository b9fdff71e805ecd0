# pyright: strict
"""Types that production and policies of packages rely on: mypy and pyright check them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

from poet.build.compare import Behaviour, ProbeSet
from poet.build.contract import Contract, no_boundary_table
from poet.distribute import BundleRuntime, Pulled, State
from poet.events import Event, Payload, make, parse
from poet.log import BufferedLog, open_log
from poet.spec import PolicySpec, policies, policy
from poet.spec.decisions import Decisions, Rule
from poet.stats import BettingState, alpha_spending, e_value_threshold, rate_interval, reject, shrunk_means
from poet_runtime.alerts import drifted, plan_alerts, to_timestamp
from poet_runtime.drift import Measure, Reading, Reference, Samples, at_least, compare, read_score
from poet_runtime.drift.sketch import Between, Sketch
from poet_runtime.policies.policy import RuntimePolicy
from poet_runtime.recovery import Measures, Run, deadline, measure, prepare_run
from poet_runtime.registry import Policy, Registry, VersionEntry
from poet_runtime.results import AlertPlan, DriftResult, MonitoringOutcome, Score


def production(generated: Path) -> None:
    """Resolve and call versions without the compiler."""
    registry = Registry(generated)
    assert_type(registry.policy("detect_drift"), Policy)
    assert_type(registry.names(), tuple[str, ...])
    assert_type(registry.versions("detect_drift"), tuple[int, ...])
    assert_type(registry.active("detect_drift"), int)
    assert_type(registry.version("detect_drift", 2), Callable[..., Any])
    with registry.pin() as nothing:
        assert_type(nothing, None)
    Registry(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def bundles(runtime: BundleRuntime) -> None:
    """Follow a bundle."""
    assert_type(runtime.policy("detect_drift"), Policy)
    assert_type(runtime.pull(), Pulled)
    assert_type(runtime.state(), State)


def primitives(values: npt.NDArray[np.float64]) -> None:
    """Call what generated modules call."""
    samples = compare(values, values, feature="age")
    distance, p_value = samples.statistic("ks"), samples.p_value("ks")
    assert_type(samples, Samples)
    assert_type(distance, Measure)
    assert_type(distance > 0.1 or p_value < 0.05, Reading)
    assert_type(at_least(2, distance > 0.1, p_value < 0.05), Reading)
    assert_type(samples.result(distance > 0.1, rule="numeric"), DriftResult)
    assert_type(samples.score("ks", "raw"), Score)
    assert_type(read_score(samples.score("ks", "raw"), "absolute"), float)
    assert_type(Reference.prepare(values), Reference)
    assert_type(Sketch.of(values) + Sketch.of(values), Sketch)
    assert_type(Sketch.of(values).ks(Sketch.of(values)), Between)
    assert_type(drifted([samples.result(distance > 0.1, rule="numeric")]), tuple[DriftResult, ...])
    assert_type(to_timestamp("now"), float | None)
    assert_type(plan_alerts([], history=(), now=None, version=1).alert_individually(rule="every"), AlertPlan)
    assert_type(prepare_run({}, None, {}, version=1), Run)
    assert_type(prepare_run({}, None, {}, version=1).execute(), MonitoringOutcome)
    assert_type(measure({}), Measures)
    assert_type(deadline(), float | None)
    assert distance > "0.1"  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]


def events_and_logs() -> None:
    """Make, parse and store events."""
    event = make("drift.validation", {"execution_id": "x-1", "was_real_drift": True})
    assert_type(event, Event)
    assert_type(event.data, Payload)
    assert_type(event.time, float)
    assert_type(parse(b"{}"), Event)
    log = open_log("feedback_log", on_full="drop")
    assert_type(log, BufferedLog)
    assert_type(log.position(), int)
    assert_type([(position, stored) for position, stored in log.read()], list[tuple[int, Event]])
    open_log("feedback_log", on_full="panic")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def statistics() -> None:
    """Test hypotheses under optional stopping."""
    weights = alpha_spending(["a", "b"])
    assert_type(weights, dict[str, float])
    assert_type(reject({"a": 60.0}, weights, 0.05), set[str])
    assert_type(e_value_threshold(0.5, delta=0.05), float)
    assert_type(rate_interval(18, 20, risk=0.05), tuple[float, float])
    assert_type(BettingState().updated(1.0), BettingState)
    assert_type(shrunk_means([0.0, 1.0], [5, 5], 1.0), npt.NDArray[np.float64])
    rate_interval(18, 20)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def packages(modules: tuple[ModuleType, ModuleType]) -> None:
    """Register a policy."""

    def baseline(_start: str) -> tuple[Rule, ...]:
        return (Rule(id="usual", kind="usual"),)

    def outline(_decisions: Decisions) -> dict[str, object]:
        return {}

    spec = PolicySpec(
        name="choose",
        template="choose:choose.py.jinja",
        starts=("usual",),
        baseline=baseline,
        outline=outline,
        learner=None,
        contract="choose.contract",
    )
    assert_type(spec.version_1("usual"), Decisions)
    assert_type(policies(), tuple[PolicySpec, ...])
    assert_type(policy("detect_drift"), PolicySpec)
    runtime = RuntimePolicy(name="choose", feature_arguments=("service",))
    assert_type(runtime.metric_attributes(3), dict[str, str | bool | int | float])
    contract = Contract(properties=(), boundary_table=no_boundary_table)
    assert_type(contract.boundary_table(modules[0], spec.version_1("usual")), int)
    behaviour = Behaviour(
        probes=lambda _pair, _literals, _most: ProbeSet([], is_exhaustive=True),
        evaluate=lambda module, _probe: module,
        outcome=lambda answer: answer,
        direction=lambda before, after: (after > before) - (after < before),
        stricter="waits longer",
        looser="waits less",
    )
    assert_type(behaviour.stricter, str)
    Contract(properties=())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def registered(entries: Mapping[str, VersionEntry]) -> None:
    """Read what the registry's document says of a version."""
    for entry in entries.values():
        assert_type(entry.sha256, str)
