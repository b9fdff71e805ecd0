"""Comparison of two versions of `calculate_adaptive_window`."""

import math
from types import ModuleType
from typing import Final

from poet.build.compare import (
    Behaviour,
    Probe,
    ProbeSet,
    around,
    larger_is_stricter,
    product,
    typed,
    untyped,
)
from poet.build.probes import Literals

SLOWEST, FASTEST = 5e-324, 1.7976931348623157e308
REQUIREMENTS: Final = ("low", "normal", "high", "critical", "")


def probes(_modules: tuple[ModuleType, ModuleType], literals: Literals, most: int) -> ProbeSet:
    """Return inputs for all named features and one other, on both sides of every number."""
    velocities = around(literals.numbers_against("data_velocity"), SLOWEST, FASTEST)
    found, is_complete = product({
        "feature_name": (*literals.texts_against("feature_name"), "no such feature"),
        "data_velocity": (*velocities, math.nan, math.inf),
        "stability_requirement": REQUIREMENTS,
    }, most=most)  # fmt: skip
    are_decisive = literals.are_only_compared("feature_name", "data_velocity", "stability_requirement")
    return ProbeSet(found, is_complete and are_decisive)


def evaluate(module: ModuleType, probe: Probe) -> object:
    """Return the window with its type."""
    return typed(module.calculate_adaptive_window(**probe))


BEHAVIOUR: Final = Behaviour(
    probes=probes,
    evaluate=evaluate,
    outcome=untyped,
    direction=larger_is_stricter,
    stricter="uses more points",
    looser="uses fewer points",
)
