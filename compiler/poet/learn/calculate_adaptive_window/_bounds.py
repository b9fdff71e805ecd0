"""The rule `bounds`: a cap below the sizes at which runs time out or take too much memory."""

from typing import cast

import msgspec
import numpy as np

from poet.decisions import Rule
from poet.learn.calculate_adaptive_window._case import Case
from poet.learn.grid import floored
from poet.learn.rulebook import evidence_of

__all__ = ["bounds_rules"]

_TENTHS_KEPT = 9  # a cap keeps nine tenths of the size that bit
_STRAYS = 0.1  # share of bites that may be flukes of a loaded machine


def bounds_rules(case: Case) -> list[Rule]:
    """Give the bounds in force and, where runs seem to bite without proof, the cap that waits."""
    pinned = case.pinned("bounds")
    if pinned:
        return [pinned]
    start = case.start["bounds"]
    limits = case.configuration.bounds
    cap = min(cast("int", start.parameters["cap"]), limits.window_cap)
    minimum = min(max(cast("int", start.parameters["minimum"]), limits.window_minimum), cap)
    untuned = msgspec.structs.replace(start, parameters={"minimum": minimum, "cap": cap})
    if case.is_vetoed("bounds"):
        return [case.settled(untuned)]
    for size in case.cap_sizes:
        verdict = case.verdicts.get(f"cap/{size}")
        if verdict and verdict.holds:
            return [case.settled(_lowered(case, untuned, size))]
    return _unchanged(case, untuned)


def _unchanged(case: Case, untuned: Rule) -> list[Rule]:
    """Nothing is shown now: an older cap stays unless its evidence turned."""
    old = case.in_force.get("bounds")
    former = cast("int", old.parameters["cap"]) if old else 0
    cap = cast("int", untuned.parameters["cap"])
    if old and former < cap:
        verdict = case.verdicts.get(f"cap/{floored(former * 10 // _TENTHS_KEPT)}")
        if verdict and verdict.has_turned:
            reason = f"runs of {former} points and more no longer time out more often than smaller ones"
            return [case.settled(msgspec.structs.replace(untuned, was=f"cap {former}", reason=reason))]
        return [case.settled(msgspec.structs.replace(untuned, parameters=old.parameters))]
    rules = [case.settled(untuned)]
    waiting = [size for size in case.cap_sizes if _is_rising(case, size)]
    if waiting:
        held = _lowered(case, untuned, waiting[-1])
        rules.append(msgspec.structs.replace(held, id="bounds-next", status="held"))
    return rules


def _is_rising(case: Case, size: int) -> bool:
    verdict = case.verdicts.get(f"cap/{size}")
    return verdict is not None and verdict.e_value > 1.0


def _lowered(case: Case, untuned: Rule, size: int) -> Rule:
    """Cap below the sizes that bit among those of this step of the grid."""
    step = [run for run in case.runs if min(run.size, case.cap_sizes[-1]) == size]
    bitten = [run.window for run in step if run.outcome > 0.0]
    former = cast("int", untuned.parameters["cap"])
    smallest = int(np.quantile(bitten, _STRAYS, method="lower")) if bitten else former
    minimum = cast("int", untuned.parameters["minimum"])
    cap = max(min(former, smallest * _TENTHS_KEPT // 10), minimum)
    old = case.in_force.get("bounds", untuned)
    verdict = case.verdicts[f"cap/{size}"]
    return msgspec.structs.replace(
        untuned,
        parameters={"minimum": minimum, "cap": cap},
        status="adopted",
        was=f"cap {old.parameters['cap']}",
        reason=f"{len(bitten)} of {len(step)} runs of {smallest} points and up hit a limit of time or memory",
        evidence=evidence_of(verdict),
    )
