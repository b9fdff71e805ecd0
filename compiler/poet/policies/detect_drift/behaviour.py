"""Comparison of two versions of `detect_drift`.

A version uses only a few facts and scores of two samples. Both versions get the same facts and scores from a
stub instead of real samples. Scores are varied independently of each other, so a comparison may report a
difference that no two real samples show, but it never misses one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from poet.build.compare import Behaviour, Probe, ProbeSet, around, binder, product, whole_around
from poet.build.probes import Literals
from poet_runtime.drift.comparison import compare as real_compare
from poet_runtime.drift.criteria import Criterion
from poet_runtime.errors import SampleError

STRANGER: Final = "no such feature"
MOST_ROWS: Final = 2**40
LARGEST: Final = 1e9  # upper bound of all scores in criteria
MOST_SCORES: Final = 5_000  # combinations of scores under one condition
REASON: Final = "current is empty"
_bound = binder(real_compare)


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
    known: dict[tuple[Criterion, ...], tuple[list[Mapping[str, float]], bool]] = {}
    for condition in conditions:
        criteria = tuple(dict.fromkeys(each for module in modules for each in _criteria(module, condition)))
        if criteria not in known:
            known[criteria] = _scores(criteria)
        scores, is_whole = known[criteria]
        is_complete = is_complete and is_whole
        found.extend({**condition, "scores": each, "reason": ""} for each in scores)
    return ProbeSet(found, is_complete and literals.are_only_compared("feature", "n_reference"))


def _criteria(module: ModuleType, condition: Probe) -> Iterator[Criterion]:
    samples = _run(module, {**condition, "scores": {}, "reason": ""})
    yield from (each for _, criteria, _ in samples.decide_calls for each in criteria)


def _scores(criteria: tuple[Criterion, ...]) -> tuple[list[Mapping[str, float]], bool]:
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


@dataclass
class _StubSamples:
    """A stub of samples with given facts and scores."""

    feature: str
    n_reference: int
    is_categorical: bool
    is_seasonal: bool
    scores: Mapping[str, float]
    reason: str
    decide_calls: list[tuple[str, tuple[Criterion, ...], int]] = field(default_factory=list)
    given: Mapping[str, Any] = field(default_factory=dict)

    def compare(self, *arguments: Any, **keywords: Any) -> "_StubSamples":
        """Record the arguments of `compare` and return this stub."""
        self.given = _bound(*arguments, **keywords)
        return self

    def decide(self, rule_id: str, *criteria: Criterion, min_votes: int = 1) -> tuple[Any, ...]:
        """Return the decision as samples do: drift if at least `min_votes` criteria hold."""
        self.decide_calls.append((rule_id, criteria, min_votes))
        if self.reason:
            return self.undecided()
        if not 1 <= min_votes <= len(criteria):
            raise SampleError(f"rule {rule_id}: min_votes must be 1 to {len(criteria)}, got {min_votes}")
        held = [each.holds(self.scores.get(each.test, float("nan"))) for each in criteria]
        return sum(held) >= min_votes, rule_id, criteria, min_votes, self.given

    def undecided(self) -> tuple[Any, ...]:
        """Return an undecided result with its reason."""
        return False, self.reason, (), 0, self.given


def _run(module: ModuleType, probe: Probe) -> _StubSamples:
    samples = _StubSamples(**probe)
    vars(module)["compare"] = samples.compare
    module.detect_drift("current", "reference", feature=samples.feature)
    return samples


def evaluate(module: ModuleType, probe: Probe) -> object:
    """Return the decision, its rule, criteria and number of votes, and the arguments of `compare`."""
    samples = _StubSamples(**probe)
    vars(module)["compare"] = samples.compare
    return module.detect_drift(
        "current",
        "reference",
        feature=samples.feature,
        current_times="current times",
        reference_times="reference times",
        context="context",
    )


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
