"""Comparison of two versions of `adaptive_monitoring_strategy`."""

import math
from types import ModuleType
from typing import Any, Final

from poet.build.compare import Behaviour, Probe, ProbeSet, around, product
from poet.build.probes import Literals
from poet_runtime.results import MonitoringStrategy

IMPACTS: Final = (None, "none", "low", "medium", "high", "critical", "no such impact")
INCIDENTS: Final = (None, 0, 1)
LONGEST_DAYS: Final = 1e6
FREQUENCIES: Final = ("weekly", "daily", "hourly", "real_time")


def probes(modules: tuple[ModuleType, ModuleType], literals: Literals, most: int) -> ProbeSet:
    """Return inputs on both sides of every rate and number of days, for every impact and feature count."""
    found, is_complete = product({
        "business_impact": IMPACTS,
        "historical_drift_rate": (None, math.nan, *around(literals.numbers, 0.0, 1.0)),
        "recent_incidents": INCIDENTS,
        "days_since_incident": (None, *around(literals.numbers, 0.0, LONGEST_DAYS)),
        "features": _features(modules),
    }, most=most)  # fmt: skip
    return ProbeSet(found, is_complete and literals.are_only_compared("impact"))


def _features(modules: tuple[ModuleType, ModuleType]) -> list[tuple[str, ...] | None]:
    """Return lists of features: none, some or all of those kept first, with none, one or enough others."""
    constants = [value for module in modules for value in vars(module).items()]
    first = sorted({each for _, value in constants if isinstance(value, frozenset) for each in value})
    most = max((value for name, value in constants if name.endswith("_TOP")), default=0)
    rest = [f"another {k:03}" for k in range(most + 2)]
    some = [(), *((each,) for each in first), tuple(first[::2]), tuple(first)]
    return [None, *dict.fromkeys((*own, *others) for own in some for others in ((), rest[:1], rest))]


def evaluate(module: ModuleType, probe: Probe) -> object:
    """Return the strategy."""
    return module.adaptive_monitoring_strategy(dict(probe))


def _thoroughness(strategy: Any) -> tuple[int, float, bool] | None:
    if not isinstance(strategy, MonitoringStrategy) or strategy.frequency not in FREQUENCIES:
        return None
    count = math.inf if strategy.features == "all" else len(strategy.features)
    return FREQUENCIES.index(strategy.frequency), count, strategy.tests == "multiple"


def _outcome(given: Any) -> Any:
    """Return the strategy without the id of the rule behind it."""
    if not isinstance(given, MonitoringStrategy):
        return given
    return {"frequency": given.frequency, "features": given.features, "tests": given.tests}


def _direction(before: Any, after: Any) -> int:
    one, other = (
        _thoroughness(MonitoringStrategy(**each, reason="")) if isinstance(each, dict) else None
        for each in (before, after)
    )
    if one is None or other is None or one == other:
        return 0
    if all(a >= b for a, b in zip(other, one, strict=True)):
        return 1
    return -1 if all(a <= b for a, b in zip(other, one, strict=True)) else 0


BEHAVIOUR: Final = Behaviour(
    probes=probes,
    evaluate=evaluate,
    outcome=_outcome,
    direction=_direction,
    stricter="monitors more",
    looser="monitors less",
)
