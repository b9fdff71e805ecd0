"""Costs of a miss, a false alarm and a run: configured in ``poet.toml``, adjusted by reports."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from poet.learning.configuration import Costs, LearnConfiguration
from poet.learning.feedback_rows import FeedbackRow, feedback_rows
from poet.stats import decay_weights, weighted_median

if TYPE_CHECKING:
    from poet.summaries import Summaries


_PRIOR: Final = 10.0  # weight of the configured cost, in reports
_HOUR: Final = 3600.0


class CostEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """One cost: the configured value, the current estimate, and the number of reports behind it."""

    name: str
    configured: float
    learned: float
    reports: int

    def __str__(self) -> str:
        origin = f", {self.configured:g} in poet.toml, {self.reports} reports" if self.reports else ""
        return f"{self.name.replace('_', ' ')} {self.learned:g}{origin}"


def learned_costs(
    summaries: "Summaries", configuration: LearnConfiguration
) -> tuple[Costs, tuple[CostEstimate, ...]]:
    """Return the costs that learners use, and the estimate of each.

    The cost of a miss is the loss that detections prevented (``monitoring.value_delivered``). The cost of a
    false alarm is the investigation time it wasted and any retraining that did not help. The cost of a run is
    its compute cost. Each estimate is the weighted median of the reports and the configured cost. The
    configured cost has the weight of ten reports, so a few extreme reports do not move the estimate. Old
    reports decay. No cost changes by more than `max_adjustment_factor`, up or down.
    """
    configured = configuration.costs
    misses = _reports(summaries, configuration, "monitoring.value_delivered")
    wasted = _reports(summaries, configuration, "drift.false_positive")
    retrained = _reports(summaries, configuration, "model.retrained")
    runs = _reports(summaries, configuration, "monitoring.cost")
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
    estimates = tuple(
        _estimate(name, found, configuration, newest=summaries.newest_time) for name, found in reports.items()
    )
    return msgspec.structs.replace(configured, **{each.name: each.learned for each in estimates}), estimates


def with_estimated_costs(summaries: "Summaries", configuration: LearnConfiguration) -> LearnConfiguration:
    """Return the configuration with the costs estimated from feedback, for all learners."""
    return msgspec.structs.replace(configuration, costs=learned_costs(summaries, configuration)[0])


def _reports(summaries: "Summaries", configuration: LearnConfiguration, type_: str) -> list[FeedbackRow]:
    return feedback_rows(summaries.events(type_), burst_limit=configuration.burst_limit)[0]


def _estimate(
    name: str, found: Iterable[tuple[FeedbackRow, float]], configuration: LearnConfiguration, *, newest: float
) -> CostEstimate:
    costs = configuration.costs
    configured: float = getattr(costs, name)
    reports: Sequence[tuple[FeedbackRow, float]] = [pair for pair in found if pair[1] > 0.0]
    values = [value / costs.unit_usd for _, value in reports]
    weights = decay_weights(
        [each.time for each, _ in reports], half_life_days=configuration.half_life_days, newest=newest
    )
    middle = weighted_median([configured, *values], [_PRIOR, *map(float, weights)])
    bounded = min(
        max(middle, configured / costs.max_adjustment_factor), configured * costs.max_adjustment_factor
    )
    return CostEstimate(
        name=name, configured=configured, learned=float(f"{bounded:.2g}"), reports=len(reports)
    )
