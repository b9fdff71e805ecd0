"""Bets on alerts and the rules they support: groups, summaries, suppressions with an end, a cool-down.

There are four kinds of hypotheses. Under the null of each, doing nothing costs no more than acting.

``pair/F/G``    F and G, when they fire together, mostly have one cause
``size/N``      a batch of N alerts (up to the next size) would mostly be better as one summary
``useless/F``   alerts about F are useless so often that suppressing them costs less than reading them
``repeat/S``    an alert within S seconds (beyond the next shorter span) of a similar one is mostly too much

Each hypothesis is tested alone with its share of the risk.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np

from poet.learning.configuration import Costs
from poet.learning.e_factors import EFactor, bernoulli_factor, bounded_mean_factor, hypothesis_key, parse_key
from poet.learning.hypothesis_tests import HypothesisTest
from poet.learning.rule_updates import RuleUpdate, evidence_of, nearest, replayed, slug
from poet.policies.generate_alerts.learner.readings import Pair, Repeat, Size, Use, by_feature
from poet.spec.decisions import Interval, Replay, Rule
from poet.stats import alpha_spending, rate_interval

SIZES: Final = (2, 3, 5, 10)  # members
SPANS: Final = (900.0, 3600.0, 14_400.0, 86_400.0)  # seconds
_ALTERNATIVES: Final = (0.5, 0.8, 0.96)  # of the way from the break-even rate to always


@dataclass(frozen=True, slots=True)
class Evidence:
    """All feedback that the bets use, by kind."""

    pairs: Sequence[Pair]
    sizes: Sequence[Size]
    uses: Sequence[Use]
    repeats: Sequence[Repeat]


def break_even(costs: Costs) -> float:
    """Return the share of useless alerts above which reading alerts costs more than missing real drifts."""
    share = costs.miss / (costs.miss + costs.false_alarm)
    return min(max(share, 0.5), 0.98)


def bets(evidence: Evidence, *, costs: Costs) -> list[EFactor]:
    """Return all e-factors."""
    rate = break_even(costs)
    return [
        *(
            bounded_mean_factor(hypothesis_key("pair", *row.features), row, 1.0 if row.is_one else -1.0)
            for row in evidence.pairs
        ),
        *(
            bounded_mean_factor(hypothesis_key("size", str(_size(row.n))), row, 1.0 if row.is_one else -1.0)
            for row in evidence.sizes
        ),
        *(
            bernoulli_factor(
                hypothesis_key("useless", row.feature),
                row,
                happened=row.is_useless,
                chance=rate,
                alternatives=tuple(rate + (1.0 - rate) * beyond for beyond in _ALTERNATIVES),
            )
            for row in evidence.uses
        ),
        *(
            bounded_mean_factor(hypothesis_key("repeat", f"{span:g}"), row, 1.0 if row.is_too_much else -1.0)
            for row in evidence.repeats
            if (span := _span(row.gap_s))
        ),
    ]


def hypothesis_weights(evidence: Evidence) -> dict[str, float]:
    """Return the weights, half for the hypotheses that need most evidence; within a kind by appearance."""
    return {
        **alpha_spending((hypothesis_key("pair", *row.features) for row in evidence.pairs), share=0.25),
        **alpha_spending((hypothesis_key("useless", row.feature) for row in evidence.uses), share=0.5),
        **{hypothesis_key("size", str(size)): 0.1 / len(SIZES) for size in SIZES},
        **{hypothesis_key("repeat", f"{span:g}"): 0.15 / len(SPANS) for span in SPANS},
    }


def _size(n: int) -> int:
    return SIZES[bisect_right(SIZES, n) - 1]


def _span(gap_s: float) -> float | None:
    index = bisect_left(SPANS, gap_s)
    return SPANS[index] if index < len(SPANS) else None


_DAY: Final = 86_400.0
_HOLDOUT: Final = 0.1  # share of suppressed alerts that is sent; without it errors would never be noticed
_FLOOR: Final = "high"  # alerts of this severity or higher are never suppressed
_STAYS: Final = 1.25  # a bound within this factor of the one in force changes nothing
_FACTORS: Final = (1.2, 1.5, 2.0, 3.0, 5.0)
_FACTOR: Final = 1.5  # times the threshold, if no one adjusted one manually


@dataclass(frozen=True, slots=True)
class AlertRuleUpdate(RuleUpdate):
    """A rule update with the feedback on alerts."""

    newest: float
    evidence: Evidence
    tests: Mapping[str, HypothesisTest]
    adjustments: Sequence[float]  # factors by which people raised thresholds, oldest first
    severe_features: frozenset[str]  # features that had a real drift of high or critical impact

    def rules(self) -> list[Rule]:
        """Return all rules except the one for every drift."""
        return [*self._suppressions(), *self._cool_down(), *self._groups(), *self._batch()]

    def _suppressions(self) -> list[Rule]:
        rules: list[Rule] = []
        uses_by_feature = by_feature(self.evidence.uses)
        for feature in sorted({*uses_by_feature, *self._suppressed()} - self.severe_features):
            test = self.tests.get(hypothesis_key("useless", feature))
            rules += self.decide(self._suppression(feature, uses_by_feature.get(feature, []), test), test)
        active = [rule for rule in rules if rule.status != "candidate"]
        return [*active, *nearest(rule for rule in rules if rule.status == "candidate")]

    def _suppressed(self) -> set[str]:
        rules = [rule for rule in self.active_rules.values() if rule.kind == "suppress"]
        return {feature for rule in rules for feature in cast("list[str]", rule.condition["features"])}

    def _suppression(self, feature: str, uses: Sequence[Use], test: HypothesisTest | None) -> Rule:
        identity = slug("useless", feature)
        old = self.active_rules.get(identity)
        n, useless = len(uses), sum(use.is_useless for use in uses)
        risk = self.configuration.risk
        low, high = rate_interval(useless, n, risk=risk) if n else (0.0, 1.0)
        rate = Interval(what="useless alerts", estimate=useless / max(n, 1), low=low, high=high, n=n)
        reasons = Counter(use.reason for use in uses if use.is_useless and use.reason)
        mostly = f", mostly {min(reasons, key=lambda r: (-reasons[r], r))}" if reasons else ""
        even = break_even(self.configuration.costs)
        return Rule(
            id=identity,
            kind="suppress",
            condition={
                "features": [feature],
                "until": self._until(old),
                "severity_below": _FLOOR,
                "ratio_at_most": _covered(uses, old),
            },
            parameters={"holdout": _HOLDOUT},
            status="adopted",
            was="not suppressed",
            reason=f"{useless} of {n} alerts were useless{mostly}; the break-even is {even:.0%}",
            evidence=evidence_of(test, before=(rate,), replay=self._saved(uses)),
        )

    def _saved(self, uses: Sequence[Use]) -> Replay | None:
        """Return the saving of a suppression: the cost of a useless alert, or minus the cost of a miss."""
        costs = self.configuration.costs
        savings = [costs.false_alarm if use.is_useless else -costs.miss for use in uses]
        return replayed(savings, of=len(self.evidence.uses), risk=self.configuration.risk)

    def _until(self, old: Rule | None) -> float:
        """Return the end: a half-life from now; an active rule is extended once half of that has passed."""
        length = self.configuration.half_life_days * _DAY
        former = cast("float", old.condition["until"]) if old else 0.0
        if former - self.newest > length / 2.0:
            return former
        return math.ceil((self.newest + length) / _DAY) * _DAY

    def _cool_down(self) -> list[Rule]:
        spans = {span: self.tests.get(hypothesis_key("repeat", f"{span:g}")) for span in SPANS}
        known = [(span, test) for span, test in spans.items() if test]
        if not known:
            return self.carry_unmentioned((), kinds=("cool_down",))
        shown = [pair for pair in known if pair[1].holds]
        old = self.active_rules.get("cool-down")
        former = cast("float", old.parameters["seconds"]) if old else None
        span, test = (
            shown[-1] if shown else max(known, key=lambda pair: pair[1].e_value / pair[1].e_value_threshold)
        )
        if former and not shown:
            span, test = former, spans.get(former, test) or test
        seen = [row for row in self.evidence.repeats if row.gap_s <= span]
        too_much = sum(row.is_too_much for row in seen)
        rule = Rule(
            id="cool-down",
            kind="cool_down",
            condition={"severity_below": _FLOOR},
            parameters={"seconds": span, "factor": self._factor(old)},
            status="adopted",
            was=f"{former:g} s" if former else "no cool-down",
            reason=f"{too_much} of {len(seen)} responses to an alert within {span:g} s of a similar one "
            "said that there were too many",
            evidence=evidence_of(test),
        )
        return self.decide(rule, test)

    def _factor(self, old: Rule | None) -> float:
        if not self.adjustments:
            return cast("float", old.parameters["factor"]) if old else _FACTOR
        middle = float(np.median(self.adjustments))
        return min(_FACTORS, key=lambda each: abs(math.log(each / middle)))

    def _groups(self) -> list[Rule]:
        rules: list[Rule] = []
        for features in _connected(self._united()):
            identity = self._identity(features)
            test = self._weakest(features)
            old = self.active_rules.get(identity)
            seen = [row for row in self.evidence.pairs if set(row.features) <= set(features)]
            rule = Rule(
                id=identity,
                kind="group",
                condition={"features": list(features)},
                parameters={"at_least": self._at_least(old)},
                status="adopted",
                was=", ".join(cast("list[str]", old.condition["features"])) if old else "individual alerts",
                reason=f"{sum(row.is_one for row in seen)} of {len(seen)} joint alerts "
                "on two of these features had the same cause",
                evidence=evidence_of(test),
            )
            pinned = self.pinned(identity)
            vetoed = Rule(id=identity, kind="group", status="vetoed", reason="vetoed by a person")
            rules.append(pinned or (vetoed if self.is_vetoed(identity) else self.carry_over(rule)))
        return [*rules, *nearest(self._candidate_pairs())]

    def _united(self) -> list[tuple[str, str]]:
        """Return the pairs that belong together: supported now, or grouped and not contradicted."""
        pairs = [
            (one, other)
            for rule in self.active_rules.values()
            if rule.kind == "group"
            for one in cast("list[str]", rule.condition["features"])
            for other in cast("list[str]", rule.condition["features"])
            if one < other
        ]
        remaining = [pair for pair in pairs if not self._is_contradicted(pair)]
        return sorted({*remaining, *(pair for pair, test in self._pair_tests() if test.holds)})

    def _is_contradicted(self, pair: tuple[str, str]) -> bool:
        test = self.tests.get(hypothesis_key("pair", *pair))
        return test is not None and test.is_contradicted

    def _pair_tests(self) -> list[tuple[tuple[str, str], HypothesisTest]]:
        named = ((parse_key(name), test) for name, test in self.tests.items())
        return [((words[1], words[2]), test) for words, test in named if words[0] == "pair"]

    def _candidate_pairs(self) -> list[Rule]:
        united = set(self._united())
        return [
            Rule(
                id=slug("group", *pair),
                kind="group",
                condition={"features": list(pair)},
                parameters={"at_least": 2},
                status="candidate",
                was="individual alerts",
                reason="alerts on these features may have the same cause",
                evidence=evidence_of(test),
            )
            for pair, test in self._pair_tests()
            if pair not in united and test.e_value > 1.0 and not test.is_contradicted
        ]

    def _identity(self, features: Sequence[str]) -> str:
        """Return the id of an active group that shares a feature, or else one made of the first feature."""
        for rule in sorted(self.active_rules.values(), key=lambda rule: rule.id):
            if rule.kind == "group" and set(cast("list[str]", rule.condition["features"])) & set(features):
                return rule.id
        return slug("group", features[0])

    def _weakest(self, features: Sequence[str]) -> HypothesisTest | None:
        inside = [test for pair, test in self._pair_tests() if set(pair) <= set(features)]
        shown = [test for test in inside if test.holds] or inside
        return min(shown, key=lambda test: test.e_value / test.e_value_threshold, default=None)

    def _at_least(self, old: Rule | None) -> int:
        """Return the smallest number of members for which a summary is known to be better."""
        known = {size: v for size in SIZES if (v := self.tests.get(hypothesis_key("size", str(size))))}
        if old and not known:
            return cast("int", old.parameters["at_least"])
        return next((size for size, test in known.items() if test.holds), SIZES[0])

    def _batch(self) -> list[Rule]:
        known = [(size, v) for size in SIZES if (v := self.tests.get(hypothesis_key("size", str(size))))]
        if not known:
            return self.carry_unmentioned((), kinds=("batch",))
        shown = [pair for pair in known if pair[1].holds]
        old = self.active_rules.get("batch")
        former = cast("int", old.condition["at_least"]) if old else None
        size, test = (
            shown[0] if shown else max(known, key=lambda pair: pair[1].e_value / pair[1].e_value_threshold)
        )
        if former and not shown:
            size, test = former, dict(known).get(former, test)
        seen = [row for row in self.evidence.sizes if row.n >= size]
        rule = Rule(
            id="batch",
            kind="batch",
            condition={"at_least": size},
            status="adopted",
            was=f"from {former} alerts on" if former else "individual alerts",
            reason=f"{sum(row.is_one for row in seen)} of {len(seen)} batches "
            f"of at least {size} alerts had the same cause",
            evidence=evidence_of(test),
        )
        return self.decide(rule, test)


def _covered(uses: Sequence[Use], old: Rule | None) -> float | None:
    """Return the 95 % quantile of score over threshold among useless alerts; nothing is known beyond it."""
    ratios = [use.ratio for use in uses if use.is_useless and use.ratio is not None]
    former = cast("float | None", old.condition["ratio_at_most"]) if old else None
    if not ratios:
        return former
    largest = float(np.quantile(ratios, 0.95, method="higher"))
    if former and former / _STAYS <= largest <= former * _STAYS:
        return former
    return math.ceil(largest * 100.0) / 100.0


def _connected(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Return the connected groups of pairs that share a feature, each sorted."""
    groups: list[set[str]] = []
    for pair in pairs:
        touched = [group for group in groups if group & set(pair)]
        groups = [group for group in groups if group not in touched]
        groups.append(set(pair).union(*touched))
    return sorted(tuple(sorted(group)) for group in groups)
