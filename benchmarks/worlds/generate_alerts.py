"""Alerts of a shop: three features with one cause, one that is always useless, and repeats."""

from typing import Any

import numpy as np

from benchmarks.worlds.simulation import SimulatedEvent, module_of
from poet.spec.decisions import Decisions
from poet_runtime.results import DriftResult

POLICY = "generate_alerts"
TOGETHER = ("ad_spend", "clicks", "sessions")
USELESS = "latency_p50"
OTHERS = ("price", "user_age", "basket_size")
FEATURES = (*TOGETHER, USELESS, *OTHERS)
NOW = 1_000.0  # before any suppression ends
_HOUR = 3600.0


def history(
    seed: int,
    n: int,
    *,
    kind: str = "truth",
    flip_at: int | None = None,
    hostile: float = 0.0,
    gap_hours: float = 4.0,
) -> list[SimulatedEvent]:
    """Return `n` random responses, each after its alerts; from `flip_at` on, the opposite holds."""
    rng = np.random.default_rng(seed)
    events: list[SimulatedEvent] = []
    for k in range(n):
        source = f"user/{k % 4}"
        wrong = False
        if rng.random() < hostile:
            source, wrong = "user/hostile", True
        flipped = flip_at is not None and k >= flip_at
        events += _responses(rng, k, source, k * gap_hours * _HOUR, kind=kind, opposite=wrong != flipped)
    return events


def _responses(
    rng: np.random.Generator, k: int, source: str, time: float, *, kind: str, opposite: bool
) -> list[SimulatedEvent]:
    match rng.choice(("batch", "single", "repeat"), p=(0.4, 0.4, 0.2)):
        case "batch":
            return _batch(rng, k, source, time, kind=kind, opposite=opposite)
        case "single":
            return _single(rng, k, source, time, kind=kind, opposite=opposite)
        case _:
            return _repeat(rng, k, source, time, kind=kind, opposite=opposite)


def _raised(alert: str, feature: str, time: float) -> SimulatedEvent:
    data = {"alert_id": alert, "features": [feature], "severity": "medium"}
    return SimulatedEvent("alert.raised", data, source="monitor/shop", time=time)


def _batch(
    rng: np.random.Generator, k: int, source: str, time: float, *, kind: str, opposite: bool
) -> list[SimulatedEvent]:
    is_group = rng.random() < 0.6
    features = TOGETHER if is_group else tuple(map(str, rng.choice(OTHERS, size=2, replace=False)))
    alerts = [f"a{k}-{feature}" for feature in features]
    chance = 0.5 if kind == "noise" else 0.95 if is_group != opposite else 0.05
    data: dict[str, Any] = {"alert_batch": alerts}
    if rng.random() < chance:
        data |= {"investigated": alerts[:1], "useful": False, "feedback": "all_same_root_cause"}
    else:
        data |= {"investigated": alerts, "useful": True, "feedback": "different problems"}
    return [
        *(_raised(alert, feature, time) for alert, feature in zip(alerts, features, strict=True)),
        SimulatedEvent("alert.usefulness", data, source=source, time=time + 600.0),
    ]


def _single(
    rng: np.random.Generator, k: int, source: str, time: float, *, kind: str, opposite: bool
) -> list[SimulatedEvent]:
    feature = USELESS if rng.random() < 0.5 else str(rng.choice(OTHERS))
    chance = 0.75 if kind == "noise" else 0.99 if (feature == USELESS) != opposite else 0.2
    alert = f"a{k}-{feature}"
    data = {"alert_batch": [alert], "investigated": [alert], "useful": bool(rng.random() >= chance)}
    return [
        _raised(alert, feature, time),
        SimulatedEvent("alert.usefulness", data, source=source, time=time + 600.0),
    ]


def _repeat(
    rng: np.random.Generator, k: int, source: str, time: float, *, kind: str, opposite: bool
) -> list[SimulatedEvent]:
    feature = str(rng.choice(OTHERS))
    gap = float(rng.choice((600.0, 1800.0)))
    chance = 0.5 if kind == "noise" else 0.05 if opposite else 0.95
    data = (
        {"action_taken": "ignored", "reason": "too_many_similar_alerts"}
        if rng.random() < chance
        else {"action_taken": "investigated"}
    )
    return [
        _raised(f"b{k}", feature, time),
        _raised(f"c{k}", feature, time + gap),
        SimulatedEvent("alert.response", {"alert_id": f"c{k}"} | data, source=source, time=time + gap + 60.0),
    ]


def learned_truths(decisions: Decisions) -> dict[str, bool]:
    """Return which of the world's truths are learned."""
    active: dict[str, Any] = {rule.kind: rule for rule in decisions.active}
    rules: list[Any] = list(decisions.active)
    groups = [set(rule.condition["features"]) for rule in rules if rule.kind == "group"]
    useless = [rule.condition["features"] for rule in rules if rule.kind == "suppress"]
    return {
        "group": set(TOGETHER) in groups,
        "useless": [USELESS] in useless,
        "cool-down": "cool_down" in active,
        "batch": "batch" in active,
    }


def loss(decisions: Decisions, *, flipped: bool = False) -> float:
    """Return the mean number of superfluous and missing alerts in four situations."""
    module = module_of(decisions)
    group = _alerts(module, TOGETHER)
    useless = sum(_alerts(module, (USELESS,), key=k) for k in range(50)) / 50
    first = module.generate_alerts([_drift("price", 0)], now=NOW)
    repeat = len(module.generate_alerts([_drift("price", 1)], history=[first], now=NOW + 1800.0).alerts)
    others = _alerts(module, ("price", "user_age"))
    if flipped:  # batches have several causes, useless alerts are useful, repeats are new problems
        return (abs(group - 3) + abs(useless - 1.0) + abs(repeat - 1) + abs(others - 2)) / 4
    return (abs(group - 1) + abs(useless - 0.0) + abs(repeat - 0) + abs(others - 2)) / 4


def _alerts(module: Any, features: tuple[str, ...], *, key: int = 0) -> int:
    return len(module.generate_alerts([_drift(feature, key) for feature in features], now=NOW).alerts)


def _drift(feature: str, key: int) -> DriftResult:
    return DriftResult(
        drifted=True, score=1.2, threshold=1.0, test="t", feature=feature, execution_id=f"x{key}-{feature}"
    )


def relevant_truths(each: SimulatedEvent) -> list[str]:
    """Return the truths for which an event is relevant."""
    if each.type == "alert.response":
        return ["cool-down"]
    if each.type != "alert.usefulness":
        return []
    batch = each.data["alert_batch"]
    if len(batch) == len(TOGETHER):
        return ["group", "batch"]
    return ["useless"] if str(batch[0]).endswith(USELESS) else []
