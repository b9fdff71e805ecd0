"""Tests of all hypotheses at once: e-values from e-factors, decay, leave-one-source-out.

A source that reports the opposite of all others is handled in three steps. First, half of each e-value is a
leave-one-source-out mixture (`poet.stats.leave_one_out_mixture`). Second, if the mixture singles out a source
and that source's own rows oppose a rejected null, the source is adversarial. Third, no number of a rule is
computed from its rows.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from poet.learning.configuration import LearnConfiguration
from poet.learning.e_factors import EFactor
from poet.spec.decisions import Evidence, Interval, Replay
from poet.stats import (
    best_excluding_one,
    decay_weights,
    e_value_threshold,
    effective_sample_size,
    excludable_sources,
    leave_one_out_mixture,
    leave_one_source_out,
    log_restarting_mixture,
    outlier_source,
    reject,
)

_DAY: Final = 86_400.0
LARGEST_LOG: Final = 230.0  # keeps e-values finite for JSON; 1e100 is certain enough
_OPPOSES: Final = 0.0  # a source opposes the others if the log e-value of its own rows is below this
_SAMPLE: Final = 5
_PIECES_PER_HALF_LIFE: Final = 4  # an e-factor that spans more than this part of a half-life decays in pieces
_CONTRADICTED: Final = -1.0  # an active rule is retired only if all sources but one clearly oppose it


@dataclass(frozen=True, slots=True)
class HypothesisTest:
    """The result for one hypothesis."""

    hypothesis: str
    e_value: float
    e_value_threshold: float
    is_rejected: bool  # the null is rejected at the workspace's risk: there is an effect
    log_decayed: float  # the same evidence with decay: below 0 it opposes the hypothesis
    n_effective: float
    log_without: float  # the minimum of `log_decayed` over leaving out one source
    sources: dict[str, int]
    events_needed: int | None
    sample_events: tuple[str, ...]
    adversarial_source: str = ""  # the source that reports the opposite of all others, if any

    @property
    def holds(self) -> bool:
        """Return whether it supports adopting a rule.

        The null must be rejected, also by recent evidence, and not due to a single source.
        """
        return self.is_rejected and min(self.log_decayed, self.log_without) >= 0.0

    @property
    def is_contradicted(self) -> bool:
        """Return whether recent evidence contradicts it."""
        return self.log_decayed < 0.0 or self.log_without < _CONTRADICTED

    def evidence(
        self,
        *,
        before: tuple[Interval, ...] = (),
        after: tuple[Interval, ...] = (),
        replay: Replay | None = None,
    ) -> Evidence:
        """Return the statistics for a rule that this test supports or would support."""
        return Evidence(
            e_value=self.e_value,
            e_value_threshold=self.e_value_threshold,
            before=before,
            after=after,
            n_effective=self.n_effective,
            sources=self.sources,
            replay=replay,
            events_needed=self.events_needed,
            sample_events=self.sample_events,
        )


def evaluate_hypotheses(
    compare: Callable[..., list[EFactor]],
    weights: Mapping[str, float],
    *,
    sources: Sequence[str],
    newest: float,
    configuration: LearnConfiguration,
    together: Collection[str] = (),
    has_rules: bool = True,
    sources_by_first_event: Sequence[str] = (),
) -> dict[str, HypothesisTest]:
    """Return the tests of all hypotheses that have an e-factor, at the workspace's risk.

    Parameters
    ----------
    compare
        Callable that returns the e-factors of all rows except those of the sources passed to it.
    weights
        The share of the risk of each hypothesis, fixed without looking at outcomes; the sum is at most 1. A
        hypothesis is tested alone with its share (Ville's inequality and a union bound, valid under any
        dependence between hypotheses), or by e-BH with the others in `together`, which must share one
        filtration.
    sources
        The sources that could carry a rule alone; each is left out in turn. This step is skipped if there
        are no active learned rules (`has_rules`) and no rule can be adopted.
    together
        The hypotheses that e-BH tests jointly.
    sources_by_first_event
        All sources ordered by their first event, for the leave-one-source-out mixture.
    """
    everything = _by_hypothesis(compare())
    half_life = configuration.half_life_days
    e_values = {name: _e_value(factors, half_life) for name, factors in everything.items()}
    factors_without = {
        source: _by_hypothesis(compare(source)) for source in excludable_sources(sources_by_first_event)
    }
    without_source = {
        name: {
            source: _e_value(factors.get(name, ()), half_life) for source, factors in factors_without.items()
        }
        for name in e_values
    }
    suspects = {name: outlier_source(e, without_source[name]) for name, e in e_values.items()}
    e_values = {
        name: leave_one_out_mixture(e, list(without_source[name].values())) for name, e in e_values.items()
    }
    rejected = _rejected(e_values, weights, configuration.risk, together)
    decayed = partial(log_decayed_evidence, half_life_days=half_life, newest=newest)
    left_out_in_turn = sources if rejected or has_rules else ()
    without = _Excluding(compare, decayed, excludable=left_out_in_turn if factors_without else ())
    tests: dict[str, HypothesisTest] = {}
    for name, factors in everything.items():
        others = len((rejected & set(together)) - {name}) if name in together else 0
        threshold = e_value_threshold(weights[name], delta=configuration.risk, others=others)
        suspect = suspects[name] if name in rejected else ""
        tests[name] = HypothesisTest(
            hypothesis=name,
            e_value=float(f"{e_values[name]:.6g}"),
            e_value_threshold=float(f"{threshold:.6g}"),
            is_rejected=name in rejected,
            log_decayed=without.best(name, decayed(factors)),
            log_without=without.least(name, left_out_in_turn),
            n_effective=_n_effective(factors, half_life, newest),
            sources=dict(sorted(Counter(row.source for f in factors for row in f.readings).items())),
            events_needed=None if name in rejected else _events_needed(factors, threshold / e_values[name]),
            sample_events=tuple(row.event_id for f in factors for row in f.readings)[:_SAMPLE],
            adversarial_source=suspect
            if suspect and without.alone(name, suspect, sources_by_first_event) < _OPPOSES
            else "",
        )
    return tests


def adversarial_sources(tests: Mapping[str, HypothesisTest]) -> frozenset[str]:
    """Return the source that is adversarial in most rejected hypotheses; at most one.

    The numbers of rules are computed without it. Under the null no hypothesis is rejected, so no source is
    left out.
    """
    named = Counter(test.adversarial_source for test in tests.values() if test.adversarial_source)
    return frozenset(source for source, _ in named.most_common(1))


class _Excluding:
    """The decayed evidence of each hypothesis without some sources, cached by set of sources."""

    def __init__(
        self,
        compare: Callable[..., list[EFactor]],
        decayed: Callable[[Sequence[EFactor]], float],
        *,
        excludable: Sequence[str],
    ) -> None:
        self._compare, self._decayed, self._excludable = compare, decayed, excludable
        self._known: dict[tuple[str, ...], dict[str, float]] = {}

    def _value(self, name: str, *excluded: str) -> float | None:
        key = tuple(sorted(excluded))
        if key not in self._known:
            factors = _by_hypothesis(self._compare(*key))
            self._known[key] = {each: self._decayed(found) for each, found in factors.items()}
        return self._known[key].get(name)

    def alone(self, name: str, source: str, sources: Sequence[str]) -> float:
        """Return the evidence of one source alone; 0 if it has none."""
        return self._value(name, *(other for other in sources if other != source)) or 0.0

    def best(self, name: str, whole: float) -> float:
        """Return the evidence of all sources or, if it is negative, the best without one source."""
        return best_excluding_one(whole, partial(self._value, name), self._excludable)

    def least(self, name: str, sources: Sequence[str]) -> float:
        """Return the least evidence with one source left out; 0 if the others have none."""
        return min(leave_one_source_out(partial(self._value, name), sources, self._excludable), default=0.0)


def _rejected(
    e_values: Mapping[str, float], weights: Mapping[str, float], risk: float, together: Collection[str]
) -> set[str]:
    alone = [{name: e} for name, e in e_values.items() if name not in together]
    family = {name: e for name, e in e_values.items() if name in together}
    return set().union(*(reject(each, weights, risk) for each in (family, *alone)))


def _by_hypothesis(factors: Iterable[EFactor]) -> dict[str, list[EFactor]]:
    by_name: dict[str, list[EFactor]] = {}
    for factor in factors:
        by_name.setdefault(factor.hypothesis, []).append(factor)
    return by_name


def adversarial_notes(sources: Iterable[str]) -> list[str]:
    """Return the notes that name the adversarial sources."""
    return [
        f"{source} contradicts all other sources: every estimate ignores its feedback" for source in sources
    ]


def _e_value(factors: Sequence[EFactor], half_life_days: float) -> float:
    """Return the product of e-values over strata; in each the effect may be absent or start late."""
    log = 0.0
    for stratum in _strata(factors):
        begins = np.array([factor.begins for factor in stratum])
        epochs = np.maximum(begins - begins[0], 0.0) // (half_life_days * _DAY)
        log += log_restarting_mixture(_logs(stratum), epochs.astype(np.int64))
    return math.exp(min(log, LARGEST_LOG))


def log_decayed_evidence(factors: Sequence[EFactor], *, half_life_days: float, newest: float) -> float:
    """Return the log evidence with decay; below 0 it opposes the hypothesis.

    It is a log-mean over strata and alternatives, so strata without the effect do not hide one that has it.
    """
    longest = half_life_days * _DAY / _PIECES_PER_HALF_LIFE
    logs: list[float] = []
    for stratum in _strata(factors):
        pieces = [piece for factor in stratum for piece in factor.pieces(longest)]
        weights = decay_weights([time for time, _ in pieces], half_life_days=half_life_days, newest=newest)
        logs.extend(weights @ np.array([added for _, added in pieces]))
    return float(np.logaddexp.reduce(logs) - np.log(len(logs)))


def _strata(factors: Sequence[EFactor]) -> list[list[EFactor]]:
    by_stratum: dict[tuple[object, ...], list[EFactor]] = {}
    for factor in factors:
        by_stratum.setdefault(factor.stratum, []).append(factor)
    return list(by_stratum.values())


def _n_effective(factors: Sequence[EFactor], half_life_days: float, newest: float) -> float:
    times = [row.time for factor in factors for row in factor.readings]
    weights = decay_weights(times, half_life_days=half_life_days, newest=newest)
    return round(effective_sample_size(weights), 2)


def _events_needed(factors: Sequence[EFactor], ratio: float) -> int | None:
    """Return the number of events up to the threshold, extrapolated from past growth; None without growth."""
    growth = float(_logs(factors).sum(axis=0).max()) / sum(len(factor.readings) for factor in factors)
    return math.ceil(max(math.log(ratio), 0.0) / growth) if growth > 0.0 else None


def _logs(factors: Sequence[EFactor]) -> NDArray[np.float64]:
    return np.array([factor.factors for factor in factors])
