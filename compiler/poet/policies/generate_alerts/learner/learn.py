"""Learner of alerting: readings, bets, rules."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from poet.learning.configuration import LearnConfiguration
from poet.learning.e_factors import factors_excluding
from poet.learning.feedback_rows import (
    FeedbackRow,
    dominant_sources,
    excluding,
    feedback_rows,
    sources_by_first_event,
)
from poet.learning.hypothesis_tests import adversarial_notes, adversarial_sources, evaluate_hypotheses
from poet.learning.labels import count_votes
from poet.policies.generate_alerts.learner.readings import Alerts, cause_pairs, pairs, repeats, sizes, uses
from poet.policies.generate_alerts.learner.rules import AlertRuleUpdate, Evidence, bets, hypothesis_weights
from poet.policies.generate_alerts.policy import baseline
from poet.spec.decisions import Decisions

if TYPE_CHECKING:
    from poet.summaries import Summaries


_TYPES: Final = ("alert.usefulness", "alert.response", "alert.raised", "threshold.adjustment")
_SEVERE: Final = frozenset({"high", "critical"})
_TOO_LOW: Final = ("sensitive", "noisy", "too_many", "false")


def learn(summaries: "Summaries", champion: Decisions, configuration: LearnConfiguration) -> Decisions:
    """Return groups, summaries, suppressions and the cool-down learned from reactions to alerts.

    The function is pure: the same summaries, champion and configuration give the same decisions. If feedback
    breaks even by the workspace's costs for every alert, the probability of *ever* adopting a rule is at most
    ``configuration.risk`` for any number of runs.
    """
    read = [feedback_rows(summaries.events(name), burst_limit=configuration.burst_limit) for name in _TYPES]
    useful, answered, raised, adjusted = (rows for rows, _ in read)
    recorded = summaries.recorded.select(_RECORDED).to_pylist()
    votes = summaries.votes.to_pylist()
    alerts = Alerts(raised, {row["execution_id"]: row["feature"] or "" for row in recorded})
    ratios = {row["execution_id"]: ratio for row in recorded if (ratio := _ratio(row))}
    times = {row["execution_id"]: row["time"] for row in recorded}

    label_table = count_votes(summaries.votes, burst_limit=configuration.burst_limit)
    everything = Evidence(
        pairs=[*pairs(useful, alerts), *cause_pairs(votes, times)],
        sizes=list(sizes(useful)),
        uses=list(uses(useful, answered, alerts, label_table, ratios)),
        repeats=list(repeats(useful, answered, alerts)),
    )
    tables = (useful, answered, _voters(votes))
    tests = evaluate_hypotheses(
        partial(factors_excluding, bets(everything, costs=configuration.costs)),
        hypothesis_weights(everything),
        sources=dominant_sources(*tables),
        newest=summaries.newest_time,
        configuration=configuration,
        has_rules=champion.has_learned,
        sources_by_first_event=sources_by_first_event(*tables),
    )
    adversarial = adversarial_sources(tests)
    update = AlertRuleUpdate(
        champion=champion,
        configuration=configuration,
        log_position=summaries.log_position,
        newest=summaries.newest_time,
        evidence=excluding(everything, adversarial),
        tests=tests,
        adjustments=_adjustment_factors(adjusted),
        severe_features=frozenset(
            row["feature"]
            for row in votes
            if row["was_real"] and row["feature"] and row["business_impact"] in _SEVERE
        ),
    )
    (every,) = baseline(champion.start)
    rules = [update.pinned(every.id) or update.carry_over(every), *update.rules()]
    counts = len(useful), len(answered), len(everything.uses)
    notes = ["{} batches, {} responses and {} labels of alerts were read".format(*counts)]
    notes += adversarial_notes(adversarial)
    n_excluded = sum(n for _, n in read)
    if n_excluded:
        notes.append(f"{n_excluded} rows beyond the burst limit of their source are ignored")
    return update.decisions(rules, log_prefix=summaries.log_prefix, notes=notes)


_RECORDED: Final = ["execution_id", "feature", "time", "score", "threshold"]


def _ratio(row: dict[str, Any]) -> float | None:
    """Return the ratio of a score to its threshold or its inverse, whichever is larger."""
    score, threshold = row["score"], row["threshold"]
    if not score or not threshold or score * threshold <= 0.0:
        return None
    return float(max(score / threshold, threshold / score))


def _adjustment_factors(adjusted: Sequence[FeedbackRow]) -> list[float]:
    """Return the factors by which people moved thresholds that let too many alerts through."""
    factors = []
    for each in adjusted:
        old, new, reason = each["old_threshold"], each["manually_adjusted_to"], (each["reason"] or "").lower()
        if old > 0.0 and new > 0.0 and old != new and any(word in reason for word in _TOO_LOW):
            factors.append(max(new / old, old / new))
    return factors


def _voters(votes: Sequence[dict[str, Any]]) -> list[FeedbackRow]:
    """Return the votes as feedback rows, to count rows by source."""
    return [
        FeedbackRow(row["position"], row["event_id"], row["source"], row["time"], "", row, {})
        for row in votes
    ]
