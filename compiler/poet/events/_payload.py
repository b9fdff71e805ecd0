"""What all payloads share."""

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["Count", "Fraction", "Name", "NotNegative", "Payload", "Percent", "Positive", "Problem", "Scalar"]

Scalar = str | int | float | bool | None
Name = Annotated[str, Meta(min_length=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=0)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Fraction = Annotated[float, Meta(ge=0, le=1)]


class Problem(ValueError):  # noqa: N818 -- it never leaves the package
    """Fields that contradict each other."""

    def __init__(self, path: str, expected: str, got: str) -> None:
        self.path, self.expected, self.got = path, expected, got
        super().__init__(f"{path}: expected {expected}, got {got}")


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """The `data` of an event. Every payload may carry a `context` of scalars."""

    context: dict[str, Scalar] | None = None

    def verify(self) -> None:
        """Raise `Problem` where fields contradict each other."""
