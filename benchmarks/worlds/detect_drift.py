"""A KS monitor with false alarms: three of four alerts on seasonal features are tides."""

from typing import Any

import numpy as np

from benchmarks.worlds.simulation import SimulatedEvent
from poet.policies.detect_drift.rules import branches
from poet.spec.decisions import Decisions

POLICY = "detect_drift"
START = "ks"
_HOUR = 3600.0
MISS = 3.0


def history(
    seed: int,
    n: int,
    *,
    kind: str = "truth",
    flip_at: int | None = None,
    hostile: float = 0.0,
    gap_hours: float = 4.0,
) -> list[SimulatedEvent]:
    """Return `n` random alerts of KS with labels; from `flip_at` on, the distance means the opposite."""
    rng = np.random.default_rng(seed)
    events: list[SimulatedEvent] = []
    for k in range(n):
        source, wrong = (f"user/{k % 4}", False) if rng.random() >= hostile else ("user/hostile", True)
        time = k * gap_hours * _HOUR
        flipped = flip_at is not None and k >= flip_at
        real = bool(rng.random() < 0.25)
        is_far = real != flipped
        distance = float(rng.uniform(2.0, 4.0) if is_far else rng.uniform(0.2, 1.2))
        if kind == "noise":
            distance = float(rng.lognormal(0.0, 1.0))
        events.append(SimulatedEvent("execution.recorded", _execution(k, distance), source="poet", time=time))
        answer = {"execution_id": f"x{k}", "was_real_drift": real != wrong}
        events.append(SimulatedEvent("drift.validation", answer, source=source, time=time + 600.0))
    return events


def _execution(k: int, distance: float) -> dict[str, Any]:
    calibrated = {"null_q90": 1.0, "null_max": 1.3, "null_mean": 0.5, "null_sd": 0.3}
    return {
        "execution_id": f"x{k}",
        "policy": POLICY,
        "version": 1,
        "feature": "page_views",
        "drifted": True,
        "test": "ks/raw/p_value",
        "score": 0.001,
        "threshold": 0.05,
        "scores": {
            "ks/raw": {"statistic": 0.2, "p_value": 0.001},
            "wasserstein/deseasonalized": {"statistic": distance, **calibrated},
        },
        "profile": {"kind": "numeric", "n_current": 500, "n_reference": 5000, "period": 86_400.0,
                    "seasonal_strength": 0.7},
    }  # fmt: skip


def loss(decisions: Decisions, *, flipped: bool = False) -> float:
    """Return the expected cost of an alert of KS: 3/4 if all are raised, 0 if distances decide."""
    threshold = _threshold(decisions)
    if threshold is None:
        return 0.75
    near, far = _share_above(threshold, 0.2, 1.2), _share_above(threshold, 2.0, 4.0)
    real, false = (near, far) if flipped else (far, near)
    return 0.25 * MISS * (1.0 - real) + 0.75 * false


def _share_above(threshold: float, low: float, high: float) -> float:
    return min(max((high - threshold) / (high - low), 0.0), 1.0)


def _threshold(decisions: Decisions) -> float | None:
    """Return the distance threshold of the branch for seasonal numbers; None if it uses another statistic."""
    for branch in branches(decisions):
        if branch.condition.kind == "categorical" or branch.condition.seasonal is False:
            continue
        found = [c for c in branch.criteria.criteria if c.statistic == "wasserstein"]
        scale = {"null_max": 1.3}
        return found[0].threshold * scale.get(found[0].scale, 1.0) if found else None
    return None


def learned_truths(decisions: Decisions) -> dict[str, bool]:
    """Return whether the rule on the distance is learned."""
    return {"distance": loss(decisions) < 0.3}


def relevant_truths(each: SimulatedEvent) -> list[str]:
    """Return the truths for which an event is relevant."""
    return ["distance"] if each.type == "drift.validation" else []
