"""Comparison of two versions of `calculate_feature_importance`."""

import itertools
from types import ModuleType
from typing import Any, Final

from poet.build.compare import Behaviour, Question, Questions, larger_is_stricter, product, typed, untyped
from poet.build.probes import Spoken

STRANGER: Final = "no such feature"
BASES: Final = (None, 1.0, 3.0, 1e-6)
STRUCTURAL: Final = ("base_importance", "other_features")  # fields that are not settings
FEW: Final = 6  # largest number of texts of which all subsets are used


def questions(modules: tuple[ModuleType, ModuleType], spoken: Spoken, most: int) -> Questions:
    """Return inputs for all named features, settings and other features, and for unknown ones."""
    others = sorted({each for module in modules for each in _others(module)})
    circumstances = [name for name in spoken.fields if name not in STRUCTURAL]
    choices: dict[str, Any] = {
        "feature_name": (*spoken.texts, STRANGER),
        "base_importance": BASES,
        "other_features": _companies(others),
        **dict.fromkeys(circumstances, (None, *spoken.texts, STRANGER)),
    }
    asked, are_all = product(choices, most=most)
    decide = spoken.are_only_compared("feature_name") and len(others) <= FEW
    return Questions(asked, are_all and decide)


def _others(module: ModuleType) -> list[str]:
    """Return the other features that a module tests for."""
    return [
        value for name, value in vars(module).items() if name.endswith("_OTHER") and isinstance(value, str)
    ]


def _companies(others: list[str]) -> list[tuple[str, ...]]:
    if len(others) <= FEW:
        sizes = range(len(others) + 1)
        found = [each for size in sizes for each in itertools.combinations(others, size)]
    else:
        found = [(), *((each,) for each in others), tuple(others)]
    return [*found, (STRANGER,)]


def answer(module: ModuleType, question: Question) -> object:
    """Return the importance with its type."""
    context = {name: value for name, value in question.items() if name != "feature_name"}
    return typed(module.calculate_feature_importance(question["feature_name"], context))


BEHAVIOUR: Final = Behaviour(
    questions=questions,
    answer=answer,
    outcome=untyped,
    direction=larger_is_stricter,
    stricter="gives features more weight",
    looser="gives features less weight",
)
