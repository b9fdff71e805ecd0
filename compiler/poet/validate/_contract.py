"""What a contract is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from poet.decisions import Decisions

__all__ = ["Broken", "Contract", "Heavy", "demand", "no_boundary_table"]

Policy = Callable[..., Any]


class Broken(AssertionError):  # noqa: N818 -- a broken promise
    """The candidate did not keep a promise."""


def demand(holds: object, says: str) -> None:
    """Raise `Broken` unless `holds` is exactly True: NaN, None and numpy's doubts are failures."""
    if holds is not True:
        raise Broken(says)


@dataclass(frozen=True, slots=True)
class Heavy:
    """A call that has much to do: its name, and what makes its arguments anew."""

    name: str
    make: Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Contract:
    """A policy's properties, each a function from the policy to a Hypothesis test, and its boundary table.

    `may_fork`: its runtime starts processes. No other module may, the candidate least of all.
    `signature`: how every version is called, defaults and all; empty: as each version likes.
    `heavy`: calls of which time and memory are held against the version in force.
    """

    properties: tuple[Callable[..., Callable[[], None]], ...]
    boundary_table: Callable[[ModuleType, Decisions], int]
    may_fork: bool = False
    signature: str = ""
    heavy: tuple[Heavy, ...] = ()


def no_boundary_table(_module: ModuleType, _decisions: Decisions) -> int:
    """Try nothing: the decisions of this policy hold no constants yet."""
    return 0
