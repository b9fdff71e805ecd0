"""Monitoring and learning inside a program: the `@poet` decorator and the `SmartMonitor` agent."""

from poet.monitor.agent import SmartMonitor
from poet.monitor.decorator import poet
from poet.monitor.function import PolicyFunction

__all__ = ["PolicyFunction", "SmartMonitor", "poet"]
