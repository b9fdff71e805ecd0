"""Learn strategies: accounts and verdicts, bets, rules."""

from typing import TYPE_CHECKING, cast

from poet.decisions import Decisions
from poet.learn.adaptive_monitoring_strategy._bets import Evidence, bets, risk_shares
from poet.learn.adaptive_monitoring_strategy._features import MOST, top_features
from poet.learn.adaptive_monitoring_strategy._readings import aftermath, money
from poet.learn.adaptive_monitoring_strategy._rules import Case
from poet.learn.configuration import LearnConfiguration
from poet.learn.contrary import heard
from poet.learn.statements import statements, voices, weighty_sources
from poet.learn.verdicts import apart_notes, contrary, judge
from poet.policies.adaptive_monitoring_strategy import baseline

if TYPE_CHECKING:  # the tables are all that is used; the engine behind them stays out of the way
    from poet.summaries import Summaries

__all__ = ["learn"]

_TYPES = (
    "monitoring.cost",
    "monitoring.value_delivered",
    "resource.optimization_needed",
    "drift.validation",
    "feature.drift_impact",
)


def learn(summaries: "Summaries", champion: Decisions, configuration: LearnConfiguration) -> Decisions:
    """Decide how much monitoring pays, from costs, values, months and verdicts.

    Pure: the same summaries, champion and configuration give the same decisions. Where monitoring returns
    exactly what it costs, whatever the model, and incidents foretell nothing, the chance of *ever* adopting
    a rule is at most ``configuration.risk``, however often this runs.
    """
    read = [statements(summaries.events(name), burst_limit=configuration.burst_limit) for name in _TYPES]
    said = [rows for rows, _ in read]

    runs, catches, months, judged, impacts = said
    everything = Evidence(
        accounts=money(runs, catches, months, judged, configuration.costs),
        judged=list(aftermath(judged)),
    )
    verdicts = judge(
        bets(everything, costs=configuration.costs, risk=configuration.risk),
        risk_shares(),
        sources=weighty_sources(*said[:4]),
        newest=summaries.newest_time,
        configuration=configuration,
        has_rules=champion.has_learned,
        voices=voices(*said[:4]),
    )
    features, top = top_features(
        impacts,
        judged,
        *_in_force(champion),
        half_life_days=configuration.half_life_days,
        newest=summaries.newest_time,
    )
    apart = contrary(verdicts)
    case = Case(
        champion=champion,
        configuration=configuration,
        log_position=summaries.log_position,
        said=heard(everything, apart),
        verdicts=verdicts,
        features=features,
        top=top,
    )
    (every,) = baseline(champion.start)
    rules = [case.pinned(every.id) or case.settled(every), *case.rules()]
    notes = [f"{len(everything.accounts)} accounts and {len(everything.judged)} verdicts were read"]
    notes += apart_notes(apart)
    aside = sum(n for _, n in read)
    if aside:
        notes.append(f"{aside} beyond the burst limit of their source are set aside")
    return case.decisions(rules, log_prefix=summaries.log_prefix, notes=notes)


def _in_force(champion: Decisions) -> tuple[list[str], int]:
    """Give the features that stay where a model is monitored less now, and how many."""
    for rule in champion.active:
        if "top" in rule.parameters:
            return cast("list[str]", rule.parameters["features"]), cast("int", rule.parameters["top"])
    return [], MOST
