"""The rule `stable`: features that raise more false alarms than others at the same window."""

from collections.abc import Mapping
from typing import cast

import msgspec
import numpy as np

from poet.decisions import Rule
from poet.learn.calculate_adaptive_window._case import Case
from poet.learn.calculate_adaptive_window._costs import BandCosts
from poet.learn.calculate_adaptive_window._readings import Reading, snapped
from poet.learn.calculate_adaptive_window._verdicts import Verdict

__all__ = ["stable_features", "stable_rules"]

_FEWEST = 3  # readings at a multiple before it is preferred to doubling


def stable_features(case: Case) -> tuple[str, ...]:
    """Give the features that get more than their band's window, sorted."""
    pinned = case.pinned("stable")
    old = _features(case.in_force.get("stable"))
    if pinned:
        return old
    if case.is_vetoed("stable"):
        return ()
    return tuple(sorted({*_shown(case), *(feature for feature in old if not _has_turned(case, feature))}))


def stable_rules(case: Case, windows: Mapping[int, int], costs: Mapping[int, BandCosts]) -> list[Rule]:
    """Give the rule for the stable features and, where one feature is not shown yet, the one that waits.

    `windows` and `costs` are those of the bands, by band.
    """
    features = stable_features(case)
    pinned = case.pinned("stable")
    if pinned:
        return [pinned]
    if case.is_vetoed("stable"):
        return [Rule(id="stable", kind="stability", status="vetoed", reason="a person removed it")]
    rules = [_rule(case, features, _multiplier(case, features, windows, costs))] if features else []
    rules = [case.settled(rule) for rule in rules]
    waiting = [verdict for feature, verdict in _verdicts(case).items() if _waits(feature, features, verdict)]
    if waiting:
        nearest = min(waiting, key=lambda verdict: verdict.bar / verdict.e_value)
        held = _rule(case, (nearest.hypothesis.removeprefix("stable/"),), 2)
        identity = "stable-next" if rules else "stable"
        rules.append(msgspec.structs.replace(held, id=identity, status="held"))
    return rules


def _rule(case: Case, features: tuple[str, ...], multiplier: int) -> Rule:
    verdicts = _verdicts(case)
    weakest = min((verdicts[f] for f in features if f in verdicts), key=lambda v: v.e_value, default=None)
    old = case.in_force.get("stable")
    own = [reading for reading in case.noise if reading.feature in features]
    levels = {(reading.band, reading.size) for reading in own}
    others = [
        reading
        for reading in case.noise
        if reading.feature not in features and (reading.band, reading.size) in levels
    ]
    return Rule(
        id="stable",
        kind="stability",
        parameters={"features": list(features), "multiplier": multiplier},
        status="adopted",
        was=f"{len(_features(old))} features x {old.parameters['multiplier']}"
        if old
        else "the band's window",
        reason=f"{_level(own)} false alarms a day, other features {_level(others)} at the same window, "
        f"n = {len(own) + len(others)}",
        evidence=case.evidence(
            weakest,
            before=case.interval("false alarms per day", own),
            after=case.interval("false alarms per day of other features", others),
        ),
    )


def _multiplier(
    case: Case, features: tuple[str, ...], windows: Mapping[int, int], costs: Mapping[int, BandCosts]
) -> int:
    """Double; take four times the window only where its observed saving in alarms outweighs its delay."""
    saving = 0.0
    for band, window in windows.items():
        twice = _of(case, features, band, snapped(2 * window))
        fourfold = _of(case, features, band, snapped(4 * window))
        if band not in costs or min(len(twice), len(fourfold)) < _FEWEST:
            continue
        if 4 * window > costs[band].windows[-1]:
            continue
        weights = case.configuration.costs
        quieter = np.mean([r.outcome for r in twice]) - np.mean([r.outcome for r in fourfold])
        later = costs[band].hours_at(4 * window) - costs[band].hours_at(2 * window)
        saving += len(twice) * float(weights.false_alarm * quieter - weights.delay_hour * later)
    return 4 if saving > 0.0 else 2


def _of(case: Case, features: tuple[str, ...], band: int, size: int) -> list[Reading]:
    return [r for r in case.noise if r.feature in features and r.band == band and r.size == size]


def _verdicts(case: Case) -> dict[str, Verdict]:
    prefix = "stable/"
    return {name.removeprefix(prefix): v for name, v in case.verdicts.items() if name.startswith(prefix)}


def _shown(case: Case) -> list[str]:
    return [feature for feature, verdict in _verdicts(case).items() if verdict.holds]


def _has_turned(case: Case, feature: str) -> bool:
    verdict = _verdicts(case).get(feature)
    return verdict is not None and verdict.has_turned


def _waits(feature: str, features: tuple[str, ...], verdict: Verdict) -> bool:
    return feature not in features and verdict.e_value > 1.0


def _features(rule: Rule | None) -> tuple[str, ...]:
    return tuple(cast("list[str]", rule.parameters["features"])) if rule else ()


def _level(readings: list[Reading]) -> str:
    return f"{np.median([reading.outcome for reading in readings]):.3g}" if readings else "none"
