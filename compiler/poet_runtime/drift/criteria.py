"""Criteria, each a statistic after a preparation, on a scale, above or below a threshold."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from numbers import Real
from typing import ClassVar, Final, Literal, Never, NoReturn, get_args

from poet_runtime.drift.reference import PREPARATIONS
from poet_runtime.drift.statistics import NAMES, ORDERED
from poet_runtime.errors import SampleError
from poet_runtime.results import Score

Scale = Literal["absolute", "p_value", "null_q90", "null_max", "null_zscore"]
SCALES: Final[tuple[Scale, ...]] = get_args(Scale)
METHODS: Final[dict[str, str]] = {  # of `Samples`, by scale
    "absolute": "statistic",
    "p_value": "p_value",
    "null_q90": "ratio",
    "null_max": "ratio_to_max",
    "null_zscore": "zscore",
}


@dataclass(frozen=True, slots=True)
class Criterion:
    """A condition on a statistic."""

    statistic: str
    preparation: str
    scale: str
    threshold: float
    direction: Literal["above", "below"]

    @property
    def test(self) -> str:
        """The criterion's name in results: ``statistic/preparation/scale``."""
        return f"{self.statistic}/{self.preparation}/{self.scale}"

    @property
    def is_calibrated(self) -> bool:
        """Whether the scale uses the reference's self-distances."""
        return self.scale.startswith("null_")

    @property
    def is_order_free(self) -> bool:
        """Whether the order of a current sample without times does not matter."""
        return self.statistic not in ORDERED and self.preparation != "differenced"

    def holds(self, value: float) -> bool:
        """Return whether a value meets the criterion; NaN never does."""
        return value > self.threshold if self.direction == "above" else value < self.threshold


@dataclass(frozen=True, slots=True)
class Reading:
    """A comparison of a statistic with a threshold. It is true if the criterion is met.

    `comparisons` are the comparisons of the same samples since their last result. `is_defined` is false if
    the criterion depends on an order of rows that the samples do not have. `parts` are the readings that
    `at_least` combined; otherwise it is empty.
    """

    criterion: Criterion
    value: float
    score: Score
    comparisons: list["Reading"] = field(repr=False, compare=False)
    is_defined: bool = True
    parts: tuple["Reading", ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the criterion is met."""
        return self.is_defined and self.criterion.holds(self.value)

    def __bool__(self) -> bool:
        return self.holds

    @property
    def margin(self) -> tuple[bool, float]:
        """The sort key of readings: first whether the criterion holds, then the relative distance."""
        if math.isnan(self.value):
            return False, -math.inf
        excess = self.value - self.criterion.threshold
        if self.criterion.direction == "below":
            excess = -excess
        return self.holds, excess / (abs(self.criterion.threshold) or 1.0)


@dataclass(slots=True, eq=False)
class Measure:  # noqa: PLW1641 -- it is not compared for equality
    """A statistic of two samples. Compared with a threshold by ``>`` or ``<``, it is a `Reading`.

    Every other comparison is an error, and so is a measure where a truth value is expected.
    """

    read: Callable[[Criterion], Reading] = field(repr=False)
    statistic: str
    preparation: str
    scale: Scale
    __array_ufunc__: ClassVar[None] = None  # a numpy number on the left leaves the comparison to the measure

    def __gt__(self, threshold: float) -> Reading:
        return self.read(criterion_of(self.statistic, self.preparation, self.scale, threshold, "above"))

    def __lt__(self, threshold: float) -> Reading:
        return self.read(criterion_of(self.statistic, self.preparation, self.scale, threshold, "below"))

    def __ge__(self, threshold: Never) -> NoReturn:
        raise self._misuse(f">= {threshold!r}")

    def __le__(self, threshold: Never) -> NoReturn:
        raise self._misuse(f"<= {threshold!r}")

    def __eq__(self, other: object) -> NoReturn:
        raise self._misuse(f"== {other!r}")

    def __ne__(self, other: object) -> NoReturn:
        raise self._misuse(f"!= {other!r}")

    def __bool__(self) -> bool:
        raise self._misuse("as a truth value")

    def _misuse(self, use: str) -> SampleError:
        threshold = "< 0.05" if self.scale == "p_value" else "> 1.5"
        return SampleError(
            f"{self.statistic}/{self.preparation}/{self.scale} is used {use}; compare it with a threshold by "
            f"> or <, such as samples.{METHODS[self.scale]}({self.statistic!r}) {threshold}"
        )


def at_least(votes: int, *readings: Reading) -> Reading:
    """Return a reading that is true if at least `votes` of the readings are true.

    It is the reading with the `votes`-th largest margin, which decides. It is not defined if fewer than
    `votes` of the readings are.

    >>> from poet_runtime.drift import at_least, compare
    >>> samples = compare([5.0, 6.0, 7.0], [1.0, 2.0, 3.0, 4.0])
    >>> bool(at_least(1, samples.statistic("mean_shift") > 2.0, samples.p_value("ks") < 0.001))
    True

    Raises
    ------
    SampleError
        `votes` is not between 1 and the number of readings, or the readings are not comparisons of the same
        samples.
    """
    for each in readings:
        if not isinstance(each, Reading) or each.comparisons is not readings[0].comparisons:
            raise SampleError(f"at_least combines comparisons of the same samples, got {each!r}")
    if isinstance(votes, bool) or not isinstance(votes, int) or not 1 <= votes <= len(readings):
        raise SampleError(
            f"at_least: votes is {votes!r} of {len(readings)} comparisons; set it between 1 and their number"
        )
    defined = sorted(
        (each for each in readings if each.is_defined), key=lambda reading: reading.margin, reverse=True
    )
    if len(defined) < votes:
        decisive = next(each for each in readings if not each.is_defined)
    else:
        decisive = defined[votes - 1]
    parts = tuple(itertools.chain.from_iterable(each.parts or (each,) for each in readings))
    combined = replace(decisive, parts=parts)
    made = combined.comparisons
    made[:] = [each for each in made if not any(each is one for one in readings)] + [combined]
    return combined


def deciding(decision: Reading, readings: list[Reading]) -> Reading:
    """Return the reading that decided, among those that an expression of ``or`` or ``and`` evaluated.

    If some of them hold and some do not, it is the one that was evaluated last, which is `decision`. If all
    hold, it is the one with the smallest margin; if none does, the one that is closest to its threshold. A
    reading that is not defined decides only if no other one can.
    """
    others = [each for each in readings if each is not decision]
    if not others:
        return decision
    holds = decision.holds
    if any(each.holds is not holds for each in others):
        return decision
    defined = [each for each in (*others, decision) if each.is_defined] or [decision]
    return (min if holds else max)(defined, key=lambda reading: reading.margin)


def undefined(decision: Reading, readings: list[Reading]) -> str:
    """Return the tests that depend on an order of rows that the samples do not have."""
    return _tests(each for each in _parts(decision, readings) if not each.is_defined)


def unknown_values(decision: Reading, readings: list[Reading]) -> str:
    """Return the tests whose statistic has no value, although the samples have all it depends on."""
    return _tests(each for each in _parts(decision, readings) if each.is_defined and math.isnan(each.value))


def _parts(decision: Reading, readings: list[Reading]) -> Iterator[Reading]:
    """Yield single comparisons: those that `at_least` combined instead of its result."""
    known = readings if any(each is decision for each in readings) else (*readings, decision)
    for each in known:
        yield from each.parts or (each,)


def _tests(readings: Iterable[Reading]) -> str:
    return ", ".join(dict.fromkeys(each.criterion.test for each in readings))


def read_score(score: Score, scale: str) -> float:
    """Return the value of a score on a scale; NaN if the score has no such value.

    >>> from poet_runtime.drift import read_score
    >>> from poet_runtime.results import Score
    >>> read_score(Score(statistic=0.3, p_value=0.02), "p_value")
    0.02
    """
    if scale == "absolute":
        return score.statistic
    if scale == "p_value":
        return math.nan if score.p_value is None else score.p_value
    if score.null_q90 is None or score.null_max is None or score.null_mean is None or score.null_sd is None:
        return math.nan
    if scale == "null_zscore":
        return (score.statistic - score.null_mean) / score.null_sd
    return score.statistic / (score.null_q90 if scale == "null_q90" else score.null_max)


def criterion_of(
    statistic: str, preparation: str, scale: str, threshold: float, direction: Literal["above", "below"]
) -> Criterion:
    """Return a criterion.

    Raises
    ------
    SampleError
        One of the names is unknown, or the threshold is not a finite number.
    """
    is_number = isinstance(threshold, (float, Real)) and not isinstance(threshold, bool)
    if not is_number or not math.isfinite(threshold):
        raise SampleError(f"the threshold of {statistic} must be a finite number, got {threshold!r}")
    return _criterion(
        statistic, preparation, scale, float(threshold) + 0.0, direction
    )  # + 0.0: one kind of zero


@lru_cache(maxsize=1024)  # a process compares with the same few thresholds in every call
def _criterion(
    statistic: str, preparation: str, scale: str, threshold: float, direction: Literal["above", "below"]
) -> Criterion:
    if statistic not in NAMES:
        raise _unknown("statistic", statistic, sorted(NAMES))
    if preparation not in PREPARATIONS:
        raise _unknown("preparation", preparation, PREPARATIONS)
    if scale not in SCALES:
        raise _unknown("scale", scale, SCALES)
    return Criterion(statistic, preparation, scale, threshold, direction)


def _unknown(what: str, name: str, known: Iterable[str]) -> SampleError:
    return SampleError(f"unknown {what} {name!r}; known are {', '.join(known)}")
