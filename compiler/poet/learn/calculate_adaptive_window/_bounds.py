"""The rule `bounds`: a cap below the sizes at which runs time out or take too much memory."""

from typing import cast

import msgspec
import numpy as np

from poet.decisions import Rule
from poet.learn.calculate_adaptive_window._rule_update import WindowRuleUpdate
from poet.learn.feedback_rows import floored
from poet.learn.rule_updates import evidence_of

_TENTHS_KEPT = 9  # a cap keeps nine tenths of the size that bit
_STRAYS = 0.1  # share of bites that may be flukes of a loaded machine


def bounds_rules(update: WindowRuleUpdate) -> list[Rule]:
    """Return the bounds in force and, where runs seem to bite without proof, the cap that waits."""
    pinned = update.pinned("bounds")
    if pinned:
        return [pinned]
    start = update.start["bounds"]
    limits = update.configuration.bounds
    cap = min(cast("int", start.parameters["cap"]), limits.window_cap)
    minimum = min(max(cast("int", start.parameters["minimum"]), limits.window_minimum), cap)
    untuned = msgspec.structs.replace(start, parameters={"minimum": minimum, "cap": cap})
    if update.is_vetoed("bounds"):
        return [update.carry_over(untuned)]
    for size in update.cap_sizes:
        test = update.tests.get(f"cap/{size}")
        if test and test.holds:
            return [update.carry_over(_lowered(update, untuned, size))]
    return _unchanged(update, untuned)


def _unchanged(update: WindowRuleUpdate, untuned: Rule) -> list[Rule]:
    """Nothing is shown now: an older cap stays unless its evidence turned."""
    old = update.in_force.get("bounds")
    former = cast("int", old.parameters["cap"]) if old else 0
    cap = cast("int", untuned.parameters["cap"])
    if old and former < cap:
        test = update.tests.get(f"cap/{floored(former * 10 // _TENTHS_KEPT)}")
        if test and test.has_turned:
            reason = f"runs of {former} points and more no longer time out more often than smaller ones"
            return [update.carry_over(msgspec.structs.replace(untuned, was=f"cap {former}", reason=reason))]
        return [update.carry_over(msgspec.structs.replace(untuned, parameters=old.parameters))]
    rules = [update.carry_over(untuned)]
    waiting = [size for size in update.cap_sizes if _is_rising(update, size)]
    if waiting:
        held = _lowered(update, untuned, waiting[-1])
        rules.append(msgspec.structs.replace(held, id="bounds-next", status="held"))
    return rules


def _is_rising(update: WindowRuleUpdate, size: int) -> bool:
    test = update.tests.get(f"cap/{size}")
    return test is not None and test.e_value > 1.0


def _lowered(update: WindowRuleUpdate, untuned: Rule, size: int) -> Rule:
    """Cap below the sizes that bit among those of this step of the grid."""
    step = [run for run in update.runs if min(run.size, update.cap_sizes[-1]) == size]
    bitten = [run.window for run in step if run.outcome > 0.0]
    former = cast("int", untuned.parameters["cap"])
    smallest = int(np.quantile(bitten, _STRAYS, method="lower")) if bitten else former
    minimum = cast("int", untuned.parameters["minimum"])
    cap = max(min(former, smallest * _TENTHS_KEPT // 10), minimum)
    old = update.in_force.get("bounds", untuned)
    test = update.tests[f"cap/{size}"]
    return msgspec.structs.replace(
        untuned,
        parameters={"minimum": minimum, "cap": cap},
        status="adopted",
        was=f"cap {old.parameters['cap']}",
        reason=f"{len(bitten)} of {len(step)} runs of {smallest} points and up hit a limit of time or memory",
        evidence=evidence_of(test),
    )
