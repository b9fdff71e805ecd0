"""Canary against champion: promote, roll back, or nobody knows yet.

Only executions that both versions answer differently can tell, and only those that were judged. What the
version that did not answer would have said is replayed from the recorded scores, so each judged execution
compares both versions on the same data: features that differ from one another cannot be mistaken for
versions that differ.

Two hypotheses are bet against: *the canary saves nothing* (enough evidence: promote) and *the canary loses
nothing* (enough: roll back). Against each there are two ways to win:

*all in all*: one capital for everything the versions differ on. A silence that nobody was asked about counts
at its worst for the bet, as in `poet.learn.detect_drift`; so nothing need be assumed about it. Half of the
capital bets on what the champion answered, two fifths on what the canary did, a tenth on judged alerts and
audits alone.
*kind by kind*: what the canary adds is judged where it answers, what it leaves out is judged where the
champion does. If the canary saves nothing, then one of both kinds saves nothing; so each that was met must
reach the bar by its own capital. This takes differences of one kind to be alike on both sides, which
drawing the sides by hash sees to, and says nothing of a kind that was never met.

While a hypothesis holds, each capital is a supermartingale that starts at 1, so either way reaches 4 / risk
with probability at most risk / 4 however often one looks (Ville 1939), and the wrong act is taken with
probability at most risk / 2. Alerts are taken to be judged as readily whatever is true of them.
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
KINDS: Final = ("louder", "quieter")
MOST: Final = 700.0  # of a log wealth: what still has a finite exponential


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
        When the trial began, in seconds since 1970; older executions do not count.
    """
    executions = read_executions(summaries)
    told = summaries.recorded["policy_version"].to_pylist()
    answered_by = np.where(executions.times >= since, np.array([number or 0 for number in told], np.int64), 0)
    old, new = champion_fires(executions, champion), champion_fires(executions, canary)
    steps = read_steps(executions, count_votes(summaries.votes, burst_limit=configuration.burst_limit))
    sides = {champion.version: "champion", canary.version: "canary"}
    bets = _Bets(configuration.costs, _audit_rate(configuration, executions.propensity[executions.audit]))
    judged, gains = 0, []
    for step, row in enumerate(steps.execution):
        side, role = sides.get(int(answered_by[row])), int(steps.roles[step])
        if side is None or role == Role.VOLUNTEERED:
            continue
        judged += role != Role.SILENT
        if old[row] == new[row]:
            continue
        if role == Role.SILENT:
            bets.silence(side)
        else:
            label, propensity = float(steps.labels[step]), float(steps.propensities[step])
            gains.append(bets.judged(side, label, would_alert=bool(new[row]), propensity=propensity))
    bar = 4.0 / configuration.risk
    return TrialOutcome(
        outcome=_outcome(bets, bar),
        for_promotion=bets.promotion.value,
        for_rollback=bets.rollback.value,
        bar=bar,
        answered_by_canary=int((answered_by == canary.version).sum()),
        answered_by_champion=int((answered_by == champion.version).sum()),
        judged=judged,
        differ=len(gains),
        saved=sum(gains),
    )


def _outcome(bets: "_Bets", bar: float) -> TrialDecision:
    if bets.rollback.value >= bar:
        return "roll back"
    return "promote" if bets.promotion.value >= bar else "inconclusive"


class _Capital:
    """The capitals against one hypothesis."""

    def __init__(self) -> None:
        self._states = {name: BettingState() for name in (*SHARES, *KINDS)}
        self._met: set[str] = set()

    @property
    def value(self) -> float:
        """What is enough at the bar: all in all, or each kind that was met."""
        wealth = {name: math.exp(min(state.log_wealth, MOST)) for name, state in self._states.items()}
        all_in_all = sum(share * wealth[name] for name, share in SHARES.items())
        return max(all_in_all, min((wealth[kind] for kind in self._met), default=0.0))

    def meet(self, kind: str) -> None:
        """Remember that the versions differ in this way."""
        self._met.add(kind)

    def settle(self, name: str, gain: float) -> None:
        """Settle one bet at a gain in [-1, 1]."""
        self._states[name] = self._states[name].updated(gain)


class _Bets:
    """Both hypotheses, in units of the largest cost. Gains are the canary's."""

    def __init__(self, costs: Costs, audit_rate: float) -> None:
        self._scale = max(costs.false_alarm, costs.miss)
        self._alarm, self._miss = costs.false_alarm / self._scale, costs.miss / self._scale
        self._audit_rate = audit_rate
        self.promotion, self.rollback = _Capital(), _Capital()

    def silence(self, side: str) -> None:
        """Settle a silence that nobody was asked about, and on which the other side would have alerted."""
        kind = "quieter" if side == "canary" else "louder"
        best, worst = (self._miss, self._alarm) if kind == "louder" else (self._alarm, self._miss)
        for capital, gain in ((self.promotion, -worst), (self.rollback, -best)):
            capital.meet(kind)
            capital.settle(side, gain)

    def judged(self, side: str, label: float, *, would_alert: bool, propensity: float = 1.0) -> float:
        """Settle a judged execution and give what the canary saves on it; `would_alert`: the canary."""
        kind = "louder" if would_alert else "quieter"
        alert_saves = self._miss * label - self._alarm * (1.0 - label)
        gain = alert_saves if would_alert else -alert_saves
        for capital, signed in ((self.promotion, gain), (self.rollback, -gain)):
            capital.meet(kind)
            capital.settle(side, signed)
            capital.settle("audits", signed * self._audit_rate / propensity)
            if would_alert == (side == "canary"):  # an alert that went out, not an audited silence
                capital.settle(kind, signed)
        return gain * self._scale


def _audit_rate(configuration: LearnConfiguration, propensities: NDArray[np.float64]) -> float:
    return float(min(configuration.audit_rate, propensities.min(initial=1.0)))
