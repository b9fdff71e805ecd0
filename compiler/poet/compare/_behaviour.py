"""What is asked of two versions of a policy, and what of the answers matters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from poet.compare._module import Spoken

__all__ = ["Behaviour", "Question", "Questions", "larger_is_stricter", "typed", "untyped"]

Question = Mapping[str, Any]  # by the name that a reader of a witness sees


@dataclass(frozen=True, slots=True)
class Questions:
    """What both versions are asked; `are_all` when no other question could tell them apart."""

    asked: Sequence[Question]
    are_all: bool


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How two versions of one policy are held against each other.

    `questions` are made from two modules, from what both speak of, and about so many at most. `answer` puts
    one to a module of its own, whose primitives it may replace; equal answers are equal in all that a caller
    could see. `outcome` gives of an answer what people care about, and `direction` holds the outcomes of an
    older and a newer version against each other: 1 the newer is stricter, -1 looser, 0 neither.
    """

    questions: Callable[[tuple[ModuleType, ModuleType], Spoken, int], Questions]
    answer: Callable[[ModuleType, Question], Any]
    outcome: Callable[[Any], Any]
    direction: Callable[[Any, Any], int]
    stricter: str  # what that means here: "alerts on less"
    looser: str


def typed(answer: object) -> tuple[str, object]:
    """Give a number with its type: 1, 1.0 and True are three answers."""
    return type(answer).__name__, answer


def untyped(given: Any) -> Any:
    """Give the number again; what a version raised stays as it is."""
    return given[1] if isinstance(given, tuple) else given


def larger_is_stricter(before: Any, after: Any) -> int:
    """Hold two numbers against each other: 1 where it grew, -1 where it shrank, 0 where either is none."""
    if not (isinstance(before, int | float) and isinstance(after, int | float)):
        return 0
    return (after > before) - (after < before)
