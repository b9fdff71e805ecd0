"""The one verb: two sources of a policy, its behaviour → a verdict with witnesses."""

import math
from collections import Counter
from typing import Any, Literal

import msgspec

from poet.compare._behaviour import Behaviour, Question
from poet.compare._module import loaded, spoken

__all__ = ["Comparison", "Verdict", "Witness", "compare", "same"]

Verdict = Literal["equivalent", "stricter", "looser", "mixed"]
_DIRECTIONS = {1: "stricter", -1: "looser", 0: "other"}
ROUNDING = 1e-12
MOST, MOST_FOR_PROOF = 100_000, 1_600_000  # questions; beyond, an even sample of them
_LONGEST = 300  # characters of a question or an answer in a witness


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """A question on which two versions differ."""

    direction: str  # stricter, looser, or other: neither more nor less
    question: str
    older: str
    newer: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What a newer version does otherwise than an older one.

    `is_exact`: no question that was not asked could add to this. `differ` counts the questions with another
    outcome, by direction; on the grid of constants, so no rates follow from it.
    """

    verdict: Verdict
    means: str  # what the verdict means for this policy
    is_exact: bool
    asked: int
    differ: dict[str, int] = {}
    witnesses: tuple[Witness, ...] = ()


def compare(older: str, newer: str, behaviour: Behaviour) -> Comparison:
    """Ask two versions the same questions.

    Parameters
    ----------
    older, newer
        The modules' sources, both in the dialect of policies.
    behaviour
        What to ask of this policy.
    """
    pair = loaded(older, "older"), loaded(newer, "newer")
    questions = behaviour.questions(pair, spoken(older, newer), MOST)
    differ: Counter[str] = Counter()
    witnesses: dict[str, Witness] = {}
    for question in questions.asked:
        before, after = (behaviour.outcome(_answered(behaviour, module, question)) for module in pair)
        if before == after:
            continue
        direction = _DIRECTIONS[behaviour.direction(before, after)]
        differ[direction] += 1
        if direction not in witnesses:
            witnesses[direction] = Witness(
                direction=direction, question=_shown(question), older=_short(before), newer=_short(after)
            )
    verdict = _verdict(differ)
    return Comparison(
        verdict=verdict,
        means=_meaning(verdict, behaviour),
        is_exact=questions.are_all,
        asked=len(questions.asked),
        differ=dict(sorted(differ.items())),
        witnesses=tuple(witnesses[name] for name in sorted(witnesses)),
    )


def same(older: str, newer: str, behaviour: Behaviour) -> bool:
    """Tell whether it is proved that no caller could tell two versions apart, whatever is asked.

    Numbers in answers may differ by rounding; the numbers that decide are told apart to the last bit, for
    both sides of each are asked about.
    """
    pair = loaded(older, "older"), loaded(newer, "newer")
    questions = behaviour.questions(pair, spoken(older, newer), MOST_FOR_PROOF)
    return questions.are_all and all(
        _is_alike(*(_answered(behaviour, module, question) for module in pair))
        for question in questions.asked
    )


def _is_alike(one: Any, other: Any) -> bool:
    if one == other:
        return True
    if isinstance(one, float) and isinstance(other, float):
        is_unknown = math.isnan(one) and math.isnan(other)
        return is_unknown or math.isclose(one, other, rel_tol=ROUNDING, abs_tol=ROUNDING)
    if type(one) is not type(other) or not isinstance(one, tuple | list):
        return False
    return len(one) == len(other) and all(map(_is_alike, one, other))


def _answered(behaviour: Behaviour, module: Any, question: Question) -> Any:
    try:
        return behaviour.answer(module, question)
    except Exception as error:  # noqa: BLE001 -- what a version raises is an answer like any other
        return _Raised(type(error).__name__, str(error))


class _Raised(msgspec.Struct, frozen=True):
    kind: str
    says: str


def _verdict(differ: Counter[str]) -> Verdict:
    if not differ:
        return "equivalent"
    if set(differ) == {"stricter"}:
        return "stricter"
    return "looser" if set(differ) == {"looser"} else "mixed"


def _meaning(verdict: Verdict, behaviour: Behaviour) -> str:
    return {
        "equivalent": "answers alike",
        "stricter": behaviour.stricter,
        "looser": behaviour.looser,
        "mixed": f"here it {behaviour.stricter}, there it {behaviour.looser}, or it answers otherwise",
    }[verdict]


def _shown(question: Question) -> str:
    return _short(", ".join(f"{name} = {value!r}" for name, value in question.items()))


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
