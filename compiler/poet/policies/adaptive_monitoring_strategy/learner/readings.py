"""Costs and gains of monitoring in dollars, by impact tier and drift rate, and labels after incidents."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from poet.learning.configuration import Costs
from poet.learning.feedback_rows import FeedbackRow, Observation

TIERS: Final = ("none", "low", "medium", "high", "critical")
BANDS: Final = (0.01, 0.05, 0.2)  # upper bounds of the historical drift rate, one per band
_RUNS_A_MONTH: Final = 720.0  # of a model that is monitored hourly, as version 1 does
_DAY: Final = 86_400.0
_PREFIX: Final = "drift-"
_SEVERE: Final = frozenset({"", "high", "critical"})  # an unspecified impact may be high


@dataclass(frozen=True, slots=True)
class CostRecord(Observation):
    """The gain and the cost of one event in dollars; both are at least 0."""

    tier: str | None
    band: float | None  # the smallest of `BANDS` above the drift rate; None if above all or unknown
    gain: float
    cost: float


@dataclass(frozen=True, slots=True)
class PostIncidentExecution(Observation):
    """A labeled execution: whether its drift was real, and the number of days since the last incident."""

    is_real: bool
    days: float | None


def cost_records(
    runs: Sequence[FeedbackRow],
    catches: Sequence[FeedbackRow],
    months: Sequence[FeedbackRow],
    labels: Sequence[FeedbackRow],
    costs: Costs,
) -> list[CostRecord]:
    """Return all cost records in dollars, by position.

    The cost of a run is its compute cost, and its gain is the reported value. The gain of a catch is the loss
    it prevented. Each drift caught in a month, and each label of a real drift, gains the workspace's cost of
    a miss; each false alarm costs the workspace's cost of a false alarm. If a monthly report has no drift
    rate, the rate is its number of catches divided by the number of hourly runs.
    """
    miss, false_alarm = costs.miss * costs.unit_usd, costs.false_alarm * costs.unit_usd
    impacts = {each["execution_id"]: each["business_impact"] for each in labels if each["business_impact"]}
    amounts = [(e, e["business_value"] or 0.0, e["compute_cost"]) for e in runs]
    amounts += [(e, e["prevented_loss"], e["monitoring_cost"]) for e in catches]
    amounts += [
        (
            e,
            (e["drifts_caught"] or 0) * miss,
            e["monthly_cost"] + (e["false_positives"] or 0) * false_alarm,
        )
        for e in months
    ]
    amounts += [
        (e, miss if e["was_real_drift"] else 0.0, 0.0 if e["was_real_drift"] else false_alarm)
        for e in labels
        if "business_impact" in e.context or "historical_drift_rate" in e.context
    ]
    return [
        CostRecord(
            event_id=e.event_id,
            source=e.source,
            time=e.time,
            tier=_tier(e, impacts),
            band=_band(e),
            gain=max(gain, 0.0),
            cost=cost + max(-gain, 0.0),
        )
        for e, gain, cost in sorted(amounts, key=lambda row: row[0].position)
    ]


def _tier(each: FeedbackRow, impacts: Mapping[str, str]) -> str | None:
    named = each.context.get("business_impact")
    if named is None and "drift_catch" in each.data:
        named = impacts.get(str(each["drift_catch"]).removeprefix(_PREFIX))
    return named if named in TIERS else None


def _band(each: FeedbackRow) -> float | None:
    rate = each.context.get("historical_drift_rate")
    if rate is None and each.data.get("drifts_caught") is not None:
        rate = each["drifts_caught"] / _RUNS_A_MONTH
    if not isinstance(rate, int | float) or not rate >= 0.0:
        return None
    index = bisect_right(BANDS, rate)
    return BANDS[index] if index < len(BANDS) else None


def post_incident_executions(labels: Sequence[FeedbackRow]) -> Iterator[PostIncidentExecution]:
    """Yield the labels of ``drift.validation`` by event time, with the days since the last incident.

    An incident is a real drift of high, critical or unspecified impact.
    """
    last: float | None = None
    for each in sorted(labels, key=lambda row: (row.time, row.position)):
        days = (each.time - last) / _DAY if last is not None else None
        yield PostIncidentExecution(each.event_id, each.source, each.time, each["was_real_drift"], days)
        if each["was_real_drift"] and (each["business_impact"] or "") in _SEVERE:
            last = each.time
