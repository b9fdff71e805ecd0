"""What a comparison is made with: questions to ask two versions, and how their answers are held together."""

from poet.compare._behaviour import (
    Behaviour,
    Question,
    Questions,
    larger_is_stricter,
    typed,
    untyped,
)
from poet.compare._grid import around, product, whole_around
from poet.compare._module import Spoken

__all__ = [
    "Behaviour",
    "Question",
    "Questions",
    "Spoken",
    "around",
    "larger_is_stricter",
    "product",
    "typed",
    "untyped",
    "whole_around",
]
