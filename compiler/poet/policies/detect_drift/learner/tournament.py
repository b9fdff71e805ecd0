"""Bet on candidates against the champion, one execution after the other.

What is tested, scope by scope: *no rule of the grid costs less than the champion here*. At each bet the
candidate that the steps before it favour is the one bet on (a predictable bet, so looking at thousands
of candidates costs nothing), and the stake follows the gains seen so far (Waudby-Smith & Ramdas 2023,
"Estimating means of bounded random variables by betting"). While the hypothesis holds, the capital is a
non-negative supermartingale that starts at 1: it ever reaches 1/delta with probability at most delta,
however often it is looked at (Ville 1939).

Silences that nobody judged are bet on together: candidate and stake are those that the scope had when its
last verdict was in, until its next verdict comes. So what a log costs to learn from is its verdicts.

What an unlabelled silence costs: nobody knows whether an alert there would have been true. Two bets
answer in two ways, and the e-value is their weighted mean:

*worst case*: an alert that a candidate adds and nobody judged counts as false. This needs no assumption
and wins quickly for rules that mostly remove alerts.
*audits*: only judged executions count, an audited silence by one over its propensity, the stake
shrunk by the audit rate. This wins slowly, and is what lets a rule that adds alerts win at all.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from poet.policies.detect_drift.learner.steps import Counted, Judged, Role, Silences, Steps
from poet.stats import StakeRule, leave_one_out_mixture
from poet.stats.pooling import MAX_EXCLUDABLE

Floats = NDArray[np.float64]

WORST_CASE_SHARE: Final = 0.9  # of the starting capital; the rest is bet on audits
# Before any step a bet counts as worth making: five steps with a mean gain and a mean square of 0.1.
STAKE_RULE: Final = StakeRule(cap=0.9, prior_n=5.0, prior_mean=0.1, prior_square=0.1, least_square=0.01)
REMEMBERED: Final = 100  # bets
_SILENT: Final = int(Role.SILENT)  # a plain integer: compared once per step
_VOLUNTEERED: Final = int(Role.VOLUNTEERED)


@dataclass(frozen=True, slots=True)
class Costs:
    """What a wrong answer costs, in any one unit."""

    false_alarm: float
    miss: float

    @property
    def largest(self) -> float:
        """The scale that brings every cost into [0, 1]."""
        return max(self.false_alarm, self.miss)


@dataclass(frozen=True, slots=True)
class BettingScope:
    """The executions a rule would speak for.

    `members` marks the steps of the scope, `since` the log position after which steps are bet on: the
    position up to which its champion had been learned. A scope that is pooled with another comes after it.
    """

    name: str
    members: NDArray[np.bool_]
    candidates: NDArray[np.bool_]
    since: int = 0
    pooled_with: str | None = None


@dataclass(slots=True)
class ScopeState:
    """The state of a scope: wealth, favorite, and the sums both are computed from."""

    prior: Floats  # cost by candidate before any step; infinite where it is no candidate
    spent: Floats  # faded cost by candidate
    gains: Floats
    squares: Floats
    steps: float = 0.0
    bets: int = 0
    worst_case: float = 1.0
    audited: float = 1.0
    recent: list[tuple[float, int]] = field(default_factory=list)  # log factors, each of so many steps
    newest: float = -math.inf  # event time up to which what is known has faded
    open_bet: tuple[int, float] | None = None  # candidate and stake of what nobody will have judged
    leave_one_out: tuple["ScopeState", ...] = ()  # the same scope with one source left out each

    @classmethod
    def at_start(cls, prior: Floats) -> "ScopeState":
        """Return the state of a scope without any step."""
        return cls(prior, np.zeros(prior.size), np.zeros(prior.size), np.zeros(prior.size))

    def fade(self, newest: float, half_life: float) -> None:
        """Decay the sums: a candidate that was best long ago is neither the favorite nor staked on."""
        if self.newest < newest < math.inf:
            kept = 2.0 ** ((self.newest - newest) / half_life)  # nothing of what came before the first step
            self.spent *= kept
            self.gains *= kept
            self.squares *= kept
            self.steps *= kept
            self.newest = newest

    @property
    def favourite(self) -> int:
        """The candidate of least cost so far."""
        return int(np.argmin(self.spent + self.prior))

    @property
    def leading(self) -> "ScopeState":
        """Return this state, or the one without a source if that has earned more from its smaller share."""
        best = max(self.leave_one_out, key=lambda each: each.own_e_value, default=self)
        return best if best.own_e_value > MAX_EXCLUDABLE * self.own_e_value else self

    @property
    def own_e_value(self) -> float:
        """The wealth from betting against the champion, with all sources of this state."""
        return WORST_CASE_SHARE * self.worst_case + (1.0 - WORST_CASE_SHARE) * self.audited

    @property
    def e_value(self) -> float:
        """The leave-one-source-out mixture: part of the wealth bets that one source is adversarial."""
        return leave_one_out_mixture(self.own_e_value, [each.own_e_value for each in self.leave_one_out])

    def remember(self, log_factor: float, steps: int) -> None:
        """Keep the results of the newest bets, to estimate how many more are needed."""
        self.recent = [*self.recent[1 - REMEMBERED :], (log_factor, steps)]


def run(
    steps: Steps,
    judged: Judged,
    silences: Silences,
    scopes: tuple[BettingScope, ...],
    *,
    prior_cost: Floats,
    costs: Costs,
    half_life: float,
    audit_rate: float,
    before: Mapping[str, ScopeState] | None = None,
) -> dict[str, ScopeState]:
    """Bet on every step in order and return each scope's state.

    Parameters
    ----------
    steps
        The n steps, in log order.
    judged
        What the K candidates and the champion say of the executions that somebody judged.
    silences
        The same of all others, counted by scope between verdicts; see `count_silences`.
    scopes
        Wide ones first.
    prior_cost
        By candidate, shape (K,).
    costs
        Of a false alarm and a miss.
    half_life
        Seconds of event time after which a cost counts half.
    audit_rate
        The least probability with which a silent execution was audited.
    before
        The states after the steps before these.
    """
    known = before or {}
    states = {
        scope.name: known.get(scope.name)
        or ScopeState.at_start(np.where(scope.candidates, prior_cost, np.inf))
        for scope in scopes
    }
    newest = np.maximum.accumulate(steps.times)
    betting = Betting(states, scopes, silences, costs, half_life, audit_rate)
    for step in np.flatnonzero(steps.roles != _SILENT).tolist():
        betting.settle(
            steps, step, judged.fires(step), newest=float(newest[step]), champion=judged.champion(step)
        )
    betting.close(float(newest[-1]) if newest.size else -math.inf)
    return states


class Betting:
    """One run: a scope waits until a label falls into it."""

    def __init__(
        self,
        states: dict[str, ScopeState],
        scopes: tuple[BettingScope, ...],
        silences: Silences,
        costs: Costs,
        half_life: float,
        audit_rate: float,
    ) -> None:
        self._states, self._scopes, self._silences = states, scopes, silences
        self._costs, self._half_life, self._audit_rate = costs, half_life, audit_rate
        self._counted = dict.fromkeys(states, 0)
        for scope in scopes:
            self._states[scope.name].open_bet = self._states[scope.name].open_bet or self._next_bet(scope)

    def settle(
        self, steps: Steps, step: int, fires: NDArray[np.bool_], *, newest: float, champion: bool
    ) -> None:
        """Settle a label in every scope that contains its execution."""
        inside = [scope for scope in self._scopes if scope.members[step]]
        for scope in inside:
            self._catch_up(scope, self._silences.before(scope.name, int(steps.positions[step])), newest)
        outcome = _outcome(steps, step, fires, champion=champion, costs=self._costs)
        bets = int(steps.roles[step]) != _VOLUNTEERED
        open_bets = {
            scope.name: self._next_bet(scope) for scope in inside if steps.positions[step] > scope.since
        }
        for scope in inside:
            state = self._states[scope.name]
            if bets and scope.name in open_bets:
                _bet(state, outcome, *open_bets[scope.name], audit_rate=self._audit_rate)
            state.spent += outcome.cost
        for scope in inside:
            self._states[scope.name].open_bet = self._next_bet(scope)

    def close(self, newest: float) -> None:
        """Settle the non-alerts after the last labels."""
        for scope in self._scopes:
            self._catch_up(scope, self._silences.last(scope.name), newest)
        for scope in self._scopes:
            self._states[scope.name].open_bet = self._next_bet(scope)

    def _catch_up(self, scope: BettingScope, upto: int, newest: float) -> None:
        """Settle the non-alerts since the scope's last label, at the stake of that time."""
        state = self._states[scope.name]
        state.fade(newest, self._half_life)
        if upto == self._counted[scope.name]:
            return
        every, staked = self._silences.between(scope.name, self._counted[scope.name], upto)
        self._counted[scope.name] = upto
        state.spent += self._costs.false_alarm * (every.alone + every.beside)
        if staked.steps:
            assert state.open_bet is not None  # noqa: S101 -- set when the run starts
            _bet_on_silences(state, staked, *state.open_bet, costs=self._costs)

    def _next_bet(self, scope: BettingScope) -> tuple[int, float]:
        state = self._states[scope.name]
        favourite = state.favourite
        parent = self._states.get(scope.pooled_with or "")
        return favourite, _stake(state, favourite, parent)


@dataclass(frozen=True, slots=True)
class _Outcome:
    cost: Floats  # added to what each candidate has spent
    worst_case: Floats  # gain over the champion, in [-1, 1]
    judged: Floats | None  # the same, times one over the propensity; None: nobody was asked


def _outcome(steps: Steps, step: int, fires: NDArray[np.bool_], *, champion: bool, costs: Costs) -> _Outcome:
    label = steps.labels[step]
    alarm, miss = costs.false_alarm * (1.0 - label), costs.miss * label
    cost = np.where(fires, alarm, miss)
    gain = ((alarm if champion else miss) - cost) / costs.largest
    if int(steps.roles[step]) == _VOLUNTEERED:
        # the silence itself was a step already, at its worst case: take that back
        return _Outcome(cost - np.where(fires, costs.false_alarm, 0.0), gain, None)
    return _Outcome(cost, gain, gain / steps.propensities[step])


def _bet(state: ScopeState, outcome: _Outcome, favourite: int, stake: float, *, audit_rate: float) -> None:
    factor = 1.0 + stake * float(outcome.worst_case[favourite])
    state.worst_case *= factor
    if outcome.judged is not None:
        state.audited *= 1.0 + stake * audit_rate * float(outcome.judged[favourite])
    state.remember(math.log(factor), 1)
    state.gains += outcome.worst_case
    state.squares += outcome.worst_case**2
    state.steps += 1.0
    state.bets += 1


def _bet_on_silences(
    state: ScopeState, silent: Counted, favourite: int, stake: float, *, costs: Costs
) -> None:
    """Settle silences at the worst case: an alert added was false, an alert of the champion's was true."""
    alarm, miss = costs.false_alarm / costs.largest, costs.miss / costs.largest
    added, dropped = silent.alone, silent.alerts - silent.beside
    log_factor = float(
        added[favourite] * math.log1p(-stake * alarm) + dropped[favourite] * math.log1p(-stake * miss)
    )
    state.worst_case *= math.exp(log_factor)
    state.remember(log_factor, silent.steps)
    state.gains -= alarm * added + miss * dropped
    state.squares += alarm**2 * added + miss**2 * dropped
    state.steps += silent.steps
    state.bets += silent.steps


def _stake(state: ScopeState, favorite: int, parent: ScopeState | None) -> float:
    """Return the share of the wealth to bet, from the gains so far.

    A pooled scope takes its parent's moments as the prior: a feature with three labels is assumed to be like
    its kind.
    """
    rule = STAKE_RULE
    if parent is not None and parent.steps:
        rule = rule.with_prior(
            float(parent.gains[favorite]) / parent.steps, float(parent.squares[favorite]) / parent.steps
        )
    return rule.stake(float(state.gains[favorite]), float(state.squares[favorite]), state.steps)
