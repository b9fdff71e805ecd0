"""Critical models whose monitoring pays, quiet ones whose monitoring does not, drifts after incidents."""

from typing import Any

import numpy as np

from benchmarks.worlds.simulation import SimulatedEvent, module_of
from poet.spec.decisions import Decisions

POLICY = "adaptive_monitoring_strategy"
_HOUR = 3600.0
_MISS_USD = 300.0  # of the default configuration


def history(
    seed: int,
    n: int,
    *,
    kind: str = "truth",
    flip_at: int | None = None,
    hostile: float = 0.0,
    gap_hours: float = 4.0,
) -> list[SimulatedEvent]:
    """Return `n` random events; from event `flip_at` on, monitoring pays for quiet models only."""
    rng = np.random.default_rng(seed)
    events: list[SimulatedEvent] = []
    state = {"incident": -1e18}
    for k in range(n):
        source = f"user/{k % 4}"
        wrong = False
        if rng.random() < hostile:
            source, wrong = "user/hostile", True
        flipped = flip_at is not None and k >= flip_at
        events.append(
            _event(rng, k, source, k * gap_hours * _HOUR, state, kind=kind, flipped=flipped, wrong=wrong)
        )
    return events


def _event(
    rng: np.random.Generator,
    k: int,
    source: str,
    time: float,
    state: dict[str, float],
    *,
    kind: str,
    flipped: bool,
    wrong: bool,
) -> SimulatedEvent:
    opposite = wrong != flipped
    match rng.choice(("value", "cost", "month", "label"), p=(0.15, 0.1, 0.35, 0.4)):
        case "value":
            return _value(rng, k, source, time, kind=kind, opposite=opposite)
        case "cost":
            return _cost(rng, k, source, time, kind=kind)
        case "month":
            return _month(rng, source, time, kind=kind, opposite=opposite)
        case _:
            return _label(rng, k, source, time, state, kind=kind, flipped=flipped, wrong=wrong)


def _value(
    rng: np.random.Generator, k: int, source: str, time: float, *, kind: str, opposite: bool
) -> SimulatedEvent:
    tier = str(rng.choice(("critical", "medium")))
    pays = tier == "critical" and not opposite
    loss = float(rng.lognormal(np.log(50_000.0 if pays else 20.0), 0.7))
    cost = 100.0
    if kind == "noise":  # one in five returns five times its cost, the cost of a miss in the workspace
        cost = _MISS_USD / 5.0
        loss = _MISS_USD if rng.random() < 0.2 else 0.0
    data: dict[str, Any] = {
        "drift_catch": f"drift-{k}",
        "prevented_loss": loss,
        "monitoring_cost": cost,
        "context": {"business_impact": tier, "historical_drift_rate": 0.1},
    }
    return SimulatedEvent("monitoring.value_delivered", data, source=source, time=time)


def _cost(rng: np.random.Generator, k: int, source: str, time: float, *, kind: str) -> SimulatedEvent:
    tier = str(rng.choice(("critical", "low")))
    rate = 0.005 if tier == "low" else 0.1
    value = 0.0
    if kind == "noise" and rng.random() < 0.2:
        value = 2.5
    data: dict[str, Any] = {
        "execution_id": f"run-{k}",
        "compute_cost": 0.5,
        "features_monitored": 100,
        "drift_detected": value > 0.0,
        "business_value": value,
        "context": {"business_impact": tier, "historical_drift_rate": rate},
    }
    return SimulatedEvent("monitoring.cost", data, source=source, time=time)


def _month(
    rng: np.random.Generator, source: str, time: float, *, kind: str, opposite: bool
) -> SimulatedEvent:
    is_quiet = rng.random() < 0.7
    rate = 0.005 if is_quiet else 0.1
    pays = is_quiet == opposite
    caught, false_alarms, cost = (20, 0, 100.0) if pays else (2, 48, 5000.0)
    if kind == "noise":  # on average, catches are worth exactly the cost of the month
        false_alarms, cost = 10, 2000.0
        caught = 2 * int((cost + 100.0 * false_alarms) / _MISS_USD) if rng.random() < 0.5 else 0
    data: dict[str, Any] = {
        "monthly_cost": cost,
        "drifts_caught": caught,
        "false_positives": false_alarms,
        "suggestion": "reduce_frequency" if not pays else "keep",
        "context": {"historical_drift_rate": rate} | ({} if is_quiet else {"business_impact": "high"}),
    }
    return SimulatedEvent("resource.optimization_needed", data, source=source, time=time)


def _label(
    rng: np.random.Generator,
    k: int,
    source: str,
    time: float,
    state: dict[str, float],
    *,
    kind: str,
    flipped: bool,
    wrong: bool,
) -> SimulatedEvent:
    """Return a label; soon after an incident drifts are real more often. A `wrong` source inverts it."""
    is_soon = time - state["incident"] <= 3 * 24 * _HOUR
    chance = 0.3 if kind == "noise" else 0.9 if is_soon != flipped else 0.05
    real = bool(rng.random() < chance)
    is_incident = real and (not is_soon or rng.random() < 0.2)
    if is_incident:
        state["incident"] = time
    data: dict[str, Any] = {
        "execution_id": f"x{k}",
        "was_real_drift": real != wrong,
        "feature": str(rng.choice(("price", "discount", "user_age"), p=(0.5, 0.3, 0.2))),
    }
    if data["was_real_drift"]:
        data["business_impact"] = "critical" if is_incident else "low"
    return SimulatedEvent("drift.validation", data, source=source, time=time)


def learned_truths(decisions: Decisions) -> dict[str, bool]:
    """Return which of the world's truths are learned."""
    active: dict[str, Any] = {rule.id: rule for rule in decisions.active}
    return {
        "thorough": "critical" in active["thorough"].condition["impacts"] if "thorough" in active else False,
        "quiet": "quiet" in active and active["quiet"].condition["drift_rate_below"] == 0.01,
        "incidents": "incidents" in active,
    }


def loss(decisions: Decisions, *, flipped: bool = False) -> float:
    """Return the share of four situations in which the strategy is not the one that pays."""
    strategy = module_of(decisions).adaptive_monitoring_strategy
    critical = strategy({"business_impact": "critical", "historical_drift_rate": 0.1, "recent_incidents": 0})
    quiet = strategy({"business_impact": "low", "historical_drift_rate": 0.005, "recent_incidents": 0})
    plain = strategy({"business_impact": "medium", "historical_drift_rate": 0.1, "recent_incidents": 0})
    soon = {"business_impact": "medium", "historical_drift_rate": 0.1, "recent_incidents": 1}
    after_incident = strategy(soon | {"days_since_incident": 0.5})
    wrong = [
        (critical.frequency == "real_time") == flipped,
        (quiet.frequency == "daily") == flipped,
        (after_incident.frequency == "real_time") == flipped,
        plain.frequency == "real_time",  # hourly or daily: such models return a fifth of their cost
    ]
    return float(sum(wrong)) / 4.0


def relevant_truths(each: SimulatedEvent) -> list[str]:
    """Return the truths for which an event may be relevant; every real drift counts for incidents."""
    context = each.data.get("context", {})
    if each.type == "monitoring.value_delivered":
        return ["thorough"] if context["business_impact"] == "critical" else []
    if each.type == "resource.optimization_needed":
        return ["quiet"] if context["historical_drift_rate"] < 0.01 else []
    return ["incidents"] if each.data.get("was_real_drift") else []
