"""Comparison of two versions of `detect_drift`.

A version uses only a few facts and scores of two samples. Both versions get the same facts and scores from a
stub instead of real samples. Scores are varied independently of each other, so a comparison may report a
difference that no two real samples show, but it never misses one.

Boolean operators evaluate only as many comparisons as they need. To find all comparisons that a version can
make, it is run with every combination of their truth values.
"""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from poet.build.compare import Behaviour, Probe, ProbeSet, around, binder, product, whole_around
from poet.build.probes import Literals
from poet_runtime.drift.comparison import Samples
from poet_runtime.drift.comparison import compare as real_compare
from poet_runtime.drift.criteria import Criterion, Reading, deciding, unknown_values
from poet_runtime.results import DriftResult, Score

STRANGER: Final = "no such feature"
MOST_ROWS: Final = 2**40
LARGEST: Final = 1e9  # upper bound of all scores in criteria
MOST_SCORES: Final = 5_000  # combinations of scores under one condition
MOST_RUNS: Final = 256  # combinations of truth values to find the comparisons under one condition
REASON: Final = "current is empty"
_bound = binder(real_compare)
_NO_SCORE: Final = Score(statistic=math.nan)


def probes(modules: tuple[ModuleType, ModuleType], literals: Literals, most: int) -> ProbeSet:
    """Return inputs for every condition, with every score on both sides of its thresholds."""
    found: list[Probe] = []
    is_complete = True
    conditions, _ = product({
        "feature": (*literals.texts_against("feature"), STRANGER, ""),
        "n_reference": whole_around(literals.numbers_against("n_reference"), 1, MOST_ROWS),
        "is_categorical": (False, True),
        "is_seasonal": (False, True),
    }, most=most)  # fmt: skip
    found.extend({**condition, "scores": {}, "reason": REASON} for condition in conditions)
    known: dict[frozenset[Criterion], tuple[list[Mapping[str, float]], bool]] = {}
    for condition in conditions:
        criteria: set[Criterion] = set()
        for module in modules:
            used, is_whole = criteria_of(module, condition)
            criteria |= used
            is_complete = is_complete and is_whole
        key = frozenset(criteria)
        if key not in known:
            known[key] = _scores(key)
        scores, is_whole = known[key]
        is_complete = is_complete and is_whole
        found.extend({**condition, "scores": each, "reason": ""} for each in scores)
    return ProbeSet(found, is_complete and literals.are_only_compared("feature", "n_reference"))


def criteria_of(module: ModuleType, condition: Probe) -> tuple[frozenset[Criterion], bool]:
    """Return the comparisons that a version can make under a condition, and whether these are all.

    The version is first run with every comparison false. For each comparison that is made for the first time,
    the run in which it is true and the earlier ones are unchanged is added.
    """
    waiting: list[dict[Criterion, bool]] = [{}]
    found: set[Criterion] = set()
    for _ in range(MOST_RUNS):
        if not waiting:
            break
        known = waiting.pop()
        samples = StubSamples(**condition, truth=known)
        run(module, samples)
        found.update(samples.criteria)
        for criterion in samples.criteria:
            if criterion not in known:
                waiting.append({**known, criterion: True})
                known = {**known, criterion: False}
    return frozenset(found), not waiting


def _scores(criteria: frozenset[Criterion]) -> tuple[list[Mapping[str, float]], bool]:
    thresholds: dict[str, set[float]] = {}
    for each in criteria:
        thresholds.setdefault(each.test, set()).add(each.threshold)
    choices = {
        test: (*around(found, *_range(test)), float("nan")) for test, found in sorted(thresholds.items())
    }
    scores, is_whole = product(choices, most=MOST_SCORES)
    return list(scores), is_whole


def _range(test: str) -> tuple[float, float]:
    statistic, scale = test.partition("/")[0], test.rpartition("/")[2]
    if scale == "p_value":
        return 0.0, 1.0
    is_two_sided = scale == "null_zscore" or statistic == "anderson_darling"
    return (-LARGEST if is_two_sided else 0.0), LARGEST


class StubSamples(Samples):
    """Samples with given facts and scores, by test; a score that is not given is NaN.

    `criteria` are the comparisons that were made, and `given` are the arguments of `compare`. The result is
    computed as for real samples.
    """

    criteria: list[Criterion]
    given: dict[str, Any]

    def __init__(
        self,
        *,
        feature: str,
        n_reference: int,
        is_categorical: bool,
        is_seasonal: bool,
        scores: Mapping[str, float] | None = None,
        reason: str = "",
        truth: Mapping[Criterion, bool] | None = None,
    ) -> None:
        facts = {"n_reference": n_reference, "is_categorical": is_categorical, "is_seasonal": is_seasonal}
        self.__dict__.update(
            feature=feature,
            reason=reason,
            facts=facts,
            scores=scores or {},
            truth=truth,
            criteria=[],
            given={},
            version=0,
            business_impact="",
            profile=None,
            _scores={},
            _readings=[],
        )

    def compare(self, *arguments: Any, **keywords: Any) -> "StubSamples":
        """Record the arguments of `compare` and return this stub."""
        self.given.update(_bound(*arguments, **keywords))
        return self

    @property
    def is_categorical(self) -> bool:
        """The given fact."""
        return bool(self.__dict__["facts"]["is_categorical"])

    @property
    def is_seasonal(self) -> bool:
        """The given fact."""
        return bool(self.__dict__["facts"]["is_seasonal"])

    @property
    def n_reference(self) -> int:
        """The given fact."""
        return int(self.__dict__["facts"]["n_reference"])

    def _read(self, criterion: Criterion) -> Reading:
        self.criteria.append(criterion)
        truth = self.__dict__["truth"]
        if truth is None:
            value = float(self.__dict__["scores"].get(criterion.test, math.nan))
        elif truth.get(criterion, False):
            value = math.nextafter(
                criterion.threshold, math.inf if criterion.direction == "above" else -math.inf
            )
        else:
            value = math.nan
        reading = Reading(criterion, value, _NO_SCORE, self._readings)
        self._readings.append(reading)
        return reading


class _ProbedSamples(StubSamples):
    """A stub whose result is a tuple of what a comparison looks at, which is faster to make."""

    def result(self, decision: Reading, *, rule: str) -> Any:
        if self.reason or not isinstance(decision, Reading) or decision.comparisons is not self._readings:
            return super().result(decision, rule=rule)
        readings = [*self._readings]
        self._readings.clear()
        criterion, drifted = deciding(decision, readings).criterion, decision.holds
        unknown = "" if drifted else unknown_values(decision, readings)
        return drifted, rule, criterion.test, repr(criterion.threshold), unknown, self.given


def run(module: ModuleType, samples: StubSamples, **arguments: Any) -> DriftResult:
    """Return the answer of a version whose `compare` returns these samples."""
    vars(module)["compare"] = samples.compare
    given: dict[str, Any] = {"current": "current", "reference": "reference"} | arguments
    current, reference = given.pop("current"), given.pop("reference")
    return module.detect_drift(current, reference, feature=samples.feature, **given)  # type: ignore[no-any-return]


def evaluate(module: ModuleType, probe: Probe) -> object:
    """Return the decision, the rule and the comparison behind it, and the arguments of `compare`."""
    samples = _ProbedSamples(**probe)
    result = run(
        module,
        samples,
        current_times="current times",
        reference_times="reference times",
        context="context",
    )
    if not isinstance(result, DriftResult):
        return result
    return result.drifted, result.rule, result.test, repr(result.threshold), result.reason, samples.given


def _outcome(given: Any) -> Any:
    return given[0] if isinstance(given, tuple) else given


BEHAVIOUR: Final = Behaviour(
    probes=probes,
    evaluate=evaluate,
    outcome=_outcome,
    direction=lambda before, after: int(after is False) - int(before is False),
    stricter="alerts on less",
    looser="alerts on more",
)
