"""The rules of kind `band`: the window that costs least, per velocity band."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import msgspec

from poet.decisions import Interval, Rule
from poet.learn.calculate_adaptive_window._case import Case
from poet.learn.calculate_adaptive_window._costs import BandCosts
from poet.learn.calculate_adaptive_window._readings import EDGES, Reading, snapped
from poet.learn.rulebook import evidence_of
from poet.learn.verdicts import Verdict

__all__ = ["band_rules", "band_windows"]

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
    verdict: Verdict | None  # the one that `wanted` stands on


def band_windows(case: Case, costs: Mapping[int, BandCosts]) -> list[Band]:
    """Decide each band by itself, slow to fast."""
    bands: list[Band] = []
    for index in range(len(_IDS)):
        if index > 0 and case.is_vetoed(_IDS[index]):
            below = bands[-1].window
            bands.append(Band(index, below, below, below, "vetoed", None))
        else:
            bands.append(_decide(case, index, costs.get(index)))
    return bands


def band_rules(case: Case, bands: Sequence[Band], costs: Mapping[int, BandCosts]) -> list[Rule]:
    """Turn bands into rules: neighbours with the same answer share one; what waits is held."""
    rules: list[Rule] = []
    for run in _runs(bands):
        pinned = case.pinned(_IDS[run[0].index])
        rules.append(pinned or case.settled(_rule(case, run, costs)))
    active = {rule.id for rule in rules}
    for band in bands:
        identity = _IDS[band.index]
        if band.why == "vetoed":
            rules.append(Rule(id=identity, kind="band", status="vetoed", reason="a person removed it"))
        elif band.wanted != band.window and band.verdict and band.verdict.e_value > 1.0:
            held = _learned(case, band, band.wanted, costs[band.index])
            identity = f"{identity}-next" if identity in active else identity
            rules.append(msgspec.structs.replace(held, id=identity, status="held"))
    return rules


def _decide(case: Case, index: int, costs: BandCosts | None) -> Band:
    start, former = _start_window(case), _window_in_force(case, index)
    if case.pinned(_IDS[index]):
        return Band(index, former, former, former, "pinned", None)
    wanted = costs.best(former) if costs else former
    verdict = _verdict(case, index, former, wanted)
    if wanted != former and verdict and verdict.holds:
        return Band(index, wanted, wanted, former, "learned", verdict)
    behind = _verdict(case, index, start, former)
    is_dearer = costs is not None and costs.is_clearly_dearer(former, start)
    if former != start and behind and (behind.has_turned or is_dearer):
        return Band(index, start, start, former, "turned", behind)
    if former != start and behind:
        return Band(index, former, wanted, former, "kept", verdict if wanted != former else behind)
    return Band(index, start, wanted, former, "start", verdict)


def _verdict(case: Case, index: int, old: int, new: int) -> Verdict | None:
    """Give what a change stands on: smaller on "delay grows", larger on "false alarms fall"."""
    if old == new:
        return None
    return case.verdicts.get(f"{'delay' if new < old else 'noise'}/{index}")


def _runs(bands: Sequence[Band]) -> list[list[Band]]:
    runs: list[list[Band]] = []
    for band in bands:
        if runs and runs[-1][-1].window == band.window and band.why != "pinned":
            runs[-1].append(band)
        else:
            runs.append([band])
    return runs


def _rule(case: Case, run: Sequence[Band], costs: Mapping[int, BandCosts]) -> Rule:
    first = run[0]
    spoken = [
        band for band in run if band.why in ("learned", "kept") and band.verdict and band.index in costs
    ]
    if spoken:
        band = max(spoken, key=lambda band: band.verdict.e_value if band.verdict else 0.0)
        learned = _learned(case, band, first.window, costs[band.index])
        return msgspec.structs.replace(learned, id=_IDS[first.index], condition=_condition(first.index))
    if first.index == 0 and first.why != "turned":
        return msgspec.structs.replace(case.start["window"], parameters={"window": first.window})
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
        evidence=evidence_of(first.verdict),
    )


def _learned(case: Case, band: Band, window: int, costs: BandCosts) -> Rule:
    """Say what a window saves against the champion's, at the observed sizes nearest to both."""
    old, new = costs.nearest(band.former), costs.nearest(window)
    n = sum(reading.band == band.index for reading in (*case.delays, *case.noise))
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
            band.verdict,
            before=_intervals(case, band.index, old),
            after=_intervals(case, band.index, new),
        ),
    )


def _intervals(case: Case, band: int, size: int) -> tuple[Interval, ...]:
    def of(readings: Sequence[Reading]) -> list[Reading]:
        return [reading for reading in readings if reading.band == band and reading.size == snapped(size)]

    return (
        *case.interval("delay_hours", of(case.delays)),
        *case.interval("false alarms per day", of(case.noise)),
    )


def _condition(index: int) -> dict[str, object]:
    return {"velocity_above": EDGES[index - 1]} if index else {}


def _start_window(case: Case) -> int:
    pinned = case.pinned("window")
    return cast("int", (pinned or case.start["window"]).parameters["window"])


def _window_in_force(case: Case, index: int) -> int:
    """Give the champion's window at the upper end of a band, where no border of its own lies."""
    top = EDGES[index] if index < len(EDGES) else float("inf")
    rules = [rule for rule in case.champion.active if rule.kind == "band"]
    holding = [rule for rule in rules if _above(rule) < top]
    return cast("int", max(holding, key=_above).parameters["window"])


def _above(rule: Rule) -> float:
    return float(cast("float", rule.condition.get("velocity_above", 0.0)))
