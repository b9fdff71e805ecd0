"""The contract of a policy: the properties that every version must satisfy, and inputs to test them with.

Inputs are Hypothesis strategies for texts and numbers that include the constants of the candidate itself,
and near misses: values that almost equal the constant of a rule.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from hypothesis import strategies as st

from poet.build.probes import literals
from poet.spec.decisions import Decisions

Policy = Callable[..., Any]


class ContractViolation(AssertionError):  # noqa: N818 -- plug-ins read better without the suffix
    """A candidate violates its contract."""


def require(condition: object, message: str) -> None:
    """Raise `ContractViolation` unless `condition` is exactly True.

    NaN, None and numpy booleans are violations as well.
    """
    if condition is not True:
        raise ContractViolation(message)


@dataclass(frozen=True, slots=True)
class WorkloadCase:
    """A call with a large workload: its name, and a function that builds fresh arguments."""

    name: str
    make: Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Contract:
    """The boundary table of a policy, and its properties as functions from the policy to a Hypothesis test.

    `may_fork` is True if the runtime of the policy starts processes. No other module may, in particular not
    the candidate. `signature` is the required signature of every version, defaults included; if empty, each
    version may choose its own. `workloads` lists calls whose time and memory are compared with the active
    version. `former_names` maps earlier names of properties to the present ones, so that counterexamples
    stored under an earlier name are still replayed.
    """

    properties: tuple[Callable[..., Callable[[], None]], ...]
    boundary_table: Callable[[ModuleType, Decisions], int]
    may_fork: bool = False
    signature: str = ""
    workloads: tuple[WorkloadCase, ...] = ()
    former_names: Mapping[str, str] = field(default_factory=dict)


def no_boundary_table(_module: ModuleType, _decisions: Decisions) -> int:
    """Return 0 without checking anything, for a policy whose decisions hold no constants yet."""
    return 0


def has_children() -> bool:
    """Return whether a child process is running or has not been waited for.

    Windows keeps no list of children. There only the audit hook detects that a process was started.
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


def near_miss_strings(texts: Iterable[str]) -> tuple[str, ...]:
    """Return texts that differ from the given ones in case, by a space, by a prefix or by a suffix."""
    given = set(texts)
    near = {
        miss
        for each in given
        for miss in (each.upper(), each.title(), f" {each}", f"{each} ", f"{each}_2", f"un{each}", each[:-1])
    }
    return tuple(sorted(near - given))


def adjacent_floats(value: float) -> tuple[float, float, float]:
    """Return a number between its two adjacent floats, in ascending order."""
    return (math.nextafter(value, -math.inf), value, math.nextafter(value, math.inf))


# A new process takes seconds to tabulate all of Unicode. These characters are the ones that break programs.
LETTERS: Final = "abz AZ_09-.'\"\\{}%#\n\r\t\x00\x85\u2028\u202eéß雪😀\ud800"


def texts(policy: Policy, *known: str) -> st.SearchStrategy[str]:
    """Return a strategy for known texts, texts of the candidate's source, and arbitrary texts."""
    own = sorted({each for each in _literals_of(policy) if isinstance(each, str)})
    return st.sampled_from([*known, *own, ""]) | st.text(st.sampled_from(LETTERS), max_size=20)


def numbers(policy: Policy, low: float, high: float) -> st.SearchStrategy[float]:
    """Return a strategy for finite numbers in [`low`, `high`], near the source's constants among them."""
    own = (float(each) for each in _literals_of(policy) if isinstance(each, int | float))
    near = {low, high, *(neighbor for each in own for neighbor in _neighbors(each))}
    inside = sorted(each for each in near if low <= each <= high and math.isfinite(each))
    return st.sampled_from(inside) | st.floats(low, high, allow_nan=False, allow_infinity=False)


def literal_values(source: str) -> frozenset[str | float]:
    """Return every number and every text in a module.

    Hypothesis collects them too, but mixed with those of every other module, so that a draw yields a given
    one about once in a thousand times.
    """
    found = literals(source)
    return frozenset((*found.numbers, *found.texts))


def _literals_of(policy: Policy) -> frozenset[str | float]:
    return getattr(policy, "literals", frozenset())


def _neighbors(value: float) -> Iterator[float]:
    for each in (value, -value):
        yield from adjacent_floats(each)
        if each.is_integer():
            yield from (each - 1.0, each + 1.0)
