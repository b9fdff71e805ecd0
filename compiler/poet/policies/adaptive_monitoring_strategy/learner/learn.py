"""Learner of monitoring strategies: cost records and labels, bets, rules."""

from typing import TYPE_CHECKING, Final, cast

from poet.learning.configuration import LearnConfiguration
from poet.learning.feedback_rows import dominant_sources, excluding, feedback_rows, sources_by_first_event
from poet.learning.hypothesis_tests import adversarial_notes, adversarial_sources, evaluate_hypotheses
from poet.policies.adaptive_monitoring_strategy.learner.bets import (
    MOST,
    Evidence,
    bets,
    hypothesis_weights,
    top_features,
)
from poet.policies.adaptive_monitoring_strategy.learner.readings import cost_records, post_incident_executions
from poet.policies.adaptive_monitoring_strategy.learner.rules import StrategyRuleUpdate
from poet.policies.adaptive_monitoring_strategy.policy import baseline
from poet.spec.decisions import Decisions

if TYPE_CHECKING:
    from poet.summaries import Summaries


_TYPES: Final = (
    "monitoring.cost",
    "monitoring.value_delivered",
    "resource.optimization_needed",
    "drift.validation",
    "feature.drift_impact",
)


def learn(summaries: "Summaries", champion: Decisions, configuration: LearnConfiguration) -> Decisions:
    """Return strategy rules learned from costs, values, monthly reports and labels.

    The function is pure: the same summaries, champion and configuration give the same decisions. If
    monitoring returns exactly what it costs for every model and incidents predict nothing, the probability
    of *ever* adopting a rule is at most ``configuration.risk`` for any number of runs.
    """
    read = [feedback_rows(summaries.events(name), burst_limit=configuration.burst_limit) for name in _TYPES]
    tables = [rows for rows, _ in read]

    runs, catches, months, labels, impacts = tables
    everything = Evidence(
        cost_records=cost_records(runs, catches, months, labels, configuration.costs),
        executions=list(post_incident_executions(labels)),
    )
    tests = evaluate_hypotheses(
        bets(everything, costs=configuration.costs, risk=configuration.risk),
        hypothesis_weights(),
        sources=dominant_sources(*tables[:4]),
        newest=summaries.newest_time,
        configuration=configuration,
        has_rules=champion.has_learned,
        sources_by_first_event=sources_by_first_event(*tables[:4]),
    )
    features, top = top_features(
        impacts,
        labels,
        *_in_force(champion),
        half_life_days=configuration.half_life_days,
        newest=summaries.newest_time,
    )
    adversarial = adversarial_sources(tests)
    update = StrategyRuleUpdate(
        champion=champion,
        configuration=configuration,
        log_position=summaries.log_position,
        evidence=excluding(everything, adversarial),
        tests=tests,
        features=features,
        top=top,
    )
    (every,) = baseline(champion.start)
    rules = [update.pinned(every.id) or update.carry_over(every), *update.rules()]
    notes = [f"{len(everything.cost_records)} cost records and {len(everything.executions)} labels were read"]
    notes += adversarial_notes(adversarial)
    n_excluded = sum(n for _, n in read)
    if n_excluded:
        notes.append(f"{n_excluded} rows beyond the burst limit of their source are ignored")
    return update.decisions(rules, log_prefix=summaries.log_prefix, notes=notes)


def _in_force(champion: Decisions) -> tuple[list[str], int]:
    """Return the features currently kept when a model is monitored less, and their number."""
    for rule in champion.active:
        if "top" in rule.parameters:
            return cast("list[str]", rule.parameters["features"]), cast("int", rule.parameters["top"])
    return [], MOST
