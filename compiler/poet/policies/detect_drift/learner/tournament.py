"""Bets on candidates against the champion, one execution at a time.

The null hypothesis of each scope is: *no rule of the grid costs less than the champion here*. Each bet is on
the candidate with the least cost over the preceding steps. Such a bet is predictable, so searching thousands
of candidates needs no correction. The stake depends on the gains so far (Waudby-Smith & Ramdas 2023,
"Estimating means of bounded random variables by betting"). Under the null, the capital is a non-negative
supermartingale that starts at 1, so the probability that it ever reaches 1/delta is at most delta at any
time (Ville 1939).

Non-alerts without a label are bet on together: candidate and stake are those of the scope after its last
label, until its next label arrives. The cost of learning from a log therefore depends on its number of
labels.

It is unknown whether an alert in place of an unlabeled non-alert would have been true. Two bets handle this
in two ways, and the e-value is their weighted mean:

*worst case*: an alert that a candidate adds counts as false if there is no label. This needs no assumption
and wins quickly for rules that mostly remove alerts.
*audits*: only labeled executions count. An audited non-alert is weighted by one over its propensity, and the
stake is multiplied by the audit rate. This wins slowly, but it is the only way for a rule that adds alerts.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from poet.policies.detect_drift.learner.steps import AlertCounts, LabeledAnswers, NonAlertCounts, Role, Steps
from poet.stats import StakeRule, leave_one_out_mixture
from poet.stats.pooling import MAX_EXCLUDABLE

Floats = NDArray[np.float64]

WORST_CASE_SHARE: Final = 0.9  # of the starting capital; the rest is bet on audits
# The prior favors betting: five steps with a mean gain and a mean square of 0.1.
STAKE_RULE: Final = StakeRule(cap=0.9, prior_n=5.0, prior_mean=0.1, prior_square=0.1, least_square=0.01)
MAX_RECENT: Final = 100  # bets
_UNLABELED: Final = int(Role.UNLABELED)  # a plain integer, for speed: compared once per step
_UNSOLICITED: Final = int(Role.UNSOLICITED)


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of wrong answers, in any common unit."""

    false_alarm: float
    miss: float

    @property
    def largest(self) -> float:
        """The largest cost, which scales all costs to [0, 1]."""
        return max(self.false_alarm, self.miss)


@dataclass(frozen=True, slots=True)
class BettingScope:
    """The steps and candidates of one scope.

    `members` marks the steps of the scope. `since` is the log position after which steps are bet on: the
    position up to which its champion was learned. A scope that is pooled with another must come after it.
    """

    name: str
    members: NDArray[np.bool_]
    candidates: NDArray[np.bool_]
    since: int = 0
    pooled_with: str | None = None


@dataclass(slots=True)
class ScopeState:
    """The state of a scope: wealth, favorite, and the sums both are computed from."""

    prior: Floats  # cost by candidate before any step; infinity if it is not a candidate in this scope
    cost_sums: Floats  # cost by candidate with decay
    gains: Floats
    squares: Floats
    steps: float = 0.0
    bets: int = 0
    worst_case: float = 1.0
    audited: float = 1.0
    recent: list[tuple[float, int]] = field(default_factory=list)  # log factors and their numbers of steps
    newest: float = -math.inf  # event time up to which the sums have decayed
    open_bet: tuple[int, float] | None = None  # candidate and stake for non-alerts without labels
    leave_one_out: tuple["ScopeState", ...] = ()  # states of the same scope without one source each

    @classmethod
    def at_start(cls, prior: Floats) -> "ScopeState":
        """Return the state of a scope before any step."""
        return cls(prior, np.zeros(prior.size), np.zeros(prior.size), np.zeros(prior.size))

    def decay(self, newest: float, half_life: float) -> None:
        """Decay the sums, so that a candidate that was best only long ago is not the favorite."""
        if self.newest < newest < math.inf:
            factor = 2.0 ** ((self.newest - newest) / half_life)  # 0 before the first step
            self.cost_sums *= factor
            self.gains *= factor
            self.squares *= factor
            self.steps *= factor
            self.newest = newest

    @property
    def favorite(self) -> int:
        """The index of the candidate with the least cost so far."""
        return int(np.argmin(self.cost_sums + self.prior))

    @property
    def leading(self) -> "ScopeState":
        """Return this state, or the one without a source if it earned more from its smaller share."""
        best = max(self.leave_one_out, key=lambda each: each.own_e_value, default=self)
        return best if best.own_e_value > MAX_EXCLUDABLE * self.own_e_value else self

    @property
    def own_e_value(self) -> float:
        """The wealth from betting against the champion, with all sources of this state."""
        return WORST_CASE_SHARE * self.worst_case + (1.0 - WORST_CASE_SHARE) * self.audited

    @property
    def e_value(self) -> float:
        """The leave-one-source-out mixture; part of the wealth bets that one source is adversarial."""
        return leave_one_out_mixture(self.own_e_value, [each.own_e_value for each in self.leave_one_out])

    def record_bet(self, log_factor: float, steps: int) -> None:
        """Store the results of the newest bets, to estimate how many more are needed."""
        self.recent = [*self.recent[1 - MAX_RECENT :], (log_factor, steps)]


def run(
    steps: Steps,
    labeled: LabeledAnswers,
    non_alerts: NonAlertCounts,
    scopes: tuple[BettingScope, ...],
    *,
    prior_cost: Floats,
    costs: Costs,
    half_life: float,
    audit_rate: float,
    before: Mapping[str, ScopeState] | None = None,
) -> dict[str, ScopeState]:
    """Return the state of each scope after betting on all steps in order.

    Parameters
    ----------
    steps
        The n steps, in log order.
    labeled
        The answers of the K candidates and the champion on labeled executions.
    non_alerts
        Their answers on all other executions, counted by scope between labels; see `count_non_alerts`.
    scopes
        The scopes, wide ones first.
    prior_cost
        The prior cost by candidate, shape (K,).
    costs
        The costs of a false alarm and a miss.
    half_life
        Seconds of event time after which the weight of a cost is halved.
    audit_rate
        The least probability with which a non-alert was audited.
    before
        The states after all earlier steps.
    """
    earlier = before or {}
    states = {
        scope.name: earlier.get(scope.name)
        or ScopeState.at_start(np.where(scope.candidates, prior_cost, np.inf))
        for scope in scopes
    }
    newest = np.maximum.accumulate(steps.times)
    betting = Betting(states, scopes, non_alerts, costs, half_life, audit_rate)
    for step in np.flatnonzero(steps.roles != _UNLABELED).tolist():
        betting.settle(
            steps, step, labeled.fires(step), newest=float(newest[step]), champion=labeled.champion(step)
        )
    betting.close(float(newest[-1]) if newest.size else -math.inf)
    return states


class Betting:
    """One run of the bets; a scope is updated when one of its executions is labeled."""

    def __init__(
        self,
        states: dict[str, ScopeState],
        scopes: tuple[BettingScope, ...],
        non_alerts: NonAlertCounts,
        costs: Costs,
        half_life: float,
        audit_rate: float,
    ) -> None:
        self._states, self._scopes, self._non_alerts = states, scopes, non_alerts
        self._costs, self._half_life, self._audit_rate = costs, half_life, audit_rate
        self._settled_segments = dict.fromkeys(states, 0)
        for scope in scopes:
            self._states[scope.name].open_bet = self._states[scope.name].open_bet or self._next_bet(scope)

    def settle(
        self, steps: Steps, step: int, fires: NDArray[np.bool_], *, newest: float, champion: bool
    ) -> None:
        """Settle a label in every scope that contains its execution."""
        inside = [scope for scope in self._scopes if scope.members[step]]
        for scope in inside:
            self._catch_up(scope, self._non_alerts.before(scope.name, int(steps.positions[step])), newest)
        outcome = _outcome(steps, step, fires, champion=champion, costs=self._costs)
        bets = int(steps.roles[step]) != _UNSOLICITED
        open_bets = {
            scope.name: self._next_bet(scope) for scope in inside if steps.positions[step] > scope.since
        }
        for scope in inside:
            state = self._states[scope.name]
            if bets and scope.name in open_bets:
                _bet(state, outcome, *open_bets[scope.name], audit_rate=self._audit_rate)
            state.cost_sums += outcome.cost
        for scope in inside:
            self._states[scope.name].open_bet = self._next_bet(scope)

    def close(self, newest: float) -> None:
        """Settle the non-alerts after the last labels."""
        for scope in self._scopes:
            self._catch_up(scope, self._non_alerts.last(scope.name), newest)
        for scope in self._scopes:
            self._states[scope.name].open_bet = self._next_bet(scope)

    def _catch_up(self, scope: BettingScope, upto: int, newest: float) -> None:
        """Settle the non-alerts since the scope's last label, at the stake of that time."""
        state = self._states[scope.name]
        state.decay(newest, self._half_life)
        if upto == self._settled_segments[scope.name]:
            return
        every, staked = self._non_alerts.between(scope.name, self._settled_segments[scope.name], upto)
        self._settled_segments[scope.name] = upto
        state.cost_sums += self._costs.false_alarm * (every.added + every.shared)
        if staked.steps:
            assert state.open_bet is not None  # noqa: S101 -- set when the run starts
            _bet_on_non_alerts(state, staked, *state.open_bet, costs=self._costs)

    def _next_bet(self, scope: BettingScope) -> tuple[int, float]:
        state = self._states[scope.name]
        favorite = state.favorite
        parent = self._states.get(scope.pooled_with or "")
        return favorite, _stake(state, favorite, parent)


@dataclass(frozen=True, slots=True)
class _Outcome:
    cost: Floats  # by candidate, added to its sum of costs
    worst_case: Floats  # gain over the champion, in [-1, 1]
    weighted: Floats | None  # the gain divided by the propensity; None: the label was not requested


def _outcome(steps: Steps, step: int, fires: NDArray[np.bool_], *, champion: bool, costs: Costs) -> _Outcome:
    label = steps.labels[step]
    alarm, miss = costs.false_alarm * (1.0 - label), costs.miss * label
    cost = np.where(fires, alarm, miss)
    gain = ((alarm if champion else miss) - cost) / costs.largest
    if int(steps.roles[step]) == _UNSOLICITED:
        # the non-alert was already a step at its worst case: subtract that cost
        return _Outcome(cost - np.where(fires, costs.false_alarm, 0.0), gain, None)
    return _Outcome(cost, gain, gain / steps.propensities[step])


def _bet(state: ScopeState, outcome: _Outcome, favorite: int, stake: float, *, audit_rate: float) -> None:
    factor = 1.0 + stake * float(outcome.worst_case[favorite])
    state.worst_case *= factor
    if outcome.weighted is not None:
        state.audited *= 1.0 + stake * audit_rate * float(outcome.weighted[favorite])
    state.record_bet(math.log(factor), 1)
    state.gains += outcome.worst_case
    state.squares += outcome.worst_case**2
    state.steps += 1.0
    state.bets += 1


def _bet_on_non_alerts(
    state: ScopeState, counts: AlertCounts, favorite: int, stake: float, *, costs: Costs
) -> None:
    """Settle non-alerts at the worst case: added alerts are false, and dropped alerts are true."""
    alarm, miss = costs.false_alarm / costs.largest, costs.miss / costs.largest
    added, dropped = counts.added, counts.alerts - counts.shared
    log_factor = float(
        added[favorite] * math.log1p(-stake * alarm) + dropped[favorite] * math.log1p(-stake * miss)
    )
    state.worst_case *= math.exp(log_factor)
    state.record_bet(log_factor, counts.steps)
    state.gains -= alarm * added + miss * dropped
    state.squares += alarm**2 * added + miss**2 * dropped
    state.steps += counts.steps
    state.bets += counts.steps


def _stake(state: ScopeState, favorite: int, parent: ScopeState | None) -> float:
    """Return the share of the wealth to bet, from the gains so far.

    A pooled scope uses its parent's moments as the prior: a feature with three labels is assumed to be like
    its kind.
    """
    rule = STAKE_RULE
    if parent is not None and parent.steps:
        rule = rule.with_prior(
            float(parent.gains[favorite]) / parent.steps, float(parent.squares[favorite]) / parent.steps
        )
    return rule.stake(float(state.gains[favorite]), float(state.squares[favorite]), state.steps)
