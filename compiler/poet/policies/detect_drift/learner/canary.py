"""Comparison of a canary with the champion: promote, roll back, or inconclusive.

Only labeled executions on which the versions differ are informative. The answer of the version that did not
answer is replayed from the recorded scores, so each labeled execution compares both versions on the same
data. Differences between features therefore cannot be mistaken for differences between versions.

There are bets against two null hypotheses: *the canary saves nothing* (enough evidence: promote) and *the
canary loses nothing* (enough evidence: roll back). Each null can be rejected in two ways:

*overall*: one capital for all differences. A non-alert without a label counts at the worst case for the bet,
as in `poet.policies.detect_drift.learner.tournament`, so no assumption about it is needed. Half of the
capital bets on executions that the champion answered, two fifths on those that the canary answered, and a
tenth on labeled alerts and audits alone.
*by kind*: alerts that the canary adds are labeled where the canary answers, and alerts that it drops are
labeled where the champion answers. If the canary saves nothing, then at least one of the two kinds saves
nothing; so the capital of each observed kind must reach the threshold. This assumes that differences of one
kind are alike on both sides, which holds because a hash assigns the sides. It does not cover a kind that was
never observed.

Under a null, each capital is a supermartingale that starts at 1. So either way reaches 4 / risk with
probability at most risk / 4 at any time (Ville 1939), and the probability of a wrong decision is at most
risk / 2. The assumption is that true and false alerts are equally likely to be labeled.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from poet.learning.configuration import Costs, LearnConfiguration
from poet.learning.labels import count_votes
from poet.learning.learn import TrialDecision, TrialOutcome
from poet.policies.detect_drift.learner.scopes import champion_fires
from poet.policies.detect_drift.learner.steps import Role, read_executions, read_steps
from poet.spec.decisions import Decisions
from poet.stats import BettingState
from poet.summaries import Summaries

SHARES: Final = {"champion": 0.5, "canary": 0.4, "audits": 0.1}
KINDS: Final = ("more_alerts", "fewer_alerts")
MAX_LOG_WEALTH: Final = 700.0  # largest log wealth with a finite exponential


def evaluate_trial(
    summaries: Summaries,
    champion: Decisions,
    canary: Decisions,
    *,
    since: float,
    configuration: LearnConfiguration,
) -> TrialOutcome:
    """Return how a canary of `detect_drift` compares with the champion, by the labels of both sides.

    Parameters
    ----------
    since
        Start of the trial in seconds since 1970; older executions do not count.
    """
    executions = read_executions(summaries)
    versions = summaries.recorded["policy_version"].to_pylist()
    answered_by = np.where(
        executions.times >= since, np.array([number or 0 for number in versions], np.int64), 0
    )
    old, new = champion_fires(executions, champion), champion_fires(executions, canary)
    steps = read_steps(executions, count_votes(summaries.votes, burst_limit=configuration.burst_limit))
    sides = {champion.version: "champion", canary.version: "canary"}
    bets = _Bets(configuration.costs, _audit_rate(configuration, executions.propensity[executions.audit]))
    judged, gains = 0, []
    for step, row in enumerate(steps.execution):
        side, role = sides.get(int(answered_by[row])), int(steps.roles[step])
        if side is None or role == Role.UNSOLICITED:
            continue
        judged += role != Role.UNLABELED
        if old[row] == new[row]:
            continue
        if role == Role.UNLABELED:
            bets.settle_non_alert(side)
        else:
            label, propensity = float(steps.labels[step]), float(steps.propensities[step])
            gains.append(bets.settle_labeled(side, label, would_alert=bool(new[row]), propensity=propensity))
    threshold = 4.0 / configuration.risk
    return TrialOutcome(
        outcome=_outcome(bets, threshold),
        for_promotion=bets.promotion.value,
        for_rollback=bets.rollback.value,
        e_value_threshold=threshold,
        answered_by_canary=int((answered_by == canary.version).sum()),
        answered_by_champion=int((answered_by == champion.version).sum()),
        judged=judged,
        differ=len(gains),
        saved=sum(gains),
    )


def _outcome(bets: "_Bets", threshold: float) -> TrialDecision:
    if bets.rollback.value >= threshold:
        return "roll back"
    return "promote" if bets.promotion.value >= threshold else "inconclusive"


class _Capital:
    """The capitals against one hypothesis."""

    def __init__(self) -> None:
        self._states = {name: BettingState() for name in (*SHARES, *KINDS)}
        self._observed: set[str] = set()

    @property
    def value(self) -> float:
        """The evidence to compare with the threshold: overall, or the least of the observed kinds."""
        wealth = {
            name: math.exp(min(state.log_wealth, MAX_LOG_WEALTH)) for name, state in self._states.items()
        }
        overall = sum(share * wealth[name] for name, share in SHARES.items())
        return max(overall, min((wealth[kind] for kind in self._observed), default=0.0))

    def observe(self, kind: str) -> None:
        """Record that the versions differ in this way."""
        self._observed.add(kind)

    def settle(self, name: str, gain: float) -> None:
        """Update one capital with a gain in [-1, 1]."""
        self._states[name] = self._states[name].updated(gain)


class _Bets:
    """The bets against both hypotheses, in units of the largest cost; gains are those of the canary."""

    def __init__(self, costs: Costs, audit_rate: float) -> None:
        self._scale = max(costs.false_alarm, costs.miss)
        self._alarm, self._miss = costs.false_alarm / self._scale, costs.miss / self._scale
        self._audit_rate = audit_rate
        self.promotion, self.rollback = _Capital(), _Capital()

    def settle_non_alert(self, side: str) -> None:
        """Settle a non-alert without a label on which the other version would have alerted."""
        kind = "fewer_alerts" if side == "canary" else "more_alerts"
        best, worst = (self._miss, self._alarm) if kind == "more_alerts" else (self._alarm, self._miss)
        for capital, gain in ((self.promotion, -worst), (self.rollback, -best)):
            capital.observe(kind)
            capital.settle(side, gain)

    def settle_labeled(self, side: str, label: float, *, would_alert: bool, propensity: float = 1.0) -> float:
        """Settle a labeled execution and return the canary's saving; `would_alert` is the canary's answer."""
        kind = "more_alerts" if would_alert else "fewer_alerts"
        alert_saves = self._miss * label - self._alarm * (1.0 - label)
        gain = alert_saves if would_alert else -alert_saves
        for capital, signed in ((self.promotion, gain), (self.rollback, -gain)):
            capital.observe(kind)
            capital.settle(side, signed)
            capital.settle("audits", signed * self._audit_rate / propensity)
            if would_alert == (side == "canary"):  # an alert that was sent, not an audited non-alert
                capital.settle(kind, signed)
        return gain * self._scale


def _audit_rate(configuration: LearnConfiguration, propensities: NDArray[np.float64]) -> float:
    return float(min(configuration.audit_rate, propensities.min(initial=1.0)))
