"""The oracle of the summaries: random logs, counted event by event in plain Python."""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np

from poet.events import Event, make

_MEASURES = ("statistic", "p_value", "null_q90", "null_max", "null_mean", "null_sd")
_WINDOW = ("feature", "window_size")


def random_log(seed: int, n: int = 200) -> list[Event]:
    """Draw executions (some twice), all three kinds of votes, delays, noise issues and costs in any order."""
    chance = np.random.default_rng(seed)
    return [_random_event(chance, number) for number in range(n)]


def plain_count(events: Sequence[Event]) -> dict[str, Any]:
    """Return the expected `Summaries` of these events, without position and digest."""
    executed = _executed(events)
    votes = list(_votes(events, executed))
    return {
        "newest_time": max((event.time for event in events), default=0.0),
        "counts": dict(Counter(event.type for event in events)),
        "executions": _denominators(events, executed, votes),
        "votes": votes,
        "recorded": [
            {
                "position": position,
                "time": event.time,
                "execution_id": id_,
                "feature": event.data.feature or None,
            }
            | _described(event.data)
            | {"score": event.data.score, "threshold": event.data.threshold}
            for id_, (position, event) in executed.items()
        ],
        "scores": [
            {"execution_id": id_, "test": test} | {name: getattr(score, name) for name in _MEASURES}
            for id_, (_, event) in executed.items()
            for test, score in sorted(event.data.scores.items())
        ],
        **_windows(events, executed),
    }


def valid_scores(events: Sequence[Event]) -> Counter[tuple[str, bool]]:
    """Count by test and label the scored statistics under the last vote of each source."""
    executed = _executed(events)
    last = {(vote["source"], vote["execution_id"]): vote["was_real"] for vote in _votes(events, executed)}
    return Counter(
        (test, was_real)
        for (_, id_), was_real in last.items()
        if id_ in executed
        for test in executed[id_][1].data.scores
    )


def _random_event(chance: np.random.Generator, number: int) -> Event:
    share, cited = chance.random(), int(chance.integers(50))
    if share < 0.35:
        return make(
            "execution.recorded",
            _random_execution(chance, cited),
            source="poet",
            id=f"e{number}",
            time=3600.0 * number,
        )
    type_, data = _random_feedback(chance, share, f"x{cited}")
    return make(
        type_, data, source=f"user/{chance.integers(3)}", id=f"e{number}", time=60.0 * chance.integers(9000)
    )


def _random_execution(chance: np.random.Generator, number: int) -> dict[str, Any]:
    kind = str(chance.choice(["numeric", "categorical"]))
    profile = {"kind": kind, "n_current": int(chance.integers(10, 100)), "period": 86400.0}
    data: dict[str, Any] = {
        "execution_id": f"x{number}",
        "policy": "detect_drift",
        "version": int(chance.integers(1, 4)),
        "drifted": bool(chance.random() < 0.5),
        "audit": bool(chance.random() < 0.2),
        "propensity": float(chance.choice([0.05, 0.25, 1.0])),
        "feature": str(chance.choice(["f", "g", ""])),
        "profile": profile | {"seasonal_strength": float(chance.choice([0.0, 0.6]))},
        "scores": {
            test: {"statistic": float(chance.random()), "p_value": float(chance.random()), "null_q90": 0.5}
            for test in ("ks/raw", "wasserstein/raw")
            if chance.random() < 0.8
        },
    }
    velocity = {"data_velocity": float(chance.integers(1, 1000))} if chance.random() < 0.5 else {}
    return data | velocity


def _random_feedback(chance: np.random.Generator, share: float, cited: str) -> tuple[str, dict[str, Any]]:
    feature = str(chance.choice(["f", "g", "h"]))
    window = int(chance.integers(10, 5000))
    if share < 0.6:
        label = {
            "was_real_drift": bool(chance.random() < 0.5),
            "root_cause": str(chance.choice(["load", "bug"])),
        }
        return "drift.validation", {"execution_id": cited, "feature": feature} | label
    if share < 0.7:
        return "drift.false_positive", {"execution_id": cited, "reason": "seasonal_pattern"}
    if share < 0.8:
        hours = int(chance.integers(1, 9))
        data = {
            "actual_drift_start": "2024-01-15T10:00:00",
            "detected_at": f"2024-01-15T{10 + hours}:30:00",
            "window_size_used": window,
            "data_velocity": float(chance.integers(1, 1000)),
        }
        stated = (
            {"delay_hours": hours + 0.505}
            if chance.random() < 0.5
            else {"feature": str(chance.choice(["f", "g"]))}
        )
        return "drift.detection_delay", data | stated | (
            {"execution_id": cited} if chance.random() < 0.5 else {}
        )
    if share < 0.9:
        alarms = float(chance.integers(0, 20))
        return "drift.noise_issue", {
            "false_alarms_per_day": alarms,
            "window_size": window,
            "feature": feature,
        }
    cost = {
        "computation_time_ms": float(chance.integers(1, 900)),
        "timeout_occurred": bool(chance.random() < 0.3),
    }
    return "monitoring.performance", {"window_size": window} | cost


def _listed(events: Sequence[Event], *types: str) -> Iterator[tuple[int, Any]]:
    return ((position, event) for position, event in enumerate(events, start=1) if event.type in types)


def _executed(events: Sequence[Event]) -> dict[str, tuple[int, Any]]:
    """Return each execution's first recording, in order of position."""
    executed: dict[str, tuple[int, Any]] = {}
    for position, event in _listed(events, "execution.recorded"):
        executed.setdefault(event.data.execution_id, (position, event))
    return executed


def _described(data: Any) -> dict[str, Any]:
    """Return the columns of an execution in votes and records; all null without one."""
    names = ("drifted", "audit", "propensity")
    profile = data.profile if data else None
    return {
        "policy_version": data.version if data else None,
        **{name: getattr(data, name, None) for name in names},
        "kind": getattr(profile, "kind", None),
        "is_seasonal": profile.seasonal_strength > 0 if profile else None,
        "n_current": getattr(profile, "n_current", None),
        "n_reference": getattr(profile, "n_reference", None),
    }


def _envelope(position: int, event: Any) -> dict[str, Any]:
    return {"position": position, "event_id": event.id, "source": event.source, "time": event.time}


def _votes(events: Sequence[Event], executed: dict[str, tuple[int, Any]]) -> Iterator[dict[str, Any]]:
    ways = {
        "drift.validation": "validation",
        "drift.false_positive": "false_positive",
        "drift.detection_delay": "missed",
    }
    for position, event in _listed(events, *ways):
        data, origin = event.data, ways[event.type]
        if data.execution_id is None:
            continue
        execution_data = executed[data.execution_id][1].data if data.execution_id in executed else None
        yield _envelope(position, event) | {
            "execution_id": data.execution_id,
            "feature": getattr(execution_data, "feature", None) or getattr(data, "feature", None),
            "was_real": data.was_real_drift if origin == "validation" else origin == "missed",
            "origin": origin,
            "reason": data.root_cause if origin == "validation" else getattr(data, "reason", None),
            "business_impact": getattr(data, "business_impact", None),
            **_described(execution_data),
        }


def _denominators(
    events: Sequence[Event], executed: dict[str, tuple[int, Any]], votes: list[dict[str, Any]]
) -> dict[str, int]:
    data = [event.data for _, event in executed.values()]
    cited = {vote["execution_id"] for vote in votes}
    voted = [one for one in data if one.execution_id in cited]
    return {
        "recorded": len(data),
        "drifted": sum(one.drifted for one in data),
        "silent": sum(not one.drifted for one in data),
        "audited": sum(one.audit for one in data),
        "voted": len(voted),
        "voted_drifted": sum(one.drifted for one in voted),
        "voted_silent": sum(not one.drifted for one in voted),
        "voted_audited": sum(one.audit for one in voted),
        "votes_on_recorded": sum(vote["execution_id"] in executed for vote in votes),
        "recordings": len(list(_listed(events, "execution.recorded"))),
        "votes": len(votes),
    }


def _windows(
    events: Sequence[Event], executed: dict[str, tuple[int, Any]]
) -> dict[str, list[dict[str, Any]]]:
    delays = list(_listed(events, "drift.detection_delay"))
    telling = [event.data for _, event in (*delays, *executed.values())]

    def velocity(feature: str) -> float | None:
        known = [
            one.data_velocity for one in telling if one.feature == feature and one.data_velocity is not None
        ]
        return median(known) if known else None

    def rows(type_: str, *names: str) -> list[dict[str, Any]]:
        return [
            _envelope(position, event) | {name: getattr(event.data, name) for name in names}
            for position, event in _listed(events, type_)
        ]

    noise = rows("drift.noise_issue", *_WINDOW, "false_alarms_per_day")
    return {
        "delays": [
            _envelope(position, event)
            | {
                "feature": event.data.feature,
                "window_size": event.data.window_size_used,
                "data_velocity": event.data.data_velocity,
                "delay_hours": event.data.delay_hours or event.data.elapsed_hours,
            }
            for position, event in delays
        ],
        "noise": [row | {"data_velocity": velocity(row["feature"])} for row in noise],
        "performance": rows(
            "monitoring.performance", *_WINDOW, "computation_time_ms", "memory_usage_mb", "timeout_occurred"
        ),
    }
