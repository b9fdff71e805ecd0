"""Compare two versions of a policy exactly: on both sides of every constant that either of them uses."""

from poet.compare._compare import Comparison, Witness, compare, same
from poet.compare._flips import Against, Flips, Side
from poet.compare._module import Spoken, loaded, spoken

__all__ = [
    "Against",
    "Comparison",
    "Flips",
    "Side",
    "Spoken",
    "Witness",
    "compare",
    "loaded",
    "same",
    "spoken",
]
