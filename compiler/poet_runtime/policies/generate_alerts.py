"""The runtime part of `generate_alerts`, which assigns alert ids and logs raised and suppressed alerts."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final, Protocol

from poet_runtime.alerts import Time
from poet_runtime.policies.policy import (
    Attributes,
    Difference,
    Execution,
    RecordedEvent,
    Recording,
    RuntimePolicy,
    difference_of_counts,
    executed,
)
from poet_runtime.results import Alert, AlertPlan, DriftResult, Suppressed


class GenerateAlerts(Protocol):
    """Call signature of every version of `generate_alerts`."""

    def __call__(
        self,
        drift_results: Iterable[DriftResult],
        *,
        history: Iterable[Alert | AlertPlan] = (),
        now: Time | None = None,
    ) -> AlertPlan:
        """Return the plan of alerts about the results that drifted."""
        ...


def _difference(champion: AlertPlan, shadow: AlertPlan) -> Difference:
    if _sent(champion) == _sent(shadow):
        return ""
    return difference_of_counts(len(champion.alerts), len(shadow.alerts)) or "different"


def _sent(plan: AlertPlan) -> Counter[tuple[object, ...]]:
    return Counter(
        (each.severity, each.group, tuple(sorted(member.feature for member in each.members)))
        for each in plan.alerts
    )


def _brief(plan: AlertPlan) -> str:
    return f"{len(plan.alerts)} alerts, {len(plan.suppressed)} suppressed"


def _identify(plan: AlertPlan, recording: Recording) -> AlertPlan:
    alerts = tuple(replace(alert, alert_id=recording.new_id()) for alert in plan.alerts)
    return replace(plan, alerts=alerts, execution_id=recording.execution_id)


def _consequences(plan: AlertPlan, recording: Recording) -> Iterator[RecordedEvent]:
    for alert in plan.alerts:
        yield "alert.raised", _raised(alert)
    for each in plan.suppressed:
        yield "alert.raised", _held_back(each, recording.new_id())


def _raised(alert: Alert) -> dict[str, Any]:
    return {
        "alert_id": alert.alert_id,
        "execution_ids": [member.execution_id for member in alert.members if member.execution_id],
        "features": sorted({member.feature for member in alert.members if member.feature}),
        "severity": alert.severity,
        "group": alert.group or None,
        "reason": alert.rule or None,
    }


def _held_back(each: Suppressed, alert_id: str) -> dict[str, Any]:
    member = each.member
    return {
        "alert_id": alert_id,
        "execution_ids": [member.execution_id] if member.execution_id else [],
        "features": [member.feature] if member.feature else [],
        "suppressed": True,
        "reason": each.rule,
    }


def _execution(execution: Execution) -> RecordedEvent:
    """Return the execution with the counts of alerts only, because each alert has its own event."""
    plan: AlertPlan = execution.answer
    type_, data = executed(execution)
    return type_, data | {"answer": {"alerts": len(plan.alerts), "suppressed": len(plan.suppressed)}}


def _span_attributes(plan: AlertPlan) -> Attributes:
    return {"poet.alerts": len(plan.alerts), "poet.suppressed": len(plan.suppressed)}


RUNTIME: Final = RuntimePolicy(
    name="generate_alerts",
    protocol=GenerateAlerts,
    answer=AlertPlan,
    difference=_difference,
    brief=_brief,
    identify=_identify,
    consequences=_consequences,
    execution=_execution,
    span_attributes=_span_attributes,
)
