"""The one verb: two sources of a policy, its behaviour → a verdict with witnesses.

What is asked of two versions of a policy, and what of the answers matters.

Arguments by name, for stand-ins that are called in one way, question after question.

What a version would have answered otherwise on what was recorded, and what people said of it.

Values on both sides of constants, and their combinations.
"""

import inspect
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any, Final, Literal

import msgspec

from poet.build.probes import Spoken, loaded, spoken
from poet.spec.decisions import Interval

Question = Mapping[str, Any]  # by the name that a reader of a witness sees


@dataclass(frozen=True, slots=True)
class Questions:
    """What both versions are asked; `are_all` when no other question could tell them apart."""

    asked: Sequence[Question]
    are_all: bool


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How two versions of one policy are held against each other.

    `questions` are made from two modules, from what both speak of, and about so many at most. `answer` puts
    one to a module of its own, whose primitives it may replace; equal answers are equal in all that a caller
    could see. `outcome` gives of an answer what people care about, and `direction` holds the outcomes of an
    older and a newer version against each other: 1 the newer is stricter, -1 looser, 0 neither.
    """

    questions: Callable[[tuple[ModuleType, ModuleType], Spoken, int], Questions]
    answer: Callable[[ModuleType, Question], Any]
    outcome: Callable[[Any], Any]
    direction: Callable[[Any, Any], int]
    stricter: str  # what that means here: "alerts on less"
    looser: str


def typed(answer: object) -> tuple[str, object]:
    """Give a number with its type: 1, 1.0 and True are three answers."""
    return type(answer).__name__, answer


def untyped(given: Any) -> Any:
    """Give the number again; what a version raised stays as it is."""
    return given[1] if isinstance(given, tuple) else given


def larger_is_stricter(before: Any, after: Any) -> int:
    """Hold two numbers against each other: 1 where it grew, -1 where it shrank, 0 where either is none."""
    if not (isinstance(before, int | float) and isinstance(after, int | float)):
        return 0
    return (after > before) - (after < before)


Verdict = Literal["equivalent", "stricter", "looser", "mixed"]
_DIRECTIONS: Final = {1: "stricter", -1: "looser", 0: "other"}
ROUNDING: Final = 1e-12
MOST, MOST_FOR_PROOF = 100_000, 1_600_000  # questions; beyond, an even sample of them
_LONGEST: Final = 300  # characters of a question or an answer in a witness


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


_KNOWN: Final = 256  # calls; a comparison makes few kinds of them


def binder(function: Callable[..., Any]) -> Callable[..., Mapping[str, Any]]:
    """Give what names the arguments of a call of `function`; a call that does not fit raises TypeError."""
    signature = inspect.signature(function)

    @lru_cache(maxsize=_KNOWN, typed=True)
    def known(arguments: tuple[Any, ...], keywords: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
        return signature.bind(*arguments, **dict(keywords)).arguments

    def bind(*arguments: Any, **keywords: Any) -> Mapping[str, Any]:
        try:
            return known(arguments, tuple(keywords.items()))
        except TypeError:  # something without a hash, or a call that does not fit
            return signature.bind(*arguments, **keywords).arguments

    return bind


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """Recorded executions whose answer turns one way, by what people said of them."""

    flips: int = 0
    false_alarms: int = 0
    real: int = 0
    unlabelled: int = 0


class Flips(msgspec.Struct, frozen=True, kw_only=True):
    """One version replayed against another on recorded executions.

    Costs are per labelled execution, old labels counting for less. `refusal` says why the newer version must
    not replace the older one; empty where nothing speaks against it.
    """

    recorded: int
    quieter: Side
    louder: Side
    by_feature: dict[str, int]  # those with most flips
    precision_before: Interval
    precision_after: Interval
    cost_before: float
    cost_after: float
    refusal: str = ""


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """A version held against the one it would replace, on every input and on what was recorded."""

    version: int
    comparison: Comparison | None = None
    flips: Flips | None = None


_STRIDE: Final = 0.6180339887498949  # of the number of combinations: the least regular step (golden ratio)


def around(constants: Iterable[float], low: float, high: float) -> tuple[float, ...]:
    """Give each constant, one ulp either side, what lies between two of them, and both ends.

    A function that compares one number with these constants and nothing else answers all numbers from
    `low` to `high` as it answers one of these.
    """
    inside = sorted({float(each) for each in constants if low <= each <= high} | {low, high})
    between = [(one + other) / 2.0 for one, other in itertools.pairwise(inside)]
    beside = [math.nextafter(each, end) for each in inside for end in (-math.inf, math.inf)]
    return tuple(sorted(each for each in {*inside, *between, *beside} if low <= each <= high))


def whole_around(constants: Iterable[float], low: int, high: int) -> tuple[int, ...]:
    """Give the same of whole numbers: each constant, its neighbours, what lies between, both ends."""
    inside = sorted({math.floor(each) for each in constants if low <= each <= high} | {low, high})
    between = [(one + other) // 2 for one, other in itertools.pairwise(inside)]
    beside = [each + step for each in inside for step in (-1, 1)]
    return tuple(sorted(each for each in {*inside, *between, *beside} if low <= each <= high))


def product(choices: Mapping[str, Sequence[Any]], *, most: int) -> tuple[Sequence[Mapping[str, Any]], bool]:
    """Combine all choices, and tell whether these are all; of too many, give an even sample."""
    names, values = list(choices), list(choices.values())
    total = math.prod(map(len, values))
    if total <= most:
        return [dict(zip(names, each, strict=True)) for each in itertools.product(*values)], True
    return [dict(zip(names, _nth(values, place), strict=True)) for place in _places(total, most)], False


def _places(total: int, most: int) -> Iterator[int]:
    step = max(int(total * _STRIDE), 1)
    while math.gcd(step, total) != 1:
        step += 1
    return (k * step % total for k in range(most))


def _nth(values: Sequence[Sequence[Any]], place: int) -> list[Any]:
    chosen = []
    for each in reversed(values):
        place, k = divmod(place, len(each))
        chosen.append(each[k])
    return chosen[::-1]
