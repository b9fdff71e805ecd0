"""Bets on runs and the rules they support: the sparse cut, sampling, deadlines, fallbacks.

The deadline of a run is a high quantile of the durations of completed runs, by rows and features.

There are four kinds of hypotheses. Under the null of each, doing nothing costs no more than acting.

``size/S``        runs of at least S rows fail due to time or memory more often than smaller ones
``sparse/C``      data with a share of missing values above C mostly crash the monitor
``fallback/E/T``  after an error of kind E, strategy T returns on average more than half of a full result
``deadline/C``    runs of computation C that exceed their deadline mostly fail

Sizes are compared with each other and never with a fixed rate: a failure that does not depend on size must
not support a rule about size. Each hypothesis is tested alone with its share of the risk.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from poet.learning.e_factors import EFactor, bounded_mean_factor, hypothesis_key, parse_key, threshold_factors
from poet.learning.feedback_rows import round_down
from poet.learning.hypothesis_tests import HypothesisTest
from poet.learning.rule_updates import RuleUpdate, evidence_of, slug
from poet.policies.monitor_with_recovery.learner.readings import SIZES, Crash, Recovery, Run
from poet.spec.decisions import Interval, Rule
from poet.stats import alpha_spending, bounded_mean_interval, decay_weights
from poet_runtime.errors import LearnError

FEWEST: Final = 20  # completed runs needed to fit a quantile
_QUANTILE: Final = 0.95
_SLACK: Final = 2.0  # times the quantile: waiting costs seconds, stopping a good run costs its result
_SHORTEST_S: Final = 0.5
_NEWEST: Final = 400  # runs behind a fit


@dataclass(frozen=True, slots=True)
class Deadline:
    """A deadline of ``seconds * rows**per_rows * features**per_features`` seconds."""

    seconds: float
    per_rows: float
    per_features: float

    def of(self, run: Run) -> float:
        """Return the deadline of a run of this size, in seconds."""
        return float(
            self.seconds * max(run.rows, 1) ** self.per_rows * max(run.features, 1) ** self.per_features
        )


def fitted(completed: Sequence[Run]) -> Deadline | None:
    """Return twice the fitted 95 % quantile of seconds by rows and features; None with too few runs.

    The fit is a quantile regression in logarithms (Koenker and Bassett 1978), solved exactly as a linear
    program. Negative exponents, which would give a larger run less time, are set to zero.
    """
    runs = [run for run in completed if run.seconds][-_NEWEST:]
    if len(runs) < FEWEST:
        return None
    y = np.log([max(run.seconds or 0.0, 1e-6) for run in runs])
    columns = {
        "per_rows": np.log([float(max(run.rows, 1)) for run in runs]),
        "per_features": np.log([float(max(run.features, 1)) for run in runs]),
    }
    kept = [name for name, column in columns.items() if np.ptp(column) > 0.0]
    fit = _quantile_fit([columns[name] for name in kept], y)
    while falling := [name for name, slope in zip(kept, fit[1:], strict=True) if slope < 0.0]:
        kept = [name for name in kept if name not in falling]
        fit = _quantile_fit([columns[name] for name in kept], y)
    slopes = dict(zip(kept, fit[1:], strict=True))
    return Deadline(
        seconds=_rounded(max(_SLACK * math.exp(fit[0]), 1e-9)),
        per_rows=_rounded(slopes.get("per_rows", 0.0)),
        per_features=_rounded(slopes.get("per_features", 0.0)),
    )


def _quantile_fit(columns: Sequence[NDArray[np.float64]], y: NDArray[np.float64]) -> list[float]:
    """Return the intercept and slopes that minimize the pinball loss."""
    from scipy import optimize, sparse  # noqa: PLC0415 -- the import takes 0.3 s, and only learning needs it

    n, k = y.size, len(columns) + 1
    design = np.column_stack([np.ones(n), *columns])
    one = sparse.identity(n, format="csr")
    equations = sparse.hstack([sparse.csr_matrix(design), one, -one], format="csr")
    cost = np.concatenate([np.zeros(k), np.full(n, _QUANTILE), np.full(n, 1.0 - _QUANTILE)])
    bounds = [(None, None)] * k + [(0.0, None)] * (2 * n)
    solved = optimize.linprog(cost, A_eq=equations, b_eq=y, bounds=bounds, method="highs")
    if solved.x is None:  # bounded below by zero and always feasible, so a solution exists
        raise LearnError(f"the quantile fit of {n} runs failed: {solved.message}; report this with the log")
    return [float(value) for value in solved.x[:k]]


def deadline_bets(runs: Sequence[Run]) -> Iterator[EFactor]:
    """Yield bets that runs exceeding the deadline, as fitted on earlier runs, mostly fail.

    The deadline is refitted after every `FEWEST` completed runs. A failed run of unknown duration counts as
    exceeding it.
    """
    for computation in sorted({run.computation for run in runs}):
        completed: list[Run] = []
        deadline: Deadline | None = None
        for run in (each for each in runs if each.computation == computation):
            if deadline and (run.seconds is None or run.seconds > deadline.of(run)):
                yield bounded_mean_factor(
                    hypothesis_key("deadline", computation), run, 1.0 if run.has_failed else -1.0
                )
            if not run.has_failed:
                completed.append(run)
                if len(completed) % FEWEST == 0:
                    deadline = fitted(completed)


def with_minimum(deadline: Deadline, runs: Sequence[Run]) -> Deadline:
    """Return the deadline, scaled up if necessary so that each of these runs has at least half a second."""
    least = min(deadline.of(run) for run in runs)
    if least >= _SHORTEST_S:
        return deadline
    return Deadline(
        _rounded(deadline.seconds * _SHORTEST_S / least), deadline.per_rows, deadline.per_features
    )


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


CUTS: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # share of missing values
LARGE: Final = tuple(size for size in SIZES if size >= 5_000)  # rows that could be too many


@dataclass(frozen=True, slots=True)
class Evidence:
    """All feedback that the bets use, by kind."""

    runs: Sequence[Run]
    recoveries: Sequence[Recovery]
    crashes: Sequence[Crash]


def bets(evidence: Evidence) -> list[EFactor]:
    """Return all e-factors."""
    return [
        *threshold_factors(
            "size", evidence.runs, LARGE, size=lambda run: run.size, outcome=lambda run: float(run.has_failed)
        ),
        *(
            bounded_mean_factor(hypothesis_key("sparse", f"{cut:g}"), row, 1.0 if row.has_crashed else -1.0)
            for row in evidence.crashes
            for cut in CUTS
            if row.missing_share > cut
        ),
        *(
            bounded_mean_factor(
                hypothesis_key("fallback", row.error, row.strategy), row, 2.0 * row.value - 1.0
            )
            for row in evidence.recoveries
        ),
        *deadline_bets(evidence.runs),
    ]


def hypothesis_weights(evidence: Evidence) -> dict[str, float]:
    """Return the weights of the hypotheses, half for sizes, which need most evidence.

    Within their shares, strategies and computations are weighted by first appearance.
    """
    return {
        **{hypothesis_key("size", str(size)): 0.5 / len(LARGE) for size in LARGE},
        **{hypothesis_key("sparse", f"{cut:g}"): 0.15 / len(CUTS) for cut in CUTS},
        **alpha_spending(
            (hypothesis_key("fallback", row.error, row.strategy) for row in evidence.recoveries), share=0.2
        ),
        **alpha_spending((hypothesis_key("deadline", run.computation) for run in evidence.runs), share=0.15),
    }


_ROWS: Final = 10_000  # default size of a sample
_TENTHS_KEPT: Final = 9  # sampling begins at nine tenths of the smallest size that failed
_STRAYS: Final = 0.1  # share of failures that may be due to a loaded machine
_FEWEST: Final = 3  # recoveries needed for a mean
_SPARSE_LOSS: Final = 0.1  # default quality loss of monitoring presence instead of values
_TOLERANCE: Final = 1.3  # a deadline within this factor of the one in force changes nothing


@dataclass(frozen=True, slots=True)
class RecoveryRuleUpdate(RuleUpdate):
    """A rule update with the feedback on runs."""

    newest: float
    evidence: Evidence
    tests: Mapping[str, HypothesisTest]

    def rules(self) -> list[Rule]:
        """Return all rules except the plain run."""
        return [*self._sparse(), *self._sample(), *self._deadlines(), *self._fallbacks()]

    def _sparse(self) -> list[Rule]:
        """Return the rule with the lowest cut above which data mostly crash, even directly above it."""
        tests = {cut: v for cut in CUTS if (v := self.tests.get(hypothesis_key("sparse", f"{cut:g}")))}
        if not tests:
            return self.carry_unmentioned((), kinds=("sparse",))
        old = self.active_rules.get("sparse")
        former = cast("float", old.condition["missing_above"]) if old else None
        shown = [cut for cut, test in tests.items() if test.holds and self._crashes_above(cut)]
        nearest = max(tests, key=lambda cut: tests[cut].e_value / tests[cut].e_value_threshold)
        cut = shown[0] if shown else former or nearest
        seen = [row for row in self.evidence.crashes if row.missing_share > cut]
        loss = self._loss([row for row in self.evidence.recoveries if row.strategy == "sparse"])
        rule = Rule(
            id="sparse",
            kind="sparse",
            condition={"missing_above": cut},
            parameters={"quality_loss": _SPARSE_LOSS if loss is None else loss},
            status="adopted",
            was=f"missing share above {former:g}" if former else "a full run",
            reason=f"{sum(row.has_crashed for row in seen)} of {len(seen)} features "
            f"with a missing share above {cut:g} crashed the monitor",
            evidence=evidence_of(tests.get(cut)),
        )
        return self.decide(rule, tests.get(cut))

    def _crashes_above(self, cut: float) -> bool:
        """Return whether data between a cut and the next mostly crash; False if there are too few."""
        following = next((each for each in CUTS if each > cut), 1.0)
        seen = [row.has_crashed for row in self.evidence.crashes if cut < row.missing_share <= following]
        return len(seen) >= _FEWEST and 2 * sum(seen) > len(seen)

    def _sample(self) -> list[Rule]:
        known = [(size, v) for size in LARGE if (v := self.tests.get(hypothesis_key("size", str(size))))]
        if not known:
            return self.carry_unmentioned((), kinds=("sample",))
        shown = [pair for pair in known if pair[1].holds]
        old = self.active_rules.get("sample")
        if old and not shown:
            former = cast("int", old.condition["rows_above"])
            known = [pair for pair in known if pair[0] <= former * 10 // _TENTHS_KEPT] or known
            return self.decide(old, known[-1][1])
        size, test = (
            shown[0] if shown else max(known, key=lambda pair: pair[1].e_value / pair[1].e_value_threshold)
        )
        rows, loss = self._target()
        if loss is None:  # without a known loss, sampling is only allowed as a fallback
            return [msgspec.structs.replace(self._sampled(size, test, rows, 0.0), status="candidate")]
        return self.decide(self._sampled(size, test, rows, loss), test)

    def _sampled(self, size: int, test: HypothesisTest, rows: int, loss: float) -> Rule:
        step = [run for run in self.evidence.runs if run.size == size or (run.size > size == LARGE[-1])]
        failed = [run.rows for run in step if run.has_failed]
        smallest = int(np.quantile(failed, _STRAYS, method="lower")) if failed else size
        old = self.active_rules.get("sample")
        above = max(smallest * _TENTHS_KEPT // 10, rows)
        if old and test.holds and cast("int", old.condition["rows_above"]) >= size:
            above = min(above, cast("int", old.condition["rows_above"]))
        return Rule(
            id="sample",
            kind="sample",
            condition={"rows_above": above},
            parameters={"rows": rows, "quality_loss": loss},
            status="adopted",
            was=f"{old.parameters['rows']} rows of tables above {old.condition['rows_above']}"
            if old
            else "a full run",
            reason=f"{len(failed)} of {len(step)} runs of this size ran out of time or memory; "
            f"the quality loss of a sample is {loss:g}",
            evidence=evidence_of(test),
        )

    def _target(self) -> tuple[int, float | None]:
        """Return the sample size with the least cost (failure rate plus quality loss), and its loss."""
        sampled = [row for row in self.evidence.recoveries if row.strategy == "sampled"]
        by_rows: defaultdict[int, list[Recovery]] = defaultdict(list)
        for row in sampled:
            if row.sample_rows:
                by_rows[row.sample_rows].append(row)
        costs = {
            rows: self._failure_rate(rows) + 1.0 - self._mean([row.value for row in recoveries], recoveries)
            for rows, recoveries in sorted(by_rows.items())
            if len(recoveries) >= _FEWEST
        }
        if not costs:
            return _ROWS, self._loss(sampled)
        best = min(costs, key=lambda rows: (costs[rows], rows))
        return best, self._loss(by_rows[best])

    def _failure_rate(self, rows: int) -> float:
        step = [run for run in self.evidence.runs if run.size == round_down(rows)]
        return sum(run.has_failed for run in step) / len(step) if step else 0.0

    def _loss(self, recoveries: Sequence[Recovery]) -> float | None:
        known = [row for row in recoveries if row.loss is not None]
        if not known:
            return None
        return round(self._mean([row.loss or 0.0 for row in known], known), 2)

    def _mean(self, values: Sequence[float], recoveries: Sequence[Recovery]) -> float:
        half_life = self.configuration.half_life_days
        weights = decay_weights(
            [row.time for row in recoveries], half_life_days=half_life, newest=self.newest
        )
        return float(np.average(values, weights=np.maximum(weights, 1e-12)))

    def _deadlines(self) -> list[Rule]:
        named = [words[1] for words in map(parse_key, self.tests) if words[0] == "deadline"]
        rules = [rule for each in sorted(named) for rule in self._deadline(each)]
        return [
            *rules,
            *self.carry_unmentioned(
                (slug("deadline", n) if n else "deadline" for n in named), kinds=("deadline",)
            ),
        ]

    def _deadline(self, computation: str) -> list[Rule]:
        test = self.tests[hypothesis_key("deadline", computation)]
        runs = [run for run in self.evidence.runs if run.computation == computation]
        fit = fitted([run for run in runs if not run.has_failed])
        if fit is None:
            return []
        identity = slug("deadline", computation) if computation else "deadline"
        old = self.active_rules.get(identity)
        condition, parameters = _observed_range(runs, computation), _seconds(with_minimum(fit, runs))
        if old and test.holds and _is_near(old, parameters, runs):
            condition, parameters = old.condition, old.parameters
        over = [run for run in runs if run.seconds is None or run.seconds > fit.of(run)]
        rule = Rule(
            id=identity,
            kind="deadline",
            condition=condition,
            parameters=parameters,
            status="adopted",
            was="a different deadline" if old else "no deadline",
            reason=f"{sum(run.has_failed for run in over)} of {len(over)} runs that took longer failed; "
            f"the deadline is twice the 95 % quantile of {len(runs)} runs",
            evidence=evidence_of(test),
        )
        return self.decide(rule, test)

    def _fallbacks(self) -> list[Rule]:
        by_error: defaultdict[str, list[str]] = defaultdict(list)
        for words in map(parse_key, self.tests):
            if words[0] == "fallback":
                by_error[words[1]].append(words[2])
        rules: list[Rule] = []
        for error, strategies in sorted(by_error.items()):
            rules += self._fallback(error, sorted(strategies))
        seen = {f"fallback-{error}" for error in by_error}
        return [*rules, *self.carry_unmentioned(seen, kinds=("fallback",))]

    def _fallback(self, error: str, strategies: Sequence[str]) -> list[Rule]:
        identity = f"fallback-{error}"
        old = self.active_rules.get(identity)
        former = cast("list[str]", old.parameters["strategies"]) if old else []
        recoveries = {name: [r for r in self.evidence.recoveries if (r.error, r.strategy) == (error, name)]
                for name in {*strategies, *former}}  # fmt: skip
        tests = {name: self.tests.get(hypothesis_key("fallback", error, name)) for name in recoveries}
        supported = [
            name
            for name, test in tests.items()
            if (test and test.holds) or (name in former and not (test and test.is_contradicted))
        ]
        bounds = {name: self._result_value(rows) for name, rows in recoveries.items()}
        ordered = sorted(supported, key=lambda name: (-bounds[name].low, name))
        waiting = [n for n, v in tests.items() if n not in supported and v and v.e_value > 1.0]
        pinned = self.pinned(identity)
        if pinned:
            return [pinned]
        if self.is_vetoed(identity):
            return [Rule(id=identity, kind="fallback", status="vetoed", reason="vetoed by a person")]
        rules = (
            [self.carry_over(self._fallback_rule(identity, error, ordered, recoveries, bounds, tests))]
            if ordered
            else []
        )
        candidates = [
            self._fallback_rule(identity, error, [name], recoveries, bounds, tests)
            for name in sorted(waiting)
        ]
        return rules + [
            msgspec.structs.replace(rule, id=f"{identity}-{name}", status="candidate")
            for rule, name in zip(candidates, sorted(waiting), strict=True)
        ]

    def _fallback_rule(
        self,
        identity: str,
        error: str,
        strategies: Sequence[str],
        recoveries: Mapping[str, Sequence[Recovery]],
        bounds: Mapping[str, Interval],
        tests: Mapping[str, HypothesisTest | None],
    ) -> Rule:
        old = self.active_rules.get(identity)
        rows, _ = self._target()
        losses = [
            self._loss([row for row in recoveries[name] if row.sample_rows in (None, rows)]) or 0.0
            for name in strategies
        ]
        known = [test for name in strategies if (test := tests[name])]
        weakest = min(known, key=lambda test: test.e_value / test.e_value_threshold, default=None)
        values = ", ".join(
            f"{name}: {bounds[name].estimate:.2f} of the value of a full result" for name in strategies
        )
        return Rule(
            id=identity,
            kind="fallback",
            condition={"error": error, "rows_above": None},
            parameters={"strategies": list(strategies), "rows": rows, "quality_losses": losses},
            status="adopted",
            was=", ".join(cast("list[str]", old.parameters["strategies"])) if old else "an error report",
            reason=f"{values}, n = {sum(len(recoveries[name]) for name in strategies)}",
            evidence=evidence_of(weakest, after=tuple(bounds[name] for name in strategies)),
        )

    def _result_value(self, recoveries: Sequence[Recovery]) -> Interval:
        values = [row.value for row in recoveries]
        low, high = bounded_mean_interval(values, risk=self.configuration.risk, low=0.0, high=1.0)
        mean = float(np.mean(values)) if values else 0.0
        return Interval(what="value of the result", estimate=mean, low=low, high=high, n=len(values))


def _observed_range(runs: Iterable[Run], computation: str) -> dict[str, object]:
    """Return the range of the feedback, at round sizes so that one more run does not change the rule."""
    rows = [run.rows for run in runs]
    features = [max(run.features, 1) for run in runs]
    return {
        "computation": computation or None,
        "rows_from": min(rows),
        "rows_to": max((size for size in SIZES if min(rows) <= size <= max(rows)), default=max(rows)),
        "features_from": min(features),
        "features_to": max(features),
    }


def _seconds(deadline: Deadline) -> dict[str, object]:
    return {
        "seconds": deadline.seconds,
        "per_rows": deadline.per_rows,
        "per_features": deadline.per_features,
    }


def _is_near(old: Rule, parameters: Mapping[str, object], runs: Sequence[Run]) -> bool:
    """Return whether the deadline in force is about the same for all of these runs."""
    if 2 * cast("int", old.condition["rows_to"]) < max(run.rows for run in runs):
        return False
    former = Deadline(**cast("dict[str, float]", old.parameters))
    new = Deadline(**cast("dict[str, float]", parameters))
    return all(abs(math.log(former.of(run) / new.of(run))) <= math.log(_TOLERANCE) for run in runs)
