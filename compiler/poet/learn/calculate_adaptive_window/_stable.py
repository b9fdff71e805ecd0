"""The rule `stable`: features that raise more false alarms than others at the same window."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
import numpy as np

from poet.decisions import Rule
from poet.learn.calculate_adaptive_window._costs import BandCosts
from poet.learn.calculate_adaptive_window._e_factors import loud_factors
from poet.learn.calculate_adaptive_window._readings import Reading, snapped
from poet.learn.calculate_adaptive_window._rule_update import WindowRuleUpdate
from poet.learn.hypothesis_tests import LARGEST_LOG, log_faded_evidence
from poet.learn.rule_updates import evidence_of
from poet.stats import reject

_FEWEST = 3  # readings behind a mean before anything is made of it
_WELL_ABOVE = 1.5  # times the others: less is not worth a longer delay


def stable_features(update: WindowRuleUpdate) -> tuple[str, ...]:
    """Return the features that get more than their band's window, sorted."""
    old = _features(update.in_force.get("stable"))
    if update.pinned("stable"):
        return old
    test = update.tests.get("features")
    if update.is_vetoed("stable"):
        return ()
    loud = _loud(update)
    new = _named(update, loud) if test and test.holds else set()
    kept = [f for f in old if loud.get(f, 0.0) >= 0.0]
    return tuple(sorted({*new, *kept}))


def stable_rules(
    update: WindowRuleUpdate, windows: Mapping[int, int], costs: Mapping[int, BandCosts]
) -> list[Rule]:
    """Return the rule for the stable features, or the one that waits for more evidence.

    `windows` and `costs` are those of the bands, by band.
    """
    pinned = update.pinned("stable")
    if pinned:
        return [pinned]
    if update.is_vetoed("stable"):
        return [Rule(id="stable", kind="stability", status="vetoed", reason="a person removed it")]
    features = stable_features(update)
    if features:
        return [update.carry_over(_rule(update, features, _multiplier(update, features, windows, costs)))]
    test = update.tests.get("features")
    waiting = tuple(sorted(feature for feature, log in _loud(update).items() if log > 0.0))
    if not waiting or test is None or test.e_value <= 1.0:
        return []
    return [msgspec.structs.replace(_rule(update, waiting, 2), status="held")]


def _named(update: WindowRuleUpdate, loud: Mapping[str, float]) -> set[str]:
    """Choose names among all features by e-BH, every feature with the same weight."""
    features = {reading.feature for reading in update.noise if reading.feature}
    e_values = {feature: math.exp(min(log, LARGEST_LOG)) for feature, log in loud.items()}
    return reject(e_values, dict.fromkeys(features, 1.0 / len(features)), update.configuration.risk)


def _loud(update: WindowRuleUpdate) -> dict[str, float]:
    """Return the features well above the others at the same windows, with the log of what shows each.

    That some features differ is the verdict's business, at any time. Which ones is asked afterwards, of
    each against those that are not loud.
    """
    levels = _levels(update.noise)
    loud = {feature for feature, ratio in levels.items() if ratio >= _WELL_ABOVE}
    found: dict[str, float] = {}
    for feature in sorted(loud | set(_features(update.in_force.get("stable")))):
        blocks = loud_factors(update.noise, feature, loud)
        if blocks:
            half_life = update.configuration.half_life_days
            found[feature] = log_faded_evidence(blocks, half_life_days=half_life, newest=update.newest)
    return found


def _levels(noise: Sequence[Reading]) -> dict[str, float]:
    """Return each feature's false alarms over the median of the features at the same bands and windows.

    The largest ratio over the windows counts, of means over at least `_FEWEST` readings.
    """
    strata: defaultdict[tuple[int | None, int], defaultdict[str, list[float]]]
    strata = defaultdict(lambda: defaultdict(list))
    for reading in noise:
        if reading.feature:
            strata[reading.band, reading.size][reading.feature].append(reading.outcome)
    ratios: dict[str, float] = {}
    for by_feature in strata.values():
        means = {f: float(np.mean(values)) for f, values in by_feature.items() if len(values) >= _FEWEST}
        for feature, mean in means.items():
            others = [other for f, other in means.items() if f != feature and other < mean]
            ratio = mean / max(float(np.median(others)), 1e-9) if others else 1.0
            ratios[feature] = max(ratios.get(feature, 0.0), ratio)
    return ratios


def _rule(update: WindowRuleUpdate, features: tuple[str, ...], multiplier: int) -> Rule:
    old = update.in_force.get("stable")
    own = [reading for reading in update.noise if reading.feature in features]
    levels = {(reading.band, reading.size) for reading in own}
    others = [r for r in update.noise if r.feature not in features and (r.band, r.size) in levels]
    n = len(own) + len(others)
    return Rule(
        id="stable",
        kind="stability",
        parameters={"features": list(features), "multiplier": multiplier},
        status="adopted",
        was=f"{len(_features(old))} features x {old.parameters['multiplier']}"
        if old
        else "the band's window",
        reason=f"{_level(own)} false alarms a day, others {_level(others)} at the same windows, n = {n}",
        evidence=evidence_of(
            update.tests.get("features"),
            before=update.interval("false alarms per day", own),
            after=update.interval("false alarms per day of other features", others),
        ),
    )


def _multiplier(
    update: WindowRuleUpdate,
    features: tuple[str, ...],
    windows: Mapping[int, int],
    costs: Mapping[int, BandCosts],
) -> int:
    """Double; take four times the window only where its observed saving in alarms outweighs its delay."""
    saving = 0.0
    for band, window in windows.items():
        twice = _of(update, features, band, snapped(2 * window))
        fourfold = _of(update, features, band, snapped(4 * window))
        if band not in costs or min(len(twice), len(fourfold)) < _FEWEST:
            continue
        if 4 * window > costs[band].windows[-1]:
            continue
        weights = update.configuration.costs
        quieter = np.mean([r.outcome for r in twice]) - np.mean([r.outcome for r in fourfold])
        later = costs[band].hours_at(4 * window) - costs[band].hours_at(2 * window)
        saving += len(twice) * float(weights.false_alarm * quieter - weights.delay_hour * later)
    return 4 if saving > 0.0 else 2


def _of(update: WindowRuleUpdate, features: tuple[str, ...], band: int, size: int) -> list[Reading]:
    return [r for r in update.noise if r.feature in features and r.band == band and r.size == size]


def _features(rule: Rule | None) -> tuple[str, ...]:
    return tuple(cast("list[str]", rule.parameters["features"])) if rule else ()


def _level(readings: list[Reading]) -> str:
    return f"{np.median([reading.outcome for reading in readings]):.3g}" if readings else "none"
