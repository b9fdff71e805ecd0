"""What things cost here: what poet.toml says, moved by what feedback tells of hours and dollars."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from poet.learn.configuration import Costs, LearnConfiguration
from poet.learn.evidence import fading_weights
from poet.learn.statements import Statement, statements, weighted_median

if TYPE_CHECKING:  # the tables are all that is used; the engine behind them stays out of the way
    from poet.summaries import Summaries

__all__ = ["Spent", "informed", "learned_costs"]

_PRIOR = 10.0  # reports that what poet.toml says is worth
_HOUR = 3600.0


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """One cost: what poet.toml says, what it is taken to be now, and on how many reports."""

    name: str
    configured: float
    learned: float
    reports: int

    def __str__(self) -> str:
        told = f", {self.configured:g} in poet.toml, {self.reports} reports" if self.reports else ""
        return f"{self.name.replace('_', ' ')} {self.learned:g}{told}"


def learned_costs(
    summaries: "Summaries", configuration: LearnConfiguration
) -> tuple[Costs, tuple[Spent, ...]]:
    """Give the costs to decide by, and how each came about.

    A miss costs what catches prevented (``monitoring.value_delivered``); a false alarm the hours that it
    wasted, and retraining that did not help; a run its compute. The new cost is the weighted median of the
    reports and of what is configured, which counts for ten of them: a few wild claims do not move it. Old
    reports fade, and no cost leaves ``within`` times what is configured, up or down.
    """
    configured = configuration.costs
    misses = _told(summaries, configuration, "monitoring.value_delivered")
    wasted = _told(summaries, configuration, "drift.false_positive")
    retrained = _told(summaries, configuration, "model.retrained")
    runs = _told(summaries, configuration, "monitoring.cost")
    reports = {
        "miss": [(each, each["prevented_loss"]) for each in misses],
        "false_alarm": [
            *(
                (each, each["wasted_investigation_time"] / _HOUR * configured.hour_usd)
                for each in wasted
                if each["wasted_investigation_time"] is not None
            ),
            *(
                (each, each["retraining_cost"])
                for each in retrained
                if each["retraining_cost"] is not None
                and each["performance_after"] <= each["performance_before"]
            ),
        ],
        "run": [(each, each["compute_cost"]) for each in runs],
    }
    spent = tuple(
        _spent(name, told, configuration, newest=summaries.newest_time) for name, told in reports.items()
    )
    return msgspec.structs.replace(configured, **{each.name: each.learned for each in spent}), spent


def informed(summaries: "Summaries", configuration: LearnConfiguration) -> LearnConfiguration:
    """Give the configuration with the costs that feedback tells of, for every learner to decide by."""
    return msgspec.structs.replace(configuration, costs=learned_costs(summaries, configuration)[0])


def _told(summaries: "Summaries", configuration: LearnConfiguration, type_: str) -> list[Statement]:
    return statements(summaries.events(type_), burst_limit=configuration.burst_limit)[0]


def _spent(
    name: str, told: Iterable[tuple[Statement, float]], configuration: LearnConfiguration, *, newest: float
) -> Spent:
    costs = configuration.costs
    configured: float = getattr(costs, name)
    reports: Sequence[tuple[Statement, float]] = [pair for pair in told if pair[1] > 0.0]
    values = [value / costs.unit_usd for _, value in reports]
    weights = fading_weights(
        [each.time for each, _ in reports], half_life_days=configuration.half_life_days, newest=newest
    )
    middle = weighted_median([configured, *values], [_PRIOR, *map(float, weights)])
    bounded = min(max(middle, configured / costs.within), configured * costs.within)
    return Spent(name=name, configured=configured, learned=float(f"{bounded:.2g}"), reports=len(reports))
