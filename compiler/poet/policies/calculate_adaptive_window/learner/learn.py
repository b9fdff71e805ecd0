"""Learner of windows: readings, hypotheses, costs, rules.

There are three kinds of rules. Rules of kind `band` set the window with the least cost, per velocity band.
The rule `bounds` sets a cap below the sizes at which runs time out or use too much memory. The rule `stable`
lists features that raise more false alarms than others at the same window.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

import msgspec
import numpy as np

from poet.learning.configuration import LearnConfiguration
from poet.learning.feedback_rows import round_down
from poet.learning.hypothesis_tests import LARGEST_LOG, HypothesisTest, log_decayed_evidence
from poet.learning.rule_updates import evidence_of
from poet.policies.calculate_adaptive_window.learner.costs import BandCosts, band_costs
from poet.policies.calculate_adaptive_window.learner.readings import (
    EDGES,
    Reading,
    WindowRuleUpdate,
    gather,
    noisy_factors,
    round_to_grid,
)
from poet.spec.decisions import Decisions, Interval, Rule
from poet.stats import reject

if TYPE_CHECKING:
    from poet.summaries import Summaries


# One fixed id per fixed edge, so that the id of a rule and the names of its constants never change.
_IDS: Final = ("window", "slow", "medium", "fast", "very-fast")
_Reason = Literal["learned", "unchanged", "contradicted", "start", "pinned", "vetoed"]


@dataclass(frozen=True, slots=True)
class Band:
    """The window of one band, and the window it would have with sufficient evidence."""

    index: int
    window: int
    wanted: int
    former: int  # the champion's window
    reason: _Reason
    test: HypothesisTest | None  # the test behind `wanted`


def band_windows(update: WindowRuleUpdate, costs: Mapping[int, BandCosts]) -> list[Band]:
    """Return the decision for each band separately, from slow to fast."""
    bands: list[Band] = []
    for index in range(len(_IDS)):
        if index > 0 and update.is_vetoed(_IDS[index]):
            below = bands[-1].window
            bands.append(Band(index, below, below, below, "vetoed", None))
        else:
            bands.append(_decide(update, index, costs.get(index)))
    return bands


def band_rules(update: WindowRuleUpdate, bands: Sequence[Band], costs: Mapping[int, BandCosts]) -> list[Rule]:
    """Return the rules of the bands, with candidates; neighbors with the same window share one rule."""
    rules: list[Rule] = []
    for run in _runs(bands):
        pinned = update.pinned(_IDS[run[0].index])
        rules.append(pinned or update.carry_over(_band_rule(update, run, costs)))
    active = {rule.id for rule in rules}
    for band in bands:
        identity = _IDS[band.index]
        if band.reason == "vetoed":
            rules.append(Rule(id=identity, kind="band", status="vetoed", reason="vetoed by a person"))
        elif band.wanted != band.window and band.test and band.test.e_value > 1.0:
            held = _learned(update, band, band.wanted, costs[band.index])
            identity = f"{identity}-next" if identity in active else identity
            rules.append(msgspec.structs.replace(held, id=identity, status="candidate"))
    return rules


def _decide(update: WindowRuleUpdate, index: int, costs: BandCosts | None) -> Band:
    start, former = _start_window(update), _window_in_force(update, index)
    if update.pinned(_IDS[index]):
        return Band(index, former, former, former, "pinned", None)
    wanted = costs.best(former) if costs else former
    test = _test(update, index, former, wanted)
    if wanted != former and test and test.holds:
        return Band(index, wanted, wanted, former, "learned", test)
    behind = _test(update, index, start, former)
    costs_more = costs is not None and costs.costs_clearly_more(former, start)
    if former != start and behind and (behind.is_contradicted or costs_more):
        return Band(index, start, start, former, "contradicted", behind)
    if former != start and behind:
        return Band(index, former, wanted, former, "unchanged", test if wanted != former else behind)
    return Band(index, start, wanted, former, "start", test)


def _test(update: WindowRuleUpdate, index: int, old: int, new: int) -> HypothesisTest | None:
    """Return the test behind a change: "delay grows" for a smaller window, else "false alarms fall"."""
    if old == new:
        return None
    return update.tests.get(f"{'delay' if new < old else 'noise'}/{index}")


def _runs(bands: Sequence[Band]) -> list[list[Band]]:
    runs: list[list[Band]] = []
    for band in bands:
        if runs and runs[-1][-1].window == band.window and band.reason != "pinned":
            runs[-1].append(band)
        else:
            runs.append([band])
    return runs


def _band_rule(update: WindowRuleUpdate, run: Sequence[Band], costs: Mapping[int, BandCosts]) -> Rule:
    first = run[0]
    supported = [
        band for band in run if band.reason in ("learned", "unchanged") and band.test and band.index in costs
    ]
    if supported:
        band = max(supported, key=lambda band: band.test.e_value if band.test else 0.0)
        learned = _learned(update, band, first.window, costs[band.index])
        return msgspec.structs.replace(learned, id=_IDS[first.index], condition=_condition(first.index))
    if first.index == 0 and first.reason != "contradicted":
        return msgspec.structs.replace(update.start["window"], parameters={"window": first.window})
    reason = (
        "recent feedback contradicts the learned window"
        if first.reason == "contradicted"
        else f"no evidence above {EDGES[first.index - 1]:g} points per hour; the untuned window applies"
    )
    return Rule(
        id=_IDS[first.index],
        kind="band",
        condition=_condition(first.index),
        parameters={"window": first.window},
        status="adopted" if first.index else "start",
        was=str(first.former) if first.former != first.window else "",
        reason=reason,
        evidence=evidence_of(first.test),
    )


def _learned(update: WindowRuleUpdate, band: Band, window: int, costs: BandCosts) -> Rule:
    """Return the rule for a window, compared with the champion's at the observed sizes nearest to both."""
    old, new = costs.nearest(band.former), costs.nearest(window)
    n = sum(reading.band == band.index for reading in (*update.delays, *update.noise))
    return Rule(
        id=_IDS[band.index],
        kind="band",
        condition=_condition(band.index),
        parameters={"window": window},
        status="adopted",
        was=str(band.former),
        reason=f"{costs.hours_at(new):.2g} h of delay and {costs.alarms_at(new):.2g} false alarms per day; "
        f"with a window of {old}: {costs.hours_at(old):.2g} h and {costs.alarms_at(old):.2g}; n = {n}",
        evidence=evidence_of(
            band.test,
            before=_intervals(update, band.index, old),
            after=_intervals(update, band.index, new),
        ),
    )


def _intervals(update: WindowRuleUpdate, band: int, size: int) -> tuple[Interval, ...]:
    def of(readings: Sequence[Reading]) -> list[Reading]:
        return [
            reading for reading in readings if reading.band == band and reading.size == round_to_grid(size)
        ]

    return (
        *update.interval("delay_hours", of(update.delays)),
        *update.interval("false alarms per day", of(update.noise)),
    )


def _condition(index: int) -> dict[str, object]:
    return {"velocity_above": EDGES[index - 1]} if index else {}


def _start_window(update: WindowRuleUpdate) -> int:
    pinned = update.pinned("window")
    return cast("int", (pinned or update.start["window"]).parameters["window"])


def _window_in_force(update: WindowRuleUpdate, index: int) -> int:
    """Return the champion's window at the upper end of a band."""
    top = EDGES[index] if index < len(EDGES) else float("inf")
    rules = [rule for rule in update.champion.active if rule.kind == "band"]
    holding = [rule for rule in rules if _above(rule) < top]
    return cast("int", max(holding, key=_above).parameters["window"])


def _above(rule: Rule) -> float:
    return float(cast("float", rule.condition.get("velocity_above", 0.0)))


_TENTHS_KEPT: Final = 9  # a cap is nine tenths of the smallest size that hit a limit
_STRAYS: Final = 0.1  # share of limit hits that may be due to a loaded machine


def bounds_rules(update: WindowRuleUpdate) -> list[Rule]:
    """Return the bounds in force and, if evidence for a lower cap is still insufficient, the candidate."""
    pinned = update.pinned("bounds")
    if pinned:
        return [pinned]
    start = update.start["bounds"]
    configured = update.configuration.bounds
    cap = min(cast("int", start.parameters["cap"]), configured.window_cap)
    minimum = min(max(cast("int", start.parameters["minimum"]), configured.window_minimum), cap)
    untuned = msgspec.structs.replace(start, parameters={"minimum": minimum, "cap": cap})
    if update.is_vetoed("bounds"):
        return [update.carry_over(untuned)]
    for size in update.cap_sizes:
        test = update.tests.get(f"cap/{size}")
        if test and test.holds:
            return [update.carry_over(_lowered(update, untuned, size))]
    return _unchanged(update, untuned)


def _unchanged(update: WindowRuleUpdate, untuned: Rule) -> list[Rule]:
    """Return the bounds if no cap is supported now; an older cap stays unless evidence contradicts it."""
    old = update.active_rules.get("bounds")
    former = cast("int", old.parameters["cap"]) if old else 0
    cap = cast("int", untuned.parameters["cap"])
    if old and former < cap:
        test = update.tests.get(f"cap/{round_down(former * 10 // _TENTHS_KEPT)}")
        if test and test.is_contradicted:
            reason = f"runs of at least {former} points no longer time out more often than smaller runs"
            return [update.carry_over(msgspec.structs.replace(untuned, was=f"cap {former}", reason=reason))]
        return [update.carry_over(msgspec.structs.replace(untuned, parameters=old.parameters))]
    rules = [update.carry_over(untuned)]
    waiting = [size for size in update.cap_sizes if _is_rising(update, size)]
    if waiting:
        held = _lowered(update, untuned, waiting[-1])
        rules.append(msgspec.structs.replace(held, id="bounds-next", status="candidate"))
    return rules


def _is_rising(update: WindowRuleUpdate, size: int) -> bool:
    test = update.tests.get(f"cap/{size}")
    return test is not None and test.e_value > 1.0


def _lowered(update: WindowRuleUpdate, untuned: Rule, size: int) -> Rule:
    """Return the bounds with a cap below the sizes that hit a limit at this grid step."""
    step = [run for run in update.runs if min(run.size, update.cap_sizes[-1]) == size]
    hits = [run.window for run in step if run.outcome > 0.0]
    former = cast("int", untuned.parameters["cap"])
    smallest = int(np.quantile(hits, _STRAYS, method="lower")) if hits else former
    minimum = cast("int", untuned.parameters["minimum"])
    cap = max(min(former, smallest * _TENTHS_KEPT // 10), minimum)
    old = update.active_rules.get("bounds", untuned)
    test = update.tests[f"cap/{size}"]
    return msgspec.structs.replace(
        untuned,
        parameters={"minimum": minimum, "cap": cap},
        status="adopted",
        was=f"cap {old.parameters['cap']}",
        reason=f"{len(hits)} of {len(step)} runs of at least {smallest} points hit a time or memory limit",
        evidence=evidence_of(test),
    )


_FEWEST: Final = 3  # readings needed for a mean
_WELL_ABOVE: Final = 1.5  # times the others: a smaller ratio is not worth a longer delay


def stable_features(update: WindowRuleUpdate) -> tuple[str, ...]:
    """Return the features that use a larger window than their band's, sorted."""
    old = _features(update.active_rules.get("stable"))
    if update.pinned("stable"):
        return old
    test = update.tests.get("features")
    if update.is_vetoed("stable"):
        return ()
    noisy = _noisy_features(update)
    new = _selected(update, noisy) if test and test.holds else set()
    unchanged = [f for f in old if noisy.get(f, 0.0) >= 0.0]
    return tuple(sorted({*new, *unchanged}))


def stable_rules(
    update: WindowRuleUpdate, windows: Mapping[int, int], costs: Mapping[int, BandCosts]
) -> list[Rule]:
    """Return the rule for the stable features, or the candidate that needs more evidence.

    `windows` and `costs` are keyed by band.
    """
    pinned = update.pinned("stable")
    if pinned:
        return [pinned]
    if update.is_vetoed("stable"):
        return [Rule(id="stable", kind="stability", status="vetoed", reason="vetoed by a person")]
    features = stable_features(update)
    if features:
        return [
            update.carry_over(_stable_rule(update, features, _multiplier(update, features, windows, costs)))
        ]
    test = update.tests.get("features")
    waiting = tuple(sorted(feature for feature, log in _noisy_features(update).items() if log > 0.0))
    if not waiting or test is None or test.e_value <= 1.0:
        return []
    return [msgspec.structs.replace(_stable_rule(update, waiting, 2), status="candidate")]


def _selected(update: WindowRuleUpdate, noisy: Mapping[str, float]) -> set[str]:
    """Return the features selected by e-BH among all features, with equal weights."""
    features = {reading.feature for reading in update.noise if reading.feature}
    e_values = {feature: math.exp(min(log, LARGEST_LOG)) for feature, log in noisy.items()}
    return reject(e_values, dict.fromkeys(features, 1.0 / len(features)), update.configuration.risk)


def _noisy_features(update: WindowRuleUpdate) -> dict[str, float]:
    """Return the features well above the others at the same windows, with the log evidence of each.

    An anytime-valid test decides whether some features differ. Afterwards each feature is compared with
    those that are not loud, to find which ones do.
    """
    levels = _levels(update.noise)
    noisy = {feature for feature, ratio in levels.items() if ratio >= _WELL_ABOVE}
    found: dict[str, float] = {}
    for feature in sorted(noisy | set(_features(update.active_rules.get("stable")))):
        blocks = noisy_factors(update.noise, feature, noisy)
        if blocks:
            half_life = update.configuration.half_life_days
            found[feature] = log_decayed_evidence(blocks, half_life_days=half_life, newest=update.newest)
    return found


def _levels(noise: Sequence[Reading]) -> dict[str, float]:
    """Return the ratio of each feature's false alarms to the median of lower ones at the same window.

    Means are over at least `_FEWEST` readings; the largest ratio over bands and windows is used.
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


def _stable_rule(update: WindowRuleUpdate, features: tuple[str, ...], multiplier: int) -> Rule:
    old = update.active_rules.get("stable")
    own = [reading for reading in update.noise if reading.feature in features]
    levels = {(reading.band, reading.size) for reading in own}
    others = [r for r in update.noise if r.feature not in features and (r.band, r.size) in levels]
    n = len(own) + len(others)
    return Rule(
        id="stable",
        kind="stability",
        parameters={"features": list(features), "multiplier": multiplier},
        status="adopted",
        was=f"multiplier {old.parameters['multiplier']} for {len(_features(old))} features"
        if old
        else "the window of the velocity band",
        reason=f"{_level(own)} false alarms per day, {_level(others)} for other features "
        f"at the same windows, n = {n}",
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
    """Return 2, or 4 only if the observed saving in false alarms outweighs the longer delay."""
    saving = 0.0
    for band, window in windows.items():
        twice = _of(update, features, band, round_to_grid(2 * window))
        fourfold = _of(update, features, band, round_to_grid(4 * window))
        if band not in costs or min(len(twice), len(fourfold)) < _FEWEST:
            continue
        if 4 * window > costs[band].windows[-1]:
            continue
        weights = update.configuration.costs
        fewer_alarms = np.mean([r.outcome for r in twice]) - np.mean([r.outcome for r in fourfold])
        longer_delay = costs[band].hours_at(4 * window) - costs[band].hours_at(2 * window)
        saving += len(twice) * float(weights.false_alarm * fewer_alarms - weights.delay_hour * longer_delay)
    return 4 if saving > 0.0 else 2


def _of(update: WindowRuleUpdate, features: tuple[str, ...], band: int, size: int) -> list[Reading]:
    return [r for r in update.noise if r.feature in features and r.band == band and r.size == size]


def _features(rule: Rule | None) -> tuple[str, ...]:
    return tuple(cast("list[str]", rule.parameters["features"])) if rule else ()


def _level(readings: list[Reading]) -> str:
    return f"{np.median([reading.outcome for reading in readings]):.3g}" if readings else "none"


def learn(summaries: "Summaries", champion: Decisions, configuration: LearnConfiguration) -> Decisions:
    """Return windows, multipliers and bounds learned from delays, noise and performance.

    The function is pure: the same summaries, champion and configuration give the same decisions. Under the
    null (outcomes independent of window, velocity and feature) the probability of *ever* adopting a rule is
    at most ``configuration.risk`` for any number of runs.
    """
    update = gather(summaries, champion, configuration)
    bounds = bounds_rules(update)
    costs = _costs(update, cast("int", bounds[0].parameters["cap"]))
    bands = band_windows(update, costs)
    windows = {band.index: band.window for band in bands}
    rules = [*bounds, *band_rules(update, bands, costs), *stable_rules(update, windows, costs)]
    return update.decisions(rules, log_prefix=summaries.log_prefix, notes=update.notes)


def cost_curves(
    summaries: "Summaries", champion: Decisions, configuration: LearnConfiguration
) -> dict[str, BandCosts]:
    """Return the costs of the windows that were in use, keyed by a description of the velocity band."""
    update = gather(summaries, champion, configuration)
    cap = cast("int", bounds_rules(update)[0].parameters["cap"])
    ends = [0.0, *EDGES, math.inf]
    return {
        f"{ends[band]:g} … {ends[band + 1]:g} points per hour": costs
        for band, costs in sorted(_costs(update, cap).items())
    }


def _costs(update: WindowRuleUpdate, cap: int) -> dict[int, BandCosts]:
    stable = stable_features(update)
    found = {
        band: band_costs(
            band,
            update.delays,
            update.noise,
            stable=stable,
            cap=cap,
            newest=update.newest,
            configuration=update.configuration,
        )
        for band in range(len(EDGES) + 1)
    }
    return {band: costs for band, costs in found.items() if costs is not None}
