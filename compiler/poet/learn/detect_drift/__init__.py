"""Learn which statistic, on which preparation, at which threshold, for which kind of data."""

from poet.learn.detect_drift._curve import judged_alerts
from poet.learn.detect_drift._describe import describe_parameters
from poet.learn.detect_drift._learn import learn
from poet.learn.detect_drift._replay import replay
from poet.learn.detect_drift._scopes import champion_fires
from poet.learn.detect_drift._steps import Role, read_executions, read_steps

__all__ = [
    "Role",
    "champion_fires",
    "describe_parameters",
    "judged_alerts",
    "learn",
    "read_executions",
    "read_steps",
    "replay",
]
