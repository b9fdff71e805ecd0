"""Strategy rules from test results: thorough tiers, quiet and lesser models, the time after an incident."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from poet.learning.e_factors import hypothesis_key
from poet.learning.hypothesis_tests import HypothesisTest
from poet.learning.rule_updates import RuleUpdate, evidence_of, replayed
from poet.policies.adaptive_monitoring_strategy.learner.bets import DAYS, LESSER, Evidence, return_on
from poet.policies.adaptive_monitoring_strategy.learner.readings import BANDS, TIERS, CostRecord
from poet.spec.decisions import Interval, Replay, Rule
from poet.stats import rate_interval

_THOROUGH: Final[dict[str, object]] = {"frequency": "real_time", "tests": "multiple"}


@dataclass(frozen=True, slots=True)
class StrategyRuleUpdate(RuleUpdate):
    """A rule update with the feedback on costs and gains."""

    evidence: Evidence
    tests: Mapping[str, HypothesisTest]
    features: tuple[str, ...]  # features kept when a model is monitored less
    top: int

    def rules(self) -> list[Rule]:
        """Return all rules except the one for every model."""
        return [*self._thorough(), *self._lesser(), *self._quiet(), *self._incidents()]

    def _thorough(self) -> list[Rule]:
        """Return the rule for thorough monitoring; if it pays for a tier, it pays for higher tiers too."""
        return self._tiers(
            "thorough",
            TIERS,
            dict(_THOROUGH),
            lambda back: f"monitoring returned {back:.3g} dollars per dollar spent",
        )

    def _lesser(self) -> list[Rule]:
        thorough = {
            tier
            for rule in self._thorough()
            if rule.is_active
            for tier in cast("list[str]", rule.condition["impacts"])
        }
        return self._tiers(
            "lesser",
            tuple(tier for tier in LESSER if tier not in thorough),
            self._reduced(),
            lambda back: f"monitoring returned only {back:.2g} dollars per dollar spent",
        )

    def _tiers(
        self, kind: str, tiers: Sequence[str], parameters: dict[str, object], describe: Callable[[float], str]
    ) -> list[Rule]:
        """Return the rule for the tiers with support, or else for the tier closest to its threshold."""
        old = self.active_rules.get(kind)
        former = cast("list[str]", old.condition["impacts"]) if old else []
        tests = {tier: self.tests.get(hypothesis_key(kind, tier)) for tier in tiers}
        supported = [
            tier
            for tier, test in tests.items()
            if (test and test.holds) or (tier in former and not (test and test.is_contradicted))
        ]
        tested = {tier: test for tier, test in tests.items() if test}
        chosen = (
            supported or sorted(tested, key=lambda t: tested[t].e_value_threshold / tested[t].e_value)[:1]
        )
        if not chosen:
            return []
        weakest = min(
            (tested[tier] for tier in chosen if tier in tested),
            key=lambda test: test.e_value / test.e_value_threshold,
            default=None,
        )
        records = [row for row in self.evidence.cost_records if row.tier in chosen]
        border = TIERS.index(
            min(chosen, key=TIERS.index) if kind == "thorough" else max(chosen, key=TIERS.index)
        )
        impacts = TIERS[border:] if kind == "thorough" else [t for t in TIERS[: border + 1] if t in tiers]
        rule = Rule(
            id=kind,
            kind="tier",
            condition={"impacts": list(impacts)},
            parameters=parameters,
            status="adopted",
            was=", ".join(former) if former else "the strategy of every model",
            reason=f"{describe(return_on(records))}, n = {len(records)}",
            evidence=evidence_of(
                weakest,
                before=_paying(records, self.configuration.risk),
                replay=self._saved(records, 1.0 if kind == "thorough" else -1.0),
            ),
        )
        if supported and not self.pinned(kind) and not self.is_vetoed(kind):
            return [self.carry_over(rule)]
        return self.decide(rule, weakest)

    def _quiet(self) -> list[Rule]:
        known = [(band, v) for band in BANDS if (v := self.tests.get(hypothesis_key("light", f"{band:g}")))]
        if not known:
            return self.carry_unmentioned((), kinds=("quiet",))
        shown = [pair for pair in known if pair[1].holds]
        old = self.active_rules.get("quiet")
        former = cast("float", old.condition["drift_rate_below"]) if old else None
        band, test = (
            shown[-1] if shown else max(known, key=lambda pair: pair[1].e_value / pair[1].e_value_threshold)
        )
        if former and not shown:
            band, test = former, dict(known).get(former, test)
        records = [row for row in self.evidence.cost_records if row.band is not None and row.band <= band]
        rule = Rule(
            id="quiet",
            kind="quiet",
            condition={"drift_rate_below": band},
            parameters=self._reduced(),
            status="adopted",
            was=f"drift rate below {former:g}" if former else "the strategy of every model",
            reason=f"monitoring returned only {return_on(records):.2g} dollars per dollar spent, "
            f"n = {len(records)}",
            evidence=evidence_of(
                test,
                before=_paying(records, self.configuration.risk),
                replay=self._saved(records, -1.0),
            ),
        )
        return self.decide(rule, test)

    def _reduced(self) -> dict[str, object]:
        return {"frequency": "daily", "tests": "single", "top": self.top, "features": list(self.features)}

    def _saved(self, records: Sequence[CostRecord], sign: float) -> Replay | None:
        """Return the saving on these records: from more monitoring (`sign` 1) or from less (`sign` -1)."""
        unit = self.configuration.costs.unit_usd
        savings = [sign * (row.gain - row.cost) / unit for row in records]
        return replayed(savings, of=len(self.evidence.cost_records), risk=self.configuration.risk)

    def _incidents(self) -> list[Rule]:
        known = [(days, v) for days in DAYS if (v := self.tests.get(hypothesis_key("incident", f"{days:g}")))]
        if not known:
            return self.carry_unmentioned((), kinds=("incident",))
        shown: list[tuple[float, HypothesisTest]] = []
        for pair in known:  # consecutive spans from the shortest on
            if not pair[1].holds:
                break
            shown.append(pair)
        old = self.active_rules.get("incidents")
        former = cast("float", old.condition["within_days"]) if old else None
        days, test = shown[-1] if shown else known[0]
        if former and not shown:
            days = former
        soon = [row for row in self.evidence.executions if row.days is not None and row.days <= days]
        later = [row for row in self.evidence.executions if row.days is None or row.days > DAYS[-1]]
        real, usual = sum(row.is_real for row in soon), sum(row.is_real for row in later)
        rule = Rule(
            id="incidents",
            kind="incident",
            condition={"within_days": days},
            parameters=dict(_THOROUGH),
            status="adopted",
            was=f"for {_days(former)} after an incident" if former else "no special case",
            reason=f"{real} of {len(soon)} drifts within {_days(days)} of an incident were real, "
            f"{usual} of {len(later)} otherwise",
            evidence=evidence_of(test),
        )
        return self.decide(rule, test)


def _days(days: float) -> str:
    return f"{days:g} day" if days == 1.0 else f"{days:g} days"


def _paying(records: Sequence[CostRecord], risk: float) -> tuple[Interval, ...]:
    """Return the share of records with a gain above their cost, with its interval."""
    n, paid = len(records), sum(row.gain > row.cost for row in records)
    if not n:
        return ()
    low, high = rate_interval(paid, n, risk=risk)
    return (Interval(what="cost records with a net gain", estimate=paid / n, low=low, high=high, n=n),)
