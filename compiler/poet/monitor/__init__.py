"""The loop in a program: `@poet` on functions and agents, and `SmartMonitor`, the agent."""

from poet.monitor.agent import SmartMonitor
from poet.monitor.decorator import poet
from poet.monitor.function import PolicyFunction

__all__ = ["PolicyFunction", "SmartMonitor", "poet"]
