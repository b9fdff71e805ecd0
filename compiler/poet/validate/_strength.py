"""How strong the gates are: every mutant of a candidate goes through them, and must be stopped."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import ModuleType

from poet.compare import loaded, same
from poet.compare.behaviours import Behaviour
from poet.validate._report import Mutant, Strength

__all__ = ["Gates", "strength_of"]

NAME = "mutant"
EQUIVALENT = "equivalent"
CHEAP = ("signature", "boundary table")  # asked before an exact comparison is
Gates = Callable[[ModuleType, str], Iterable[tuple[str, Callable[[], object]]]]


def strength_of(
    source: str, mutants: Iterable[Mutant], gates: Gates, behaviour: Behaviour | None
) -> Strength:
    """Count what stops each mutant: a gate, or the proof that it answers as the candidate does.

    Parameters
    ----------
    source
        The candidate's.
    mutants
        Made from it.
    gates
        Gives the gates of a module and its source, cheap ones first.
    behaviour
        How two versions are compared; without it nothing is proved to be equivalent.
    """
    verdicts = [(mutant, _verdict(source, mutant, gates, behaviour)) for mutant in mutants]
    refused = Counter(verdict for _, verdict in verdicts if verdict not in ("", EQUIVALENT))
    return Strength(
        mutants=len(verdicts),
        refused=dict(sorted(refused.items())),
        equivalent=sum(verdict == EQUIVALENT for _, verdict in verdicts),
        survivors=tuple(f"line {each.line}: {each.what}" for each, verdict in verdicts if not verdict),
    )


def _verdict(source: str, mutant: Mutant, gates: Gates, behaviour: Behaviour | None) -> str:
    """Name the gate that refuses a mutant, or say that it is equivalent; empty where nothing stops it."""
    try:
        module = loaded(mutant.source, NAME)
    except BaseException:  # noqa: BLE001 -- whatever it raises refuses it
        return "import"
    is_compared = behaviour is None
    for name, attempt in gates(module, mutant.source):
        if not is_compared and name not in CHEAP:
            is_compared = True
            if _is_equivalent(source, mutant, behaviour):
                return EQUIVALENT
        try:
            attempt()
        except BaseException:  # noqa: BLE001 -- as well
            return name.replace("_", " ")
    return ""


def _is_equivalent(source: str, mutant: Mutant, behaviour: Behaviour | None) -> bool:
    with suppress(Exception):  # a mutant that cannot be asked is not proved to be anything
        return behaviour is not None and same(source, mutant.source, behaviour)
    return False
