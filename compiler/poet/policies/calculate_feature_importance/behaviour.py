"""How two versions of `calculate_feature_importance` are compared."""

import itertools
from types import ModuleType
from typing import Any, Final

from poet.build.compare import Behaviour, Question, Questions, larger_is_stricter, product, typed, untyped
from poet.build.probes import Spoken

STRANGER: Final = "no such feature"
BASES: Final = (None, 1.0, 3.0, 1e-6)
STRUCTURAL: Final = ("base_importance", "other_features")  # fields that are no circumstances
FEW: Final = 6  # texts of which all sets are asked about


def questions(modules: tuple[ModuleType, ModuleType], spoken: Spoken, most: int) -> Questions:
    """Ask for every feature in every circumstance and company that is named, and in one that is not."""
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
    """Give the features whose company a module asks about."""
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
    """Give the importance with its type."""
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
