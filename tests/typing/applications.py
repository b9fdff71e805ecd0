# pyright: strict
"""Types that programs rely on: mypy and pyright check this file, nothing runs it.

A line with an ignored error has to be an error: both checkers report an ignore that is not needed.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, assert_type

from poet import (
    Alert,
    AlertPlan,
    DriftResult,
    MonitoringOutcome,
    MonitoringStrategy,
    PoetError,
    Profile,
    Report,
    Score,
    SmartMonitor,
    Workspace,
    poet,
)
from poet.events import Event
from poet.monitor import PolicyFunction
from poet.workspace.overrides import Override
from poet.workspace.pipeline import Plan
from poet_runtime.errors import CompilerMissingError
from poet_runtime.registry import Policy, Registry


def workspaces() -> None:
    """Open, call, emit, compile and roll back."""
    with Workspace.open(".") as workspace:
        assert_type(workspace, Workspace)
        assert_type(workspace.path, Path)
        assert_type(workspace.registry, Registry)
        assert_type(workspace.policy("detect_drift"), Policy)
        assert_type(workspace.policy("detect_drift")([1.0], [2.0]), Any)
        assert_type(workspace.detect_drift_table({}, {}), dict[str, DriftResult])
        assert_type(workspace.emit("drift.validation", {"execution_id": "x"}, source="user/ana"), Event)
        assert_type(workspace.last_execution_id(), str)
        assert_type(workspace.plan(["detect_drift"]), Plan)
        assert_type(workspace.compile(), Report)
        assert_type(workspace.compile().versions, Mapping[str, int])
        assert_type(workspace.compile().plan, Plan)
        assert_type(workspace.saved(workspace.plan()), bytes)
        assert_type(workspace.overrides(), tuple[Override, ...])
        assert_type(workspace.rollback("detect_drift"), int)
        assert_type(workspace.verify("detect_drift", 2), str)
        assert_type(workspace.pin(), AbstractContextManager[None])
        workspace.compile(rollout="canary", share=0.1)
        workspace.compile(rollout="everywhere")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        workspace.plan(engine="polars")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        workspace.emit("drift.validation", data=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Workspace.open(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@poet(policy="detect_drift", workspace=".")
def has_drifted(current: list[float], reference: list[float], *, feature: str = "") -> bool:
    """Compare means, until a version is active."""
    return sum(current) > sum(reference) + len(feature)


@poet(learning="manual")
class Shop(SmartMonitor):
    """An agent with a policy of its own making."""

    def is_urgent(self, result: DriftResult) -> bool:
        """Return whether a person should look now."""
        return result.business_impact == "critical"


async def programs() -> None:
    """Call a decorated function, and an agent."""
    decorated: PolicyFunction[..., bool] = has_drifted
    assert_type(decorated([1.0], [2.0]), bool)
    assert_type(has_drifted([1.0], [2.0], feature="age"), bool)
    has_drifted(["a"], [2.0])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    agent = Shop()
    assert_type(agent, Shop)
    result = agent.detect_drift([1.0], [2.0], feature="age")
    assert_type(result, DriftResult)
    assert_type(agent.is_urgent(result), bool)
    assert_type(agent.calculate_adaptive_window("age", 10.0, "normal"), int)
    assert_type(agent.calculate_feature_importance("age", None), float)
    assert_type(agent.generate_alerts([result]), AlertPlan)
    assert_type(agent.monitor_with_recovery({}), MonitoringOutcome)
    assert_type(agent.adaptive_monitoring_strategy({}), MonitoringStrategy)
    assert_type(agent.track_execution(result), str)
    assert_type(agent.track_execution({"age": result}), tuple[str, ...])
    assert_type(await agent.monitoring_with_feedback([1.0], [2.0]), DriftResult)
    assert_type(await agent.on_feedback_received("x-1", timeout=1.0), Event)
    agent.track_execution(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def results(result: DriftResult, plan: AlertPlan, strategy: MonitoringStrategy) -> None:
    """Read answers, which are frozen."""
    assert_type(result.drifted, bool)
    assert_type(result.score, float)
    assert_type(result.p_value, float | None)
    assert_type(result.direction, Literal["above", "below"])
    assert_type(result.scores, Mapping[str, Score])
    assert_type(result.profile, Profile | None)
    assert_type(plan.alerts, tuple[Alert, ...])
    assert_type(plan.alerts[0].members, tuple[DriftResult, ...])
    assert_type(plan.thresholds, Mapping[str, float])
    assert_type(strategy.frequency, Literal["real_time", "hourly", "daily", "weekly"])
    assert_type(strategy.features, tuple[str, ...] | Literal["all"])
    result.drifted = False  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def errors() -> None:
    """Catch one error, or all that are raised on purpose."""
    try:
        Workspace.open(".")
    except CompilerMissingError as missing:
        assert_type(missing, CompilerMissingError)
        as_import_error: ImportError = missing
        raise as_import_error from None
    except PoetError as error:
        assert_type(error, PoetError)
