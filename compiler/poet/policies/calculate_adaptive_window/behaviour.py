"""Comparison of two versions of `calculate_adaptive_window`."""

import math
from types import ModuleType
from typing import Final

from poet.build.compare import (
    Behaviour,
    Question,
    Questions,
    around,
    larger_is_stricter,
    product,
    typed,
    untyped,
)
from poet.build.probes import Spoken

SLOWEST, FASTEST = 5e-324, 1.7976931348623157e308
REQUIREMENTS: Final = ("low", "normal", "high", "critical", "")


def questions(_modules: tuple[ModuleType, ModuleType], spoken: Spoken, most: int) -> Questions:
    """Return inputs for all named features and one other, on both sides of every number."""
    velocities = around(spoken.numbers_against("data_velocity"), SLOWEST, FASTEST)
    asked, are_all = product({
        "feature_name": (*spoken.texts_against("feature_name"), "no such feature"),
        "data_velocity": (*velocities, math.nan, math.inf),
        "stability_requirement": REQUIREMENTS,
    }, most=most)  # fmt: skip
    decide = spoken.are_only_compared("feature_name", "data_velocity", "stability_requirement")
    return Questions(asked, are_all and decide)


def answer(module: ModuleType, question: Question) -> object:
    """Return the window with its type."""
    return typed(module.calculate_adaptive_window(**question))


BEHAVIOUR: Final = Behaviour(
    questions=questions,
    answer=answer,
    outcome=untyped,
    direction=larger_is_stricter,
    stricter="looks at more points",
    looser="looks at fewer points",
)
