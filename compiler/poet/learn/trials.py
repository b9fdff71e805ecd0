"""Canary against champion: promote, roll back, or nobody knows yet.

Only executions that both versions answer differently can tell, and only those that were judged. What the
version that did not answer would have said is replayed from the recorded scores, so each judged execution
compares both versions on the same data: features that differ from one another cannot be mistaken for
versions that differ.

Two hypotheses are bet against, each by its own capital: *the canary saves nothing* (enough evidence:
promote) and *the canary loses nothing* (enough: roll back). While a hypothesis holds, its capital is a
supermartingale that starts at 1, so it ever leads to the wrong act with probability at most half the risk,
however often one looks (Ville 1939). A silence that nobody was asked about counts at its worst for the bet,
as in `poet.learn.detect_drift`. Alerts are taken to be judged as readily whatever is true of them.

Each capital is split in advance: half of it bets on what the champion answered, two fifths on what the
canary answered, and a tenth on audits and judged alerts alone, which need no worst case.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from poet.decisions import Decisions
from poet.learn.configuration import Costs, LearnConfiguration
from poet.learn.detect_drift import Role, champion_fires, read_executions, read_steps
from poet.learn.evidence import BettingState
from poet.learn.votes import count_votes
from poet.summaries import Summaries

__all__ = ["TrialOutcome", "judge_trial"]

SHARES = {"champion": 0.5, "canary": 0.4, "audits": 0.1}
Verdict = Literal["promote", "roll back", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """How a trial stands; `bar` is what either evidence must reach.

    `saved` is by the canary, on the judged executions that differ, in the workspace's cost unit.
    """

    outcome: Verdict
    for_promotion: float
    for_rollback: float
    bar: float
    answered_by_canary: int  # executions since the trial began
    answered_by_champion: int
    judged: int
    differ: int
    saved: float


def judge_trial(
    summaries: Summaries,
    champion: Decisions,
    canary: Decisions,
    *,
    since: float,
    configuration: LearnConfiguration,
) -> TrialOutcome:
    """Judge a canary of `detect_drift` by the verdicts on what either side answered.

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
            bets.silence(side, would_alert=bool(new[row]))
        else:
            label, propensity = float(steps.labels[step]), float(steps.propensities[step])
            gains.append(bets.judged(side, label, would_alert=bool(new[row]), propensity=propensity))
    bar = 2.0 / configuration.risk
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


def _outcome(bets: "_Bets", bar: float) -> Verdict:
    if bets.rollback.value >= bar:
        return "roll back"
    return "promote" if bets.promotion.value >= bar else "inconclusive"


class _Capital:
    """The capital against one hypothesis, split in advance."""

    def __init__(self) -> None:
        self._states = {name: BettingState() for name in SHARES}

    @property
    def value(self) -> float:
        return sum(share * float(np.exp(self._states[name].log_wealth)) for name, share in SHARES.items())

    def settle(self, name: str, gain: float) -> None:
        self._states[name] = self._states[name].updated(gain)


class _Bets:
    """Both hypotheses, in units of the largest cost. Gains are the canary's."""

    def __init__(self, costs: Costs, audit_rate: float) -> None:
        self._scale = max(costs.false_alarm, costs.miss)
        self._alarm, self._miss = costs.false_alarm / self._scale, costs.miss / self._scale
        self._audit_rate = audit_rate
        self.promotion, self.rollback = _Capital(), _Capital()

    def silence(self, side: str, *, would_alert: bool) -> None:
        """Settle a silence that nobody was asked about, where the canary or else the champion would alert."""
        worst, other = (self._alarm, self._miss) if would_alert else (self._miss, self._alarm)
        self.promotion.settle(side, -worst)
        self.rollback.settle(side, -other)

    def judged(self, side: str, label: float, *, would_alert: bool, propensity: float) -> float:
        """Settle a judged execution and give what the canary saves on it."""
        alert_saves = self._miss * label - self._alarm * (1.0 - label)
        gain = alert_saves if would_alert else -alert_saves
        for capital, signed in ((self.promotion, gain), (self.rollback, -gain)):
            capital.settle(side, signed)
            capital.settle("audits", signed * self._audit_rate / propensity)
        return gain * self._scale


def _audit_rate(configuration: LearnConfiguration, propensities: NDArray[np.float64]) -> float:
    return float(min(configuration.audit_rate, propensities.min(initial=1.0)))
