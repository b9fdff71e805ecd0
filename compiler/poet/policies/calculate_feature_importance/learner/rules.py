"""Importance rules from test results and effects: one per multiplier and setting, with all its features."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

import msgspec

from poet.learning.e_factors import hypothesis_key, parse_key
from poet.learning.hypothesis_tests import HypothesisTest
from poet.learning.rule_updates import RuleUpdate, evidence_of, nearest, slug
from poet.policies.calculate_feature_importance.learner.bets import Effects, nearest_multiplier
from poet.policies.calculate_feature_importance.learner.readings import Impact
from poet.spec.decisions import Rule

_NEVER: Final = "never-matters"
_TENTH: Final = 0.1


@dataclass(frozen=True, slots=True)
class _Member:
    """A feature that is in a rule or is a candidate for it."""

    feature: str
    multiplier: float
    test: HypothesisTest | None
    is_in: bool


@dataclass(frozen=True, slots=True)
class ImportanceRuleUpdate(RuleUpdate):
    """A rule update with the effects estimated from slopes, lists and reports."""

    effects: Effects
    tests: dict[str, HypothesisTest]

    def rules(self) -> list[Rule]:
        """Return all rules except the base."""
        return [*self._never(), *self._features(), *self._contexts(), *self._pairs()]

    def _features(self) -> list[Rule]:
        irrelevant = {each.feature for each in self._irrelevant() if each.is_in}
        former = self._former("feature", ())
        tested = {feature for (feature,) in _tested(self.tests, "more")}
        members = [
            self._member(each, hypothesis_key("more", each), self.effects.of_feature(each), former)
            for each in sorted({*tested, *former} - irrelevant)
        ]
        return self._grouped(members, ("matters",), "feature", {}, "other features in the same setting")

    def _contexts(self) -> list[Rule]:
        pairs: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for key, value, feature in _tested(self.tests, "context"):
            pairs[key, value].add(feature)
        for rule in self.active_rules.values():
            if rule.kind == "context":
                key, value = (cast("str", rule.condition[name]) for name in ("key", "value"))
                pairs[key, value] |= set(cast("list[str]", rule.condition["features"]))
        rules: list[Rule] = []
        for (key, value), features in sorted(pairs.items()):
            former = self._former("context", (key, value))
            members = [
                self._member(
                    each,
                    hypothesis_key("context", key, value, each),
                    self.effects.of_context(each, (key, value)),
                    former,
                )
                for each in sorted(features)
            ]
            setting: dict[str, object] = {"key": key, "value": value}
            rules += self._grouped(
                members, (key, value), "context", setting, "the same features in other contexts"
            )
        return rules

    def _pairs(self) -> list[Rule]:
        old = [rule.condition for rule in self.active_rules.values() if rule.kind == "interaction"]
        former = {(str(each["feature"]), str(each["other"])) for each in old}
        rules: list[Rule] = []
        for feature, other in sorted({*_tested(self.tests, "interaction"), *former}):
            test = self.tests.get(hypothesis_key("interaction", feature, other))
            identity = slug(feature, "with", other)
            before = self.active_rules.get(identity)
            factor = cast("float", before.parameters["multiplier"]) if before else None
            multiplier = nearest_multiplier(self.effects.of_pair(feature, other), factor)
            if multiplier <= 1.0:
                continue
            n = sum(test.sources.values()) if test else 0
            rule = Rule(
                id=identity,
                kind="interaction",
                condition={"feature": feature, "other": other},
                parameters={"multiplier": multiplier},
                status="adopted",
                was=f"multiplier {factor:g}" if factor else "multiplier 1",
                reason=f"{feature} and {other} together matter more than {feature} alone, n = {n}",
                evidence=evidence_of(test),
            )
            rules += self.decide(rule, test)
        waiting = [rule for rule in rules if rule.status == "candidate"]
        return [*(rule for rule in rules if rule.status != "candidate"), *nearest(waiting)]

    def _never(self) -> list[Rule]:
        make = partial(self._rule, _NEVER, "feature", {}, _TENTH, "other features")
        return self._named(_NEVER, self._irrelevant(), make)

    def _irrelevant(self) -> list[_Member]:
        old = self.active_rules.get(_NEVER)
        former = dict.fromkeys(cast("list[str]", old.condition["features"]), _TENTH) if old else {}
        names = sorted({*(feature for (feature,) in _tested(self.tests, "never")), *former})
        return [
            self._member(each, hypothesis_key("never", each), _TENTH, former, exact=True) for each in names
        ]

    def _former(self, kind: str, setting: tuple[str, ...]) -> dict[str, float]:
        """Return the multipliers in force, by feature."""
        return {
            feature: cast("float", rule.parameters["multiplier"])
            for rule in self.active_rules.values()
            if rule.kind == kind
            and rule.id != _NEVER
            and tuple(rule.condition[name] for name in ("key", "value") if name in rule.condition) == setting
            for feature in cast("list[str]", rule.condition["features"])
        }

    def _member(
        self,
        feature: str,
        hypothesis: str,
        effect: float | None,
        former: dict[str, float],
        *,
        exact: bool = False,
    ) -> _Member:
        test = self.tests.get(hypothesis)
        multiplier = _TENTH if exact else nearest_multiplier(effect, former.get(feature))
        if test and test.holds:
            is_in = True
        else:
            is_in = feature in former and not (test and test.is_contradicted)
            multiplier = former.get(feature, multiplier) if is_in else multiplier
        return _Member(feature, multiplier, test, is_in and multiplier != 1.0)

    def _grouped(
        self,
        members: Sequence[_Member],
        setting: tuple[str, ...],
        kind: str,
        condition: dict[str, object],
        against: str,
    ) -> list[Rule]:
        """Return one rule per multiplier."""
        rules: list[Rule] = []
        for multiplier in sorted({each.multiplier for each in members if each.multiplier != 1.0}):
            identity = slug(*setting, f"x{multiplier:g}".replace(".", "_"))
            same = [each for each in members if each.multiplier == multiplier]
            make = partial(self._rule, identity, kind, condition, multiplier, against)
            rules += self._named(identity, same, make)
        return rules

    def _named(
        self, identity: str, members: Sequence[_Member], make: Callable[[Sequence[_Member]], Rule]
    ) -> list[Rule]:
        """Return the rule for the members in it, and the candidates closest to adoption."""
        pinned = self.pinned(identity)
        if pinned:
            return [pinned]
        if self.is_vetoed(identity):
            return [Rule(id=identity, kind="feature", status="vetoed", reason="vetoed by a person")]
        chosen = [each for each in members if each.is_in]
        rules = [self.carry_over(make(chosen))] if chosen else []
        waiting = [each for each in members if not each.is_in and each.test and each.test.e_value > 1.0]
        candidates = [msgspec.structs.replace(make([each]), status="candidate") for each in waiting]
        named = [
            msgspec.structs.replace(rule, id=slug(identity, *cast("list[str]", rule.condition["features"])))
            for rule in candidates
        ]
        return rules + nearest(named)

    def _rule(
        self,
        identity: str,
        kind: str,
        condition: dict[str, object],
        multiplier: float,
        against: str,
        members: Sequence[_Member],
    ) -> Rule:
        features = sorted(each.feature for each in members)
        old = self.active_rules.get(identity)
        weakest = min(
            (each.test for each in members if each.test),
            key=lambda v: v.e_value / v.e_value_threshold,
            default=None,
        )
        own = self.effects.slopes("performance lost per unit of drift", _is_one_of(features, condition))
        others = self.effects.slopes(
            f"performance lost per unit of drift of {against}", _is_against(features, condition)
        )
        n = sum(sum(each.test.sources.values()) for each in members if each.test)
        summary = self._summary(features, condition, against)
        former = sorted(cast("list[str]", old.condition["features"])) if old else []
        return Rule(
            id=identity,
            kind=kind,
            condition={**condition, "features": features},
            parameters={"multiplier": multiplier},
            status="adopted",
            was=f"for {', '.join(former)}" if former and former != features else "multiplier 1",
            reason=f"{summary}, n = {n}",
            evidence=evidence_of(weakest, before=others, after=own),
        )

    def _summary(self, features: Sequence[str], condition: dict[str, object], against: str) -> str:
        """Return a short description of the observations."""
        own = self.effects.median(_is_one_of(features, condition))
        others = self.effects.median(_is_against(features, condition))
        if own is None or others is None:
            return "inferred from the metrics that fell at the same time"
        return f"{own:.3g} of performance lost per unit of drift, {others:.3g} for {against}"


def _is_one_of(features: Sequence[str], condition: dict[str, object]) -> Callable[[Impact], bool]:
    setting = (condition["key"], condition["value"]) if condition else None
    return lambda row: row.feature in features and (setting is None or setting in row.setting)


def _is_against(features: Sequence[str], condition: dict[str, object]) -> Callable[[Impact], bool]:
    if not condition:
        return lambda row: row.feature not in features
    setting = condition["key"], condition["value"]
    return lambda row: row.feature in features and setting not in row.setting


def _tested(tests: Iterable[str], kind: str) -> set[tuple[str, ...]]:
    """Return the keys of the tested hypotheses of a kind, without the kind."""
    found = map(parse_key, tests)
    return {words[1:] for words in found if words[0] == kind}
