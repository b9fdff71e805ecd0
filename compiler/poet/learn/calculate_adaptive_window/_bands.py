"""The rules of kind `band`: the window that costs least, per velocity band."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import msgspec

from poet.decisions import Interval, Rule
from poet.learn.calculate_adaptive_window._costs import BandCosts
from poet.learn.calculate_adaptive_window._readings import EDGES, Reading, snapped
from poet.learn.calculate_adaptive_window._rule_update import WindowRuleUpdate
from poet.learn.hypothesis_tests import HypothesisTest
from poet.learn.rule_updates import evidence_of

# One fixed id per fixed edge, so that a rule keeps its id and its constants' names for ever.
_IDS = ("window", "slow", "medium", "fast", "very-fast")
_Why = Literal["learned", "kept", "turned", "start", "pinned", "vetoed"]


@dataclass(frozen=True, slots=True)
class Band:
    """What one band answers, and what it would answer if the evidence sufficed."""

    index: int
    window: int
    wanted: int
    former: int  # the champion's window
    why: _Why
    test: HypothesisTest | None  # the one that `wanted` stands on


def band_windows(update: WindowRuleUpdate, costs: Mapping[int, BandCosts]) -> list[Band]:
    """Decide each band by itself, slow to fast."""
    bands: list[Band] = []
    for index in range(len(_IDS)):
        if index > 0 and update.is_vetoed(_IDS[index]):
            below = bands[-1].window
            bands.append(Band(index, below, below, below, "vetoed", None))
        else:
            bands.append(_decide(update, index, costs.get(index)))
    return bands


def band_rules(update: WindowRuleUpdate, bands: Sequence[Band], costs: Mapping[int, BandCosts]) -> list[Rule]:
    """Turn bands into rules: neighbours with the same answer share one; what waits is held."""
    rules: list[Rule] = []
    for run in _runs(bands):
        pinned = update.pinned(_IDS[run[0].index])
        rules.append(pinned or update.carry_over(_rule(update, run, costs)))
    active = {rule.id for rule in rules}
    for band in bands:
        identity = _IDS[band.index]
        if band.why == "vetoed":
            rules.append(Rule(id=identity, kind="band", status="vetoed", reason="a person removed it"))
        elif band.wanted != band.window and band.test and band.test.e_value > 1.0:
            held = _learned(update, band, band.wanted, costs[band.index])
            identity = f"{identity}-next" if identity in active else identity
            rules.append(msgspec.structs.replace(held, id=identity, status="held"))
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
    is_dearer = costs is not None and costs.is_clearly_dearer(former, start)
    if former != start and behind and (behind.has_turned or is_dearer):
        return Band(index, start, start, former, "turned", behind)
    if former != start and behind:
        return Band(index, former, wanted, former, "kept", test if wanted != former else behind)
    return Band(index, start, wanted, former, "start", test)


def _test(update: WindowRuleUpdate, index: int, old: int, new: int) -> HypothesisTest | None:
    """Return what a change stands on: smaller on "delay grows", larger on "false alarms fall"."""
    if old == new:
        return None
    return update.tests.get(f"{'delay' if new < old else 'noise'}/{index}")


def _runs(bands: Sequence[Band]) -> list[list[Band]]:
    runs: list[list[Band]] = []
    for band in bands:
        if runs and runs[-1][-1].window == band.window and band.why != "pinned":
            runs[-1].append(band)
        else:
            runs.append([band])
    return runs


def _rule(update: WindowRuleUpdate, run: Sequence[Band], costs: Mapping[int, BandCosts]) -> Rule:
    first = run[0]
    spoken = [band for band in run if band.why in ("learned", "kept") and band.test and band.index in costs]
    if spoken:
        band = max(spoken, key=lambda band: band.test.e_value if band.test else 0.0)
        learned = _learned(update, band, first.window, costs[band.index])
        return msgspec.structs.replace(learned, id=_IDS[first.index], condition=_condition(first.index))
    if first.index == 0 and first.why != "turned":
        return msgspec.structs.replace(update.start["window"], parameters={"window": first.window})
    reason = (
        "what was learned no longer pays"
        if first.why == "turned"
        else f"nothing is shown above {EDGES[first.index - 1]:g} points an hour, the untuned window holds"
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
    """Return what a window saves against the champion's, at the observed sizes nearest to both."""
    old, new = costs.nearest(band.former), costs.nearest(window)
    n = sum(reading.band == band.index for reading in (*update.delays, *update.noise))
    return Rule(
        id=_IDS[band.index],
        kind="band",
        condition=_condition(band.index),
        parameters={"window": window},
        status="adopted",
        was=str(band.former),
        reason=f"{costs.hours_at(new):.2g} h late and {costs.alarms_at(new):.2g} false alarms a day, "
        f"with {old} {costs.hours_at(old):.2g} h and {costs.alarms_at(old):.2g}, n = {n}",
        evidence=evidence_of(
            band.test,
            before=_intervals(update, band.index, old),
            after=_intervals(update, band.index, new),
        ),
    )


def _intervals(update: WindowRuleUpdate, band: int, size: int) -> tuple[Interval, ...]:
    def of(readings: Sequence[Reading]) -> list[Reading]:
        return [reading for reading in readings if reading.band == band and reading.size == snapped(size)]

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
    """Return the champion's window at the upper end of a band, where no border of its own lies."""
    top = EDGES[index] if index < len(EDGES) else float("inf")
    rules = [rule for rule in update.champion.active if rule.kind == "band"]
    holding = [rule for rule in rules if _above(rule) < top]
    return cast("int", max(holding, key=_above).parameters["window"])


def _above(rule: Rule) -> float:
    return float(cast("float", rule.condition.get("velocity_above", 0.0)))
