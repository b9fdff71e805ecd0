"""How two versions of `calculate_adaptive_window` are compared."""

import math
from types import ModuleType

from poet.compare.behaviours import Behaviour, Question, Questions, Spoken, around, product

__all__ = ["BEHAVIOUR"]

SLOWEST, FASTEST = 5e-324, 1.7976931348623157e308
REQUIREMENTS = ("low", "normal", "high", "critical", "")


def questions(_modules: tuple[ModuleType, ModuleType], spoken: Spoken, most: int) -> Questions:
    """Ask for every feature that is named and one that is not, on both sides of every number."""
    velocities = around(spoken.numbers_against("data_velocity"), SLOWEST, FASTEST)
    asked, are_all = product({
        "feature_name": (*spoken.texts_against("feature_name"), "no such feature"),
        "data_velocity": (*velocities, math.nan, math.inf),
        "stability_requirement": REQUIREMENTS,
    }, most=most)  # fmt: skip
    return Questions(asked, are_all)


def answer(module: ModuleType, question: Question) -> object:
    """Give the window with its type."""
    window = module.calculate_adaptive_window(**question)
    return type(window).__name__, window


BEHAVIOUR = Behaviour(
    questions=questions,
    answer=answer,
    outcome=lambda given: given[1] if isinstance(given, tuple) else given,
    direction=lambda before, after: (
        (after > before) - (after < before) if isinstance(after, int) and isinstance(before, int) else 0
    ),
    stricter="looks at more points",
    looser="looks at fewer points",
)
