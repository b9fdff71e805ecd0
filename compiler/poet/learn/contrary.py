"""One source that says the contrary of all others: how the learners spare it.

Half of the wealth bets on what is said by all, the other half on what is said with one of the first eight
sources left out, in equal shares. A mean of e-values is an e-value, and the order in which sources first
spoke does not depend on what they said; so sparing costs at most a factor of two where all agree, and a
contrary source costs a factor of sixteen instead of everything. Once it is told apart that way, and its own
words speak against what all others say, no number of a rule is made of them either.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

__all__ = ["FEWEST_VOICES", "VOICES", "heard", "mixed", "spared", "told_apart"]

VOICES = 8  # sources that may turn out to be the one that is wrong
FEWEST_VOICES = 3  # with fewer, nobody can tell which one that is


def spared(voices: Sequence[str]) -> Sequence[str]:
    """Give the sources that may be left out, of all in the order in which they first spoke."""
    return voices[:VOICES] if len(voices) >= FEWEST_VOICES else ()


def mixed(whole: float, parts: Sequence[float]) -> float:
    """Bet half on all voices and a sixteenth on all but each of the first eight.

    Parameters
    ----------
    whole
        The e-value of what all said.
    parts
        The e-values with one source left out each, at most eight; empty where none may be spared.
    """
    if not parts:
        return whole
    absent = VOICES - len(parts)  # who has not spoken yet is left out already
    return whole / 2.0 + (sum(parts) + absent * whole) / (2.0 * VOICES)


def told_apart(whole: float, parts: Mapping[str, float]) -> str:
    """Give the source without which the e-value is larger by more than sparing it costs, "" without one."""
    if not parts:
        return ""
    source = max(parts, key=lambda each: parts[each])
    is_contrary = math.log(max(parts[source], 1e-300)) - math.log(max(whole, 1e-300)) > math.log(2.0 * VOICES)
    return source if is_contrary else ""


E = TypeVar("E")


def heard(said: E, contrary: Iterable[str]) -> E:
    """Leave out what these sources said; `said` is a dataclass of sequences whose rows have a `source`."""
    silent = frozenset(contrary)
    if not silent:
        return said
    kept = {
        field.name: [row for row in getattr(said, field.name) if row.source not in silent]
        for field in dataclasses.fields(cast("Any", said))
    }
    return cast("E", dataclasses.replace(cast("Any", said), **kept))
