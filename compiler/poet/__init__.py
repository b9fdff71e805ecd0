"""Monitoring policies that learn from people's feedback on their alerts."""

from typing import TYPE_CHECKING

from poet_runtime.errors import PoetError, needs_compiler
from poet_runtime.results import (
    Alert,
    AlertPlan,
    DriftResult,
    MonitoringOutcome,
    MonitoringStrategy,
    Profile,
    Score,
)

if TYPE_CHECKING:
    from poet.monitor.agent import SmartMonitor
    from poet.monitor.decorator import poet
    from poet.workspace.workspace import Report, Workspace


__all__ = [
    "Alert",
    "AlertPlan",
    "DriftResult",
    "MonitoringOutcome",
    "MonitoringStrategy",
    "PoetError",
    "Profile",
    "Report",
    "Score",
    "SmartMonitor",
    "Workspace",
    "poet",
]


def __getattr__(name: str) -> object:
    # lazy, so that generated modules do not import the compiler
    if name in ("Workspace", "Report"):
        with needs_compiler():
            from poet.workspace import workspace  # noqa: PLC0415

        return getattr(workspace, name)
    if name in ("SmartMonitor", "poet"):
        from poet import monitor  # noqa: PLC0415

        return getattr(monitor, name)
    raise AttributeError(f"module 'poet' has no attribute {name!r}")
