"""Learner of feature importances: readings, bets, effects, rules."""

from functools import partial
from typing import TYPE_CHECKING, Final

from poet.learning.configuration import LearnConfiguration
from poet.learning.e_factors import factors_excluding
from poet.learning.feedback_rows import dominant_sources, excluding, feedback_rows, sources_by_first_event
from poet.learning.hypothesis_tests import adversarial_notes, adversarial_sources, evaluate_hypotheses
from poet.policies.calculate_feature_importance.learner.bets import (
    Effects,
    Evidence,
    bets,
    hypothesis_weights,
)
from poet.policies.calculate_feature_importance.learner.readings import impacts, memberships, reports
from poet.policies.calculate_feature_importance.learner.rules import ImportanceRuleUpdate
from poet.policies.calculate_feature_importance.policy import baseline
from poet.spec.decisions import Decisions

if TYPE_CHECKING:
    from poet.summaries import Summaries


_TYPES: Final = ("feature.drift_impact", "business.metric_degradation", "feature.interaction_discovered")


def learn(summaries: "Summaries", champion: Decisions, configuration: LearnConfiguration) -> Decisions:
    """Return importance rules learned from drift impacts, metric degradations and reported interactions.

    The function is pure: the same summaries, champion and configuration give the same decisions. If losses,
    lists and reports are independent of features and settings, the probability of *ever* adopting a rule is
    at most ``configuration.risk`` for any number of runs.
    """
    read = [feedback_rows(summaries.events(name), burst_limit=configuration.burst_limit) for name in _TYPES]
    tables = [rows for rows, _ in read]

    drifts, falls, pairs = tables
    everything = Evidence(impacts(drifts), memberships(falls), reports(pairs))
    factors = bets(everything, relevant_share=configuration.bounds.irrelevant_below)
    tests = evaluate_hypotheses(
        partial(factors_excluding, factors),
        hypothesis_weights(everything),
        sources=dominant_sources(*tables),
        newest=summaries.newest_time,
        configuration=configuration,
        has_rules=champion.has_learned,
        sources_by_first_event=sources_by_first_event(*tables),
    )
    adversarial = adversarial_sources(tests)
    known = excluding(everything, adversarial)
    effects = Effects(
        known.impacts,
        known.reports,
        configuration.half_life_days,
        summaries.newest_time,
        configuration.risk,
    )
    update = ImportanceRuleUpdate(champion, configuration, summaries.log_position, effects, tests)
    (base,) = baseline(champion.start)
    rules = [update.pinned(base.id) or update.carry_over(base), *update.rules()]
    n_excluded = sum(n for _, n in read)
    notes = [f"{len(drifts)} drift impacts, {len(falls)} degradations and {len(pairs)} reports were read"]
    notes += adversarial_notes(adversarial)
    if n_excluded:
        notes.append(f"{n_excluded} rows beyond the burst limit of their source are ignored")
    return update.decisions(rules, log_prefix=summaries.log_prefix, notes=notes)
