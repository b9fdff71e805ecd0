"""Critical models whose monitoring pays, quiet ones where it does not, and drifts that follow incidents."""

from typing import Any

import numpy as np

from benchmarks.worlds.told import Utterance, module_of
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
) -> list[Utterance]:
    """Draw `n` events; from event `flip_at` on critical models return nothing and quiet ones do."""
    rng = np.random.default_rng(seed)
    said: list[Utterance] = []
    state = {"incident": -1e18}
    for k in range(n):
        source = f"user/{k % 4}"
        wrong = False
        if rng.random() < hostile:
            source, wrong = "user/hostile", True
        flipped = flip_at is not None and k >= flip_at
        said.append(
            _event(rng, k, source, k * gap_hours * _HOUR, state, kind=kind, flipped=flipped, wrong=wrong)
        )
    return said


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
) -> Utterance:
    opposite = wrong != flipped
    match rng.choice(("value", "cost", "month", "verdict"), p=(0.15, 0.1, 0.35, 0.4)):
        case "value":
            return _value(rng, k, source, time, kind=kind, opposite=opposite)
        case "cost":
            return _cost(rng, k, source, time, kind=kind)
        case "month":
            return _month(rng, source, time, kind=kind, opposite=opposite)
        case _:
            return _verdict(rng, k, source, time, state, kind=kind, flipped=flipped, wrong=wrong)


def _value(
    rng: np.random.Generator, k: int, source: str, time: float, *, kind: str, opposite: bool
) -> Utterance:
    tier = str(rng.choice(("critical", "medium")))
    pays = tier == "critical" and not opposite
    loss = float(rng.lognormal(np.log(50_000.0 if pays else 20.0), 0.7))
    cost = 100.0
    if kind == "noise":  # one in five returns five times its cost, a miss as the workspace reckons it
        cost = _MISS_USD / 5.0
        loss = _MISS_USD if rng.random() < 0.2 else 0.0
    data: dict[str, Any] = {
        "drift_catch": f"drift-{k}",
        "prevented_loss": loss,
        "monitoring_cost": cost,
        "context": {"business_impact": tier, "historical_drift_rate": 0.1},
    }
    return Utterance("monitoring.value_delivered", data, source=source, time=time)


def _cost(rng: np.random.Generator, k: int, source: str, time: float, *, kind: str) -> Utterance:
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
    return Utterance("monitoring.cost", data, source=source, time=time)


def _month(rng: np.random.Generator, source: str, time: float, *, kind: str, opposite: bool) -> Utterance:
    is_quiet = rng.random() < 0.7
    rate = 0.005 if is_quiet else 0.1
    pays = is_quiet == opposite
    caught, false_alarms, cost = (20, 0, 100.0) if pays else (2, 48, 5000.0)
    if kind == "noise":  # catches are worth exactly what the month costs, in the mean
        false_alarms, cost = 10, 2000.0
        caught = 2 * int((cost + 100.0 * false_alarms) / _MISS_USD) if rng.random() < 0.5 else 0
    data: dict[str, Any] = {
        "monthly_cost": cost,
        "drifts_caught": caught,
        "false_positives": false_alarms,
        "suggestion": "reduce_frequency" if not pays else "keep",
        "context": {"historical_drift_rate": rate} | ({} if is_quiet else {"business_impact": "high"}),
    }
    return Utterance("resource.optimization_needed", data, source=source, time=time)


def _verdict(
    rng: np.random.Generator,
    k: int,
    source: str,
    time: float,
    state: dict[str, float],
    *,
    kind: str,
    flipped: bool,
    wrong: bool,
) -> Utterance:
    """Draw a drift, real more often soon after an incident; who is wrong says the contrary of it."""
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
    return Utterance("drift.validation", data, source=source, time=time)


def wanted(decisions: Decisions) -> dict[str, bool]:
    """Tell which of the world's truths the decisions hold."""
    active: dict[str, Any] = {rule.id: rule for rule in decisions.active}
    return {
        "thorough": "critical" in active["thorough"].condition["impacts"] if "thorough" in active else False,
        "quiet": "quiet" in active and active["quiet"].condition["drift_rate_below"] == 0.01,
        "incidents": "incidents" in active,
    }


def loss(decisions: Decisions, *, flipped: bool = False) -> float:
    """Give the share of four situations in which the strategy is not the one that pays."""
    strategy = module_of(decisions).adaptive_monitoring_strategy
    critical = strategy({"business_impact": "critical", "historical_drift_rate": 0.1, "recent_incidents": 0})
    quiet = strategy({"business_impact": "low", "historical_drift_rate": 0.005, "recent_incidents": 0})
    plain = strategy({"business_impact": "medium", "historical_drift_rate": 0.1, "recent_incidents": 0})
    soon = {"business_impact": "medium", "historical_drift_rate": 0.1, "recent_incidents": 1}
    shaken = strategy(soon | {"days_since_incident": 0.5})
    wrong = [
        (critical.frequency == "real_time") == flipped,
        (quiet.frequency == "daily") == flipped,
        (shaken.frequency == "real_time") == flipped,
        plain.frequency
        == "real_time",  # by the hour or by the day: such models return a fifth of what they cost
    ]
    return float(sum(wrong)) / 4.0


def relevant(each: Utterance) -> list[str]:
    """Name the truths that an event speaks of; which verdicts come soon after an incident, it cannot tell."""
    context = each.data.get("context", {})
    if each.type == "monitoring.value_delivered":
        return ["thorough"] if context["business_impact"] == "critical" else []
    if each.type == "resource.optimization_needed":
        return ["quiet"] if context["historical_drift_rate"] < 0.01 else []
    return ["incidents"] if each.data.get("was_real_drift") else []
