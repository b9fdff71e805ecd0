"""The loop in a program: `@poet` on functions and agents, and `SmartMonitor`, the agent."""

from poet.monitor._decorate import poet
from poet.monitor._function import PolicyFunction
from poet.monitor._smart import SmartMonitor

__all__ = ["PolicyFunction", "SmartMonitor", "poet"]
