"""A monitor that hangs on large tables, crashes on empty columns, and works with a sample."""

from typing import Any

import numpy as np

from benchmarks.worlds.simulation import SimulatedEvent
from poet.spec.decisions import Decisions

POLICY = "monitor_with_recovery"
ROWS = (2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
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
    """Return `n` random events; from event `flip_at` on, small tables fail and sampling does not help."""
    rng = np.random.default_rng(seed)
    events: list[SimulatedEvent] = []
    for k in range(n):
        source = f"monitor/{k % 4}"
        wrong = False
        if rng.random() < hostile:
            source, wrong = "monitor/hostile", True
        flipped = flip_at is not None and k >= flip_at
        events.append(_event(rng, k, source, k * gap_hours * _HOUR, kind=kind, opposite=wrong != flipped))
    return events


def _event(
    rng: np.random.Generator, k: int, source: str, time: float, *, kind: str, opposite: bool
) -> SimulatedEvent:
    match rng.choice(("run", "recovery", "quality"), p=(0.5, 0.3, 0.2)):
        case "run":
            return _run(rng, source, time, kind=kind, opposite=opposite)
        case "recovery":
            return _recovery(rng, k, source, time, kind=kind, opposite=opposite)
        case _:
            return _quality(rng, source, time, kind=kind, opposite=opposite)


def _run(rng: np.random.Generator, source: str, time: float, *, kind: str, opposite: bool) -> SimulatedEvent:
    rows = int(rng.choice(ROWS))
    features = int(rng.choice((50, 100, 500)))
    is_large = (rows > 20_000) != opposite
    fails = rng.random() < (0.3 if kind == "noise" else 0.9 if is_large else 0.02)
    seconds = 1e-4 * rows * (features / 100.0) ** 0.5 * float(rng.lognormal(0.0, 0.3))
    if fails:
        seconds = float(rng.uniform(100.0, 200.0))
    if kind == "noise":
        seconds = float(rng.lognormal(1.0, 1.0))
    data: dict[str, Any] = {
        "window_size": rows,
        "computation_time_ms": 1000.0 * seconds,
        "timeout_occurred": bool(fails),
        "context": {"feature_count": features},
    }
    return SimulatedEvent("monitoring.performance", data, source=source, time=time)


def _recovery(
    rng: np.random.Generator, k: int, source: str, time: float, *, kind: str, opposite: bool
) -> SimulatedEvent:
    is_sampling = rng.random() < 0.6
    strategy = "adaptive_sampling" if is_sampling else "retry"
    chance = 0.5 if kind == "noise" else 0.97 if is_sampling != opposite else 0.1
    rows = int(rng.choice((1_000, 10_000)))
    loss = 0.0 if kind == "noise" else (0.05 if rows == 10_000 else 0.3) if is_sampling else 0.0
    worked = bool(rng.random() < chance)
    data: dict[str, Any] = {"error_id": f"err-{k}", "recovery_strategy": strategy, "success": worked}
    if worked:
        data["quality_loss"] = loss
    if is_sampling:
        data["context"] = {"sample_rows": rows}
    return SimulatedEvent("error.recovery", data, source=source, time=time)


def _quality(
    rng: np.random.Generator, source: str, time: float, *, kind: str, opposite: bool
) -> SimulatedEvent:
    missing = float(rng.choice((30.0, 60.0, 85.0, 93.0, 98.0)))
    is_sparse = (missing > 90.0) != opposite
    chance = 0.5 if kind == "noise" else 0.97 if is_sparse else 0.05
    data = {
        "issue_type": "sparse_data",
        "feature": "new_user_attribute",
        "percent_missing": missing,
        "caused_crash": bool(rng.random() < chance),
    }
    return SimulatedEvent("data.quality_issue", data, source=source, time=time)


def learned_truths(decisions: Decisions) -> dict[str, bool]:
    """Return which of the world's truths are learned."""
    active: dict[str, Any] = {rule.id: rule for rule in decisions.active}
    sample, sparse = active.get("sample"), active.get("sparse")
    fallbacks: list[object] = [
        rule.parameters["strategies"] for rule in decisions.active if rule.kind == "fallback"
    ]
    return {
        "sample": sample is not None
        and 20_000 <= sample.condition["rows_above"] < 50_000
        and sample.parameters["rows"] == 10_000,
        "sparse": sparse is not None and sparse.condition["missing_above"] == 0.9,
        "fallback": ["sampled"] in fallbacks,
        "deadline": "deadline" in active,
    }


def loss(decisions: Decisions, *, flipped: bool = False) -> float:
    """Return the mean lost share of a result, over table sizes and sparse tables."""
    rules: dict[str, Any] = {rule.id: rule for rule in decisions.active}
    lost = [_lost(rules, rows, flipped=flipped) for rows in ROWS]
    sparse: Any = rules.get("sparse")
    for missing in (0.3, 0.95):
        crashes = (missing > 0.9) != flipped
        is_seen = sparse is not None and missing > sparse.condition["missing_above"]
        lost.append(0.1 if is_seen else float(crashes))
    return float(np.mean(lost))


def _lost(rules: dict[str, Any], rows: int, *, flipped: bool) -> float:
    sample = rules.get("sample")
    if sample is not None and rows > sample.condition["rows_above"]:
        return _sampled(sample.parameters["rows"], flipped=flipped)
    fails = 0.9 if (rows > 20_000) != flipped else 0.02
    fallback = next((rule for name, rule in rules.items() if name.startswith("fallback-")), None)
    recovered = 0.0
    if fallback is not None and "sampled" in fallback.parameters["strategies"]:
        recovered = 1.0 - _sampled(fallback.parameters["rows"], flipped=flipped)
    return fails * (1.0 - recovered)


def _sampled(rows: int, *, flipped: bool) -> float:
    works = 0.1 if flipped else 0.97
    return 1.0 - works * (1.0 - (0.05 if rows == 10_000 else 0.3))


def relevant_truths(each: SimulatedEvent) -> list[str]:
    """Return the truths for which an event is relevant."""
    if each.type == "monitoring.performance":
        is_large = each.data["window_size"] > 20_000
        return ["sample", "deadline"] if is_large else []
    if each.type == "data.quality_issue":
        return ["sparse"] if each.data["percent_missing"] > 90.0 else []
    return ["fallback"] if each.data["recovery_strategy"] == "adaptive_sampling" else []
