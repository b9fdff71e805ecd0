"""One source that says the contrary of all others: how the learners spare it.

Half of the wealth bets on what is said by all, the other half on what is said with one of the first eight
sources left out, in equal shares. A mean of e-values is an e-value, and the order in which sources first
spoke does not depend on what they said; so sparing costs at most a factor of two where all agree, and a
contrary source costs a factor of sixteen instead of everything.
"""

from collections.abc import Sequence

__all__ = ["FEWEST_VOICES", "VOICES", "mixed", "spared"]

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
