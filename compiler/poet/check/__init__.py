"""Rendered source is proved to be what its template promised."""

from poet.check._checked import CheckedModule, check
from poet.check._dialect import check_dialect, refusals
from poet.check._tree import Refusal
from poet.check.shape import Difference, difference, same_shape

__all__ = [
    "CheckedModule",
    "Difference",
    "Refusal",
    "check",
    "check_dialect",
    "difference",
    "refusals",
    "same_shape",
]
