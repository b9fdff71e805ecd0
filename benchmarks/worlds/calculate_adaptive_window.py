"""Fast features that large windows detect late, slow ones that are noisy in small windows, a size limit."""

from typing import Any

import numpy as np

from benchmarks.worlds.simulation import SimulatedEvent, module_of
from poet.spec.decisions import Decisions

POLICY = "calculate_adaptive_window"
VELOCITIES = {
    "revenue": 8e3, "conversions": 2e4, "click_rate": 1.2e4, "page_views": 3e4, "user_age": 1e3,
    "basket_size": 2e3,
}  # fmt: skip
STABLE = ("revenue", "conversions")
_HOUR = 3600.0
_STARTED = 1_704_067_200.0


def hours_late(feature: str, window: float, *, flipped: bool = False) -> float:
    """Return the delay of a detection in hours."""
    is_fast = (VELOCITIES[feature] > 5_000.0) != flipped
    return 0.2 + window / 1_000.0 if is_fast else 2.0 + window / 2_500.0


def false_alarms(feature: str, window: float, *, flipped: bool = False) -> float:
    """Return false alarms per day."""
    is_fast = (VELOCITIES[feature] > 5_000.0) != flipped
    noisiest = 60.0 if flipped else 12.0
    level = 1.0 if is_fast else max(1.0, noisiest * (500.0 / window) ** 0.7)
    return 10.0 if feature in STABLE and window <= 500 else level


def history(
    seed: int,
    n: int,
    *,
    kind: str = "truth",
    flip_at: int | None = None,
    hostile: float = 0.0,
    gap_hours: float = 4.0,
) -> list[SimulatedEvent]:
    """Return `n` random reports; from `flip_at` on, fast and slow features are swapped."""
    rng = np.random.default_rng(seed)
    events: list[SimulatedEvent] = []
    for k in range(n):
        source, wrong = (f"user/{k % 4}", False) if rng.random() >= hostile else ("user/hostile", True)
        flipped = flip_at is not None and k >= flip_at
        events.append(_report(rng, source, _STARTED + k * gap_hours * _HOUR, kind, opposite=flipped != wrong))
    return events


def _report(
    rng: np.random.Generator, source: str, time: float, kind: str, *, opposite: bool
) -> SimulatedEvent:
    feature = str(rng.choice(list(VELOCITIES)))
    window = int(rng.choice((500, 2_000, 5_000, 10_000), p=(0.5, 0.15, 0.2, 0.15)))
    what = rng.choice(("delay", "noise", "run"), p=(0.4, 0.4, 0.2))
    if kind == "noise":
        hours, alarms = (float(np.round(rng.lognormal(0.5, 1.0), 1)) for _ in range(2))
    else:
        hours = hours_late(feature, window, flipped=opposite) * float(rng.lognormal(0.0, 0.3))
        alarms = false_alarms(feature, window, flipped=opposite) * float(rng.lognormal(0.0, 0.4))
    if what == "delay":
        data: dict[str, Any] = {
            "actual_drift_start": time - 3600.0 * hours,
            "detected_at": time,
            "window_size_used": window,
            "data_velocity": VELOCITIES[feature],
            "feature": feature,
        }
        return SimulatedEvent("drift.detection_delay", data, source=source, time=time)
    if what == "noise":
        data = {"false_alarms_per_day": alarms, "window_size": window, "feature": feature}
        return SimulatedEvent("drift.noise_issue", data, source=source, time=time)
    size = int(rng.choice((1_000, 5_000, 10_000, 20_000, 50_000)))
    hits_limit = rng.random() < (0.3 if kind == "noise" else 0.9 if (size >= 50_000) != opposite else 0.0)
    data = {"window_size": size, "computation_time_ms": size / 10.0, "timeout_occurred": bool(hits_limit)}
    return SimulatedEvent("monitoring.performance", data, source=source, time=time)


def cost(feature: str, window: float, *, flipped: bool = False) -> float:
    """Return hours of delay plus false alarms per day: the costs of the default configuration."""
    return hours_late(feature, window, flipped=flipped) + false_alarms(feature, window, flipped=flipped)


def loss(decisions: Decisions, *, flipped: bool = False) -> float:
    """Return the mean cost over features, minus that of the best window of each."""
    answer = module_of(decisions).calculate_adaptive_window
    extra = []
    for feature, velocity in VELOCITIES.items():
        best = min(cost(feature, w, flipped=flipped) for w in (500, 1_000, 2_000, 5_000, 10_000))
        window = answer(feature, velocity, "normal")
        extra.append(cost(feature, window, flipped=flipped) - best)
    return float(np.mean(extra))


def learned_truths(decisions: Decisions) -> dict[str, bool]:
    """Return which of the world's truths are learned."""
    answer = module_of(decisions).calculate_adaptive_window
    return {
        "fast": answer("page_views", 3e4, "normal") <= 1_000,
        "cap": answer("user_age", 1e3, "critical") <= 45_000 and _cap(decisions) < 50_000,
    }


def _cap(decisions: Decisions) -> int:
    return next(int(str(r.parameters["cap"])) for r in decisions.active if r.kind == "bounds")


def relevant_truths(each: SimulatedEvent) -> list[str]:
    """Return the truths for which an event is relevant."""
    if each.type == "drift.detection_delay":
        return ["fast"] if each.data["data_velocity"] > 5_000.0 else []
    large = each.type == "monitoring.performance" and each.data["window_size"] >= 50_000
    return ["cap"] if large else []
