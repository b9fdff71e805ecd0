"""What a contract is made of.

Texts and numbers that are nearly what a rule speaks of, and are not.

Values to ask a policy with, as Hypothesis strategies: texts, and what the candidate itself speaks of.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from hypothesis import strategies as st

from poet.build.probes import spoken
from poet.spec.decisions import Decisions

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


def has_children() -> bool:
    """Return whether a child process runs or waits to be asked for its status.

    Windows keeps no list of children. There the audit hook alone notices a process that was started.
    """
    if not hasattr(os, "fork"):
        return False
    try:
        if hasattr(os, "waitid"):
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        else:  # macOS before Python 3.13
            os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def near_misses(texts: Iterable[str]) -> tuple[str, ...]:
    """Give texts that differ from the given ones in case, by a space, by their beginning or their end."""
    given = set(texts)
    near = {
        miss
        for each in given
        for miss in (each.upper(), each.title(), f" {each}", f"{each} ", f"{each}_2", f"un{each}", each[:-1])
    }
    return tuple(sorted(near - given))


def beside(value: float) -> tuple[float, float, float]:
    """Give a number and its neighbours, in their order."""
    return (math.nextafter(value, -math.inf), value, math.nextafter(value, math.inf))


# All of Unicode takes seconds to tabulate in a new process; these are the letters that break programs.
LETTERS: Final = "abz AZ_09-.'\"\\{}%#\n\r\t\x00\x85\u2028\u202eéß雪😀\ud800"


def texts(policy: Policy, *known: str) -> st.SearchStrategy[str]:
    """Draw a known text, one from the candidate's source, or any other."""
    spoken = sorted({each for each in _spoken(policy) if isinstance(each, str)})
    return st.sampled_from([*known, *spoken, ""]) | st.text(st.sampled_from(LETTERS), max_size=20)


def numbers(policy: Policy, low: float, high: float) -> st.SearchStrategy[float]:
    """Draw a finite number within both bounds: any, or one from the candidate's source, or next to it."""
    spoken = (float(each) for each in _spoken(policy) if isinstance(each, int | float))
    near = {low, high, *(neighbour for each in spoken for neighbour in _beside(each))}
    inside = sorted(each for each in near if low <= each <= high and math.isfinite(each))
    return st.sampled_from(inside) | st.floats(low, high, allow_nan=False, allow_infinity=False)


def literals(source: str) -> frozenset[str | float]:
    """Give every number and every text in a module.

    Hypothesis knows them too, but among those of every other module: a draw meets a given one once in a
    thousand times.
    """
    found = spoken(source)
    return frozenset((*found.numbers, *found.texts))


def _spoken(policy: Policy) -> frozenset[str | float]:
    return getattr(policy, "literals", frozenset())


def _beside(value: float) -> Iterator[float]:
    for each in (value, -value):
        yield from (math.nextafter(each, -math.inf), each, math.nextafter(each, math.inf))
        if each.is_integer():
            yield from (each - 1.0, each + 1.0)
