"""Learn where thorough monitoring pays, where less is enough, and how long an incident justifies more."""

from poet.learn.adaptive_monitoring_strategy._learn import learn

__all__ = ["learn"]
