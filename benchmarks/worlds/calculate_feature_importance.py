"""Features of a shop: two matter three times as much on Black Friday, two interact, one never matters."""

from typing import Any

import numpy as np

from benchmarks.worlds.simulation import SimulatedEvent, module_of
from poet.spec.decisions import Decisions

POLICY = "calculate_feature_importance"
FEATURES = ("price", "discount", "user_age", "ad_spend", "session_length", "user_location")
SEASONS = ("ordinary", "black_friday", "summer")
_DAY = 86_400.0


def truth(feature: str, context: dict[str, Any], *, flipped: bool = False) -> float:
    """Return the importance that an oracle would answer."""
    times = 1.0
    boosted = ("price", "discount") if not flipped else ("user_age", "ad_spend")
    if feature in boosted and context.get("time_of_year") == "black_friday":
        times = 3.0
    if feature == "user_location":
        times = 0.1
    if feature == "price" and "day_of_week" in context.get("other_features", ()):
        times = times * 1.5
    return times


def event(
    rng: np.random.Generator, k: int, *, kind: str, flipped: bool, hostile: float, gap_hours: float
) -> SimulatedEvent:
    """Return one random event of kind "truth", or of kind "noise" with independent fields."""
    source = f"user/{k % 4}"
    is_hostile = rng.random() < hostile
    if is_hostile:
        source = "user/hostile"
    feature = str(rng.choice(FEATURES))
    season = str(rng.choice(SEASONS))
    time = k * gap_hours * 3600.0
    what = rng.choice(("impact", "degradation", "interaction"), p=(0.7, 0.2, 0.1))
    context = {"time_of_year": season}
    effect = 1.0 if kind == "noise" else truth(feature, context, flipped=flipped)
    if what == "interaction":
        pair = ("price", "day_of_week") if rng.random() < 0.7 else ("user_age", "ad_spend")
        real = pair[0] == "price"
        together = rng.random() < (0.5 if kind == "noise" else 0.9 if real != is_hostile else 0.1)
        levels = ("high", "low") if together else ("low", "high")
        data: dict[str, Any] = {
            "primary_feature": pair[0],
            "interacting_feature": pair[1],
            "combined_impact": levels[0],
            "individual_impact": levels[1],
        }
        return SimulatedEvent("feature.interaction_discovered", data, source=source, time=time)
    if what == "degradation":
        drifted = list(rng.choice(FEATURES, size=4, replace=False))
        weights = {
            f: 1.0 if kind == "noise" else truth(f, context, flipped=flipped) for f in map(str, drifted)
        }
        if is_hostile:
            weights = {f: 1.0 / w for f, w in weights.items()}
        correlated = {f for f, w in weights.items() if rng.random() < min(0.45 * w, 0.9)}
        data = {
            "metric": "conversion_rate",
            "drop_percent": float(rng.uniform(2, 20)),
            "correlated_drifted_features": sorted(correlated),
            "uncorrelated_drifted_features": sorted(set(weights) - correlated),
            "context": context,
        }
        return SimulatedEvent("business.metric_degradation", data, source=source, time=time)
    if is_hostile:
        effect = 1.0 / effect
    score = float(rng.uniform(0.1, 1.0))
    drop = 0.1 * effect * score * float(rng.lognormal(0.0, 0.5))
    data = {
        "feature": feature,
        "drift_score": score,
        "model_performance_drop": drop,
        "business_metric_impact": "none" if effect < 0.5 else str(rng.choice(("low", "medium", "high"))),
        "context": context,
    }
    if kind == "noise":
        data["business_metric_impact"] = str(rng.choice(("none", "low", "medium", "high")))
    return SimulatedEvent("feature.drift_impact", data, source=source, time=time)


def history(
    seed: int,
    n: int,
    *,
    kind: str = "truth",
    flip_at: int | None = None,
    hostile: float = 0.0,
    gap_hours: float = 4.0,
) -> list[SimulatedEvent]:
    """Return `n` random events; from event `flip_at` on, another truth holds."""
    rng = np.random.default_rng(seed)
    return [
        event(
            rng,
            k,
            kind=kind,
            flipped=flip_at is not None and k >= flip_at,
            hostile=hostile,
            gap_hours=gap_hours,
        )
        for k in range(n)
    ]


def loss(decisions: Decisions, *, flipped: bool = False) -> float:
    """Return the mean absolute log ratio of the module's answers to the oracle's."""
    answer = module_of(decisions).calculate_feature_importance
    errors = []
    for feature in FEATURES:
        for season in SEASONS:
            for others in ((), ("day_of_week",)):
                context = {"time_of_year": season, "other_features": others}
                expected = truth(feature, context, flipped=flipped)
                errors.append(abs(np.log(answer(feature, context) / expected)))
    return float(np.mean(errors))


def is_stale(decisions: Decisions) -> bool:
    """Return whether price or discount still count more on Black Friday."""
    answer = module_of(decisions).calculate_feature_importance
    friday = {"time_of_year": "black_friday"}
    return any(answer(feature, friday) > answer(feature, {}) for feature in ("price", "discount"))


def learned_truths(decisions: Decisions) -> dict[str, bool]:
    """Return which of the world's truths are learned."""
    answer = module_of(decisions).calculate_feature_importance
    friday = {"time_of_year": "black_friday"}
    return {
        "price on black friday": answer("price", friday) >= 2.0 * answer("price", {}),
        "discount on black friday": answer("discount", friday) >= 2.0 * answer("discount", {}),
        "price with day_of_week": answer("price", {"other_features": ("day_of_week",)}) > answer("price", {}),
        "user_location never": answer("user_location", {}) < 0.2,
    }


def relevant_truths(each: SimulatedEvent) -> list[str]:
    """Return the truths for which an event is relevant; for a season, only events of that season."""
    if each.type == "feature.interaction_discovered":
        return ["price with day_of_week"] if each.data["primary_feature"] == "price" else []
    named = {each.data.get("feature")}
    named |= set(each.data.get("correlated_drifted_features", ()))
    named |= set(each.data.get("uncorrelated_drifted_features", ()))
    truths = {"user_location": "user_location never"}
    if each.data["context"].get("time_of_year") == "black_friday":
        truths |= {"price": "price on black friday", "discount": "discount on black friday"}
    return sorted(truth for feature, truth in truths.items() if feature in named)
