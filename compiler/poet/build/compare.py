"""Compare two versions of a policy: a verdict, with a witness for each direction in which they differ.

A `Behaviour` defines the probes on which both versions are evaluated, and which part of an answer matters.
Probes are combinations of values on both sides of the constants in the sources (`around`, `product`). Where a
version only compares its inputs with constants, these probes cover every input, and the comparison is exact.

`binder` names the arguments of calls to stand-ins for primitives. `Flips` records how a replay on recorded
executions differs between versions, by the labels of those executions.
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

from poet.build.probes import Literals, literals, loaded
from poet.spec.decisions import Interval

Probe = Mapping[str, Any]  # one input; its keys are the names shown in a witness


@dataclass(frozen=True, slots=True)
class ProbeSet:
    """The probes on which both versions are evaluated.

    `is_exhaustive` is True if no other probe could distinguish the versions.
    """

    probes: Sequence[Probe]
    is_exhaustive: bool


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How two versions of one policy are compared.

    `probes` builds the probes from the two modules, the constants of both, and an approximate maximum number
    of probes. `evaluate` returns the answer of a module to one probe. The module is loaded for this purpose,
    and `evaluate` may replace its primitives. Equal answers are equal in everything that a caller could
    observe. `outcome` extracts the part of an answer that matters to people. `direction` compares the
    outcomes of an older and a newer version: 1 if the newer is stricter, -1 if looser, 0 if neither.
    """

    probes: Callable[[tuple[ModuleType, ModuleType], Literals, int], ProbeSet]
    evaluate: Callable[[ModuleType, Probe], Any]
    outcome: Callable[[Any], Any]
    direction: Callable[[Any, Any], int]
    stricter: str  # what stricter means for this policy: "alerts on less"
    looser: str


def typed(answer: object) -> tuple[str, object]:
    """Return a number with its type, so that 1, 1.0 and True are three different answers."""
    return type(answer).__name__, answer


def untyped(given: Any) -> Any:
    """Return the number of a `typed` answer, and an error that a version raised unchanged."""
    return given[1] if isinstance(given, tuple) else given


def larger_is_stricter(before: Any, after: Any) -> int:
    """Return 1 if the number grew, -1 if it shrank, and 0 if it is equal or either is not a number."""
    if not (isinstance(before, int | float) and isinstance(after, int | float)):
        return 0
    return (after > before) - (after < before)


Verdict = Literal["equivalent", "stricter", "looser", "mixed"]
_DIRECTIONS: Final = {1: "stricter", -1: "looser", 0: "other"}
ROUNDING: Final = 1e-12
MOST, MOST_FOR_PROOF = 100_000, 1_600_000  # probes; a larger grid is sampled evenly
_LONGEST: Final = 300  # characters of a probe or an answer in a witness


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """An input on which two versions differ."""

    direction: str  # stricter, looser, or other: neither more nor less
    probe: str
    older: str
    newer: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The differences in behavior between an older and a newer version.

    `is_exact` is True if no further probe could reveal another difference. `probes` is the number of probes.
    `differ` counts the probes with different outcomes, by direction. The probes lie on a grid of constants,
    so these counts are not rates.
    """

    verdict: Verdict
    means: str  # what the verdict means for this policy
    is_exact: bool
    probes: int
    differ: dict[str, int] = {}
    witnesses: tuple[Witness, ...] = ()


def compare(older: str, newer: str, behaviour: Behaviour) -> Comparison:
    """Compare the outcomes of two versions on the same probes.

    Parameters
    ----------
    older, newer
        The sources of the modules, both in the policy dialect.
    behaviour
        How versions of this policy are compared.
    """
    pair = loaded(older, "older"), loaded(newer, "newer")
    probe_set = behaviour.probes(pair, literals(older, newer), MOST)
    differ: Counter[str] = Counter()
    witnesses: dict[str, Witness] = {}
    for probe in probe_set.probes:
        before, after = (behaviour.outcome(_evaluate(behaviour, module, probe)) for module in pair)
        if before == after:
            continue
        direction = _DIRECTIONS[behaviour.direction(before, after)]
        differ[direction] += 1
        if direction not in witnesses:
            witnesses[direction] = Witness(
                direction=direction, probe=_shown(probe), older=_short(before), newer=_short(after)
            )
    verdict = _verdict(differ)
    return Comparison(
        verdict=verdict,
        means=_meaning(verdict, behaviour),
        is_exact=probe_set.is_exhaustive,
        probes=len(probe_set.probes),
        differ=dict(sorted(differ.items())),
        witnesses=tuple(witnesses[name] for name in sorted(witnesses)),
    )


def same(older: str, newer: str, behaviour: Behaviour) -> bool:
    """Return whether two versions are proved indistinguishable to every caller.

    Numbers in answers may differ by rounding. Constants that decide are distinguished to the last bit,
    because the probes include both sides of each.
    """
    pair = loaded(older, "older"), loaded(newer, "newer")
    probe_set = behaviour.probes(pair, literals(older, newer), MOST_FOR_PROOF)
    return probe_set.is_exhaustive and all(
        _is_alike(*(_evaluate(behaviour, module, probe) for module in pair)) for probe in probe_set.probes
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


def _evaluate(behaviour: Behaviour, module: Any, probe: Probe) -> Any:
    try:
        return behaviour.evaluate(module, probe)
    except Exception as error:  # noqa: BLE001 -- an exception is an answer like any other
        return _Raised(type(error).__name__, str(error))


class _Raised(msgspec.Struct, frozen=True):
    kind: str
    message: str


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
        "mixed": f"here it {behaviour.stricter}, there it {behaviour.looser}, or it differs in another way",
    }[verdict]


def _shown(probe: Probe) -> str:
    return _short(", ".join(f"{name} = {value!r}" for name, value in probe.items()))


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


_KNOWN: Final = 256  # distinct calls; a comparison makes only a few


def binder(function: Callable[..., Any]) -> Callable[..., Mapping[str, Any]]:
    """Return a function that maps the arguments of a call of `function` to their names.

    It raises TypeError for a call that does not match the signature.
    """
    signature = inspect.signature(function)

    @lru_cache(maxsize=_KNOWN, typed=True)
    def known(arguments: tuple[Any, ...], keywords: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
        return signature.bind(*arguments, **dict(keywords)).arguments

    def bind(*arguments: Any, **keywords: Any) -> Mapping[str, Any]:
        try:
            return known(arguments, tuple(keywords.items()))
        except TypeError:  # an unhashable argument, or a call that does not match the signature
            return signature.bind(*arguments, **keywords).arguments

    return bind


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """Recorded executions whose answer changes in one direction, counted by label."""

    flips: int = 0
    false_alarms: int = 0
    real: int = 0
    unlabeled: int = 0


class Flips(msgspec.Struct, frozen=True, kw_only=True):
    """One version replayed against another on recorded executions.

    Costs are per labeled execution, and older labels have less weight. `refusal` is the reason why the newer
    version must not replace the older one; it is empty if there is none.
    """

    recorded: int
    fewer_alerts: Side
    more_alerts: Side
    by_feature: dict[str, int]  # the features with the most flips
    precision_before: Interval
    precision_after: Interval
    cost_before: float
    cost_after: float
    refusal: str = ""


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of a version with the one it would replace, on probes and on recorded executions."""

    version: int
    comparison: Comparison | None = None
    flips: Flips | None = None


_STRIDE: Final = 0.6180339887498949  # step as a fraction of all combinations: golden ratio, the least regular


def around(constants: Iterable[float], low: float, high: float) -> tuple[float, ...]:
    """Return each constant, its adjacent floats, the midpoints between constants, and both ends, sorted.

    A function that only compares one number with these constants answers every number from `low` to `high`
    as it answers one of the returned values.
    """
    inside = sorted({float(each) for each in constants if low <= each <= high} | {low, high})
    between = [(one + other) / 2.0 for one, other in itertools.pairwise(inside)]
    adjacent = [math.nextafter(each, end) for each in inside for end in (-math.inf, math.inf)]
    return tuple(sorted(each for each in {*inside, *between, *adjacent} if low <= each <= high))


def whole_around(constants: Iterable[float], low: int, high: int) -> tuple[int, ...]:
    """Return the integer equivalent of `around`: constants, neighbors, midpoints and both ends, sorted."""
    inside = sorted({math.floor(each) for each in constants if low <= each <= high} | {low, high})
    between = [(one + other) // 2 for one, other in itertools.pairwise(inside)]
    adjacent = [each + step for each in inside for step in (-1, 1)]
    return tuple(sorted(each for each in {*inside, *between, *adjacent} if low <= each <= high))


def product(choices: Mapping[str, Sequence[Any]], *, most: int) -> tuple[Sequence[Mapping[str, Any]], bool]:
    """Return the combinations of all choices, and whether these are all of them.

    More than `most` combinations are sampled evenly.
    """
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
