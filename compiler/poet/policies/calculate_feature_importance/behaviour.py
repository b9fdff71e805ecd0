"""Comparison of two versions of `calculate_feature_importance`."""

import itertools
from types import ModuleType
from typing import Any, Final

from poet.build.compare import Behaviour, Probe, ProbeSet, larger_is_stricter, product, typed, untyped
from poet.build.probes import Literals

STRANGER: Final = "no such feature"
BASES: Final = (None, 1.0, 3.0, 1e-6)
STRUCTURAL: Final = ("base_importance", "other_features")  # fields that are not settings
FEW: Final = 6  # largest number of texts of which all subsets are used


def probes(_modules: tuple[ModuleType, ModuleType], literals: Literals, most: int) -> ProbeSet:
    """Return inputs for all named features, settings and other features, and for unknown ones."""
    others = _others(literals)
    circumstances = [name for name in literals.fields if name not in STRUCTURAL]
    choices: dict[str, Any] = {
        "feature_name": (*literals.texts, STRANGER),
        "base_importance": BASES,
        "other_features": _companies(others),
        **dict.fromkeys(circumstances, (None, *literals.texts, STRANGER)),
    }
    found, is_complete = product(choices, most=most)
    are_decisive = literals.are_only_compared("feature_name", "other_features") and len(others) <= FEW
    return ProbeSet(found, is_complete and are_decisive)


def _others(literals: Literals) -> tuple[str, ...]:
    """Return the other features that the modules test for; all texts if they do more than test for some."""
    return literals.texts_against("other_features") if "other_features" in literals.fields else ()


def _companies(others: tuple[str, ...]) -> list[tuple[str, ...]]:
    if len(others) <= FEW:
        sizes = range(len(others) + 1)
        found = [each for size in sizes for each in itertools.combinations(others, size)]
    else:
        found = [(), *((each,) for each in others), others]
    return [*found, (STRANGER,)]


def evaluate(module: ModuleType, probe: Probe) -> object:
    """Return the importance with its type."""
    context = {name: value for name, value in probe.items() if name != "feature_name"}
    return typed(module.calculate_feature_importance(probe["feature_name"], context))


BEHAVIOUR: Final = Behaviour(
    probes=probes,
    evaluate=evaluate,
    outcome=untyped,
    direction=larger_is_stricter,
    stricter="gives features more weight",
    looser="gives features less weight",
)
