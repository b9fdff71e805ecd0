"""Monitoring policies that learn from the people who answer their alerts."""

from typing import TYPE_CHECKING

from poet.errors import PoetError
from poet.runtime.results import (
    Alert,
    AlertPlan,
    DriftResult,
    MonitoringOutcome,
    MonitoringStrategy,
    Profile,
    Score,
)

if TYPE_CHECKING:
    from poet.workspace import Report, Workspace

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
    "Workspace",
]


def __getattr__(name: str) -> object:
    # generated modules import poet.runtime; they must not pay for the compiler
    if name in ("Workspace", "Report"):
        from poet import workspace  # noqa: PLC0415

        return getattr(workspace, name)
    raise AttributeError(f"module 'poet' has no attribute {name!r}")
