"""Learner of recovery: readings, bets, rules."""

from functools import partial
from typing import TYPE_CHECKING, Final

from poet.learning.configuration import LearnConfiguration
from poet.learning.e_factors import factors_excluding
from poet.learning.feedback_rows import dominant_sources, excluding, feedback_rows, sources_by_first_event
from poet.learning.hypothesis_tests import adversarial_notes, adversarial_sources, evaluate_hypotheses
from poet.policies.monitor_with_recovery.learner.readings import crashes, recoveries, runs, strategy_of
from poet.policies.monitor_with_recovery.learner.rules import (
    Evidence,
    RecoveryRuleUpdate,
    bets,
    hypothesis_weights,
)
from poet.policies.monitor_with_recovery.policy import baseline
from poet.spec.decisions import Decisions

if TYPE_CHECKING:
    from poet.summaries import Summaries


_TYPES: Final = ("monitoring.performance", "error.occurred", "error.recovery", "data.quality_issue")


def learn(summaries: "Summaries", champion: Decisions, configuration: LearnConfiguration) -> Decisions:
    """Return deadlines, sampling, the sparse cut and fallbacks learned from runs, errors and recoveries.

    The function is pure: the same summaries, champion and configuration give the same decisions. If failures
    do not depend on size and strategies return half the value of a full run, the probability of *ever*
    adopting a rule is at most ``configuration.risk`` for any number of runs.
    """
    read = [feedback_rows(summaries.events(name), burst_limit=configuration.burst_limit) for name in _TYPES]
    tables = [rows for rows, _ in read]

    performed, failed, tried, issues = tables
    everything = Evidence(
        runs=runs(performed, failed),
        recoveries=list(recoveries(tried, failed)),
        crashes=list(crashes(issues)),
    )
    tests = evaluate_hypotheses(
        partial(factors_excluding, bets(everything)),
        hypothesis_weights(everything),
        sources=dominant_sources(*tables),
        newest=summaries.newest_time,
        configuration=configuration,
        has_rules=champion.has_learned,
        sources_by_first_event=sources_by_first_event(*tables),
    )
    adversarial = adversarial_sources(tests)
    update = RecoveryRuleUpdate(
        champion=champion,
        configuration=configuration,
        log_position=summaries.log_position,
        newest=summaries.newest_time,
        evidence=excluding(everything, adversarial),
        tests=tests,
    )
    (full,) = baseline(champion.start)
    rules = [update.pinned(full.id) or update.carry_over(full), *update.rules()]
    counts = len(everything.runs), len(everything.recoveries), len(everything.crashes)
    notes = ["{} runs, {} recoveries and {} reports of missing values were read".format(*counts)]
    unknown = sorted(
        {each["recovery_strategy"] for each in tables[2] if not strategy_of(each["recovery_strategy"])}
    )
    if unknown:
        notes.append(f"unknown recovery strategies are ignored: {', '.join(unknown)[:200]}")
    notes += adversarial_notes(adversarial)
    n_excluded = sum(n for _, n in read)
    if n_excluded:
        notes.append(f"{n_excluded} rows beyond the burst limit of their source are ignored")
    return update.decisions(rules, log_prefix=summaries.log_prefix, notes=notes)
