"""The scenario that `generate_alerts` was designed for, as events: the same on every machine."""

from collections.abc import Iterator
from typing import Any

from poet.events import Event
from tests.builders import PEOPLE, events_of


def events() -> list[Event]:
    """Three alerts are one cause again and again, one is never of use, repeats annoy."""
    return events_of(_fatigue(), hours=1.0)


def _fatigue() -> Iterator[tuple[str, str, dict[str, Any]]]:
    together = ("ad_spend", "clicks", "sessions")
    for k in range(60):
        person = PEOPLE[k % 4]
        alerts = [f"drift-{k}-{feature}" for feature in together]
        for alert, feature in zip(alerts, together, strict=True):
            yield "alert.raised", "poet", {"alert_id": alert, "features": [feature], "severity": "medium"}
        batch = {"alert_batch": alerts, "investigated": alerts[:1], "useful": False}
        if k % 3 == 0:
            yield "alert.usefulness", person, batch | {"feedback": "all_same_root_cause"}
        alone = {"alert_id": f"drift-{k}-latency", "features": ["latency_p50"], "severity": "medium"}
        yield "alert.raised", "poet", alone
        yield (
            "alert.usefulness",
            person,
            {"alert_batch": [f"drift-{k}-latency"], "investigated": [f"drift-{k}-latency"], "useful": False},
        )
        if k % 4 == 0:
            yield (
                "alert.response",
                person,
                {
                    "alert_id": f"drift-{k}",
                    "time_to_acknowledge": 3600,
                    "action_taken": "ignored",
                    "reason": "too_many_similar_alerts",
                },
            )
    for k in range(3):
        adjusted = {"feature": "latency", "old_threshold": 0.05, "manually_adjusted_to": 0.15}
        yield "threshold.adjustment", PEOPLE[k], adjusted | {"reason": "too_sensitive_for_this_feature"}
