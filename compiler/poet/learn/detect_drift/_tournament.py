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

import numpy as np
from numpy.typing import NDArray

from poet.learn.contrary import VOICES, mixed
from poet.learn.detect_drift._silences import Counted, Judged, Silences
from poet.learn.detect_drift._steps import Role, Steps

__all__ = ["Costs", "Scope", "Standing", "play"]

Floats = NDArray[np.float64]

WORST_CASE_SHARE = 0.9  # of the starting capital; the rest is bet on audits
STAKE_CAP = 0.9
PRIOR_GAIN = 0.1  # before any step: the mean gain and mean square of a bet worth making …
PRIOR_STEPS = 5.0  # … counted as this many steps
LEAST_SQUARE = 0.01
REMEMBERED = 100  # bets
_SILENT, _VOLUNTEERED = int(Role.SILENT), int(Role.VOLUNTEERED)  # plain: compared once a step


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
class Scope:
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
class Standing:
    """How far a scope has come: capital, favourite, and the sums both are made from."""

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
    wager: tuple[int, float] | None = None  # candidate and stake of what nobody will have judged
    spared: tuple["Standing", ...] = ()  # the same scope with one source left out each

    @classmethod
    def at_start(cls, prior: Floats) -> "Standing":
        """Give the standing of a scope of which nothing is known."""
        return cls(prior, np.zeros(prior.size), np.zeros(prior.size), np.zeros(prior.size))

    def fade(self, newest: float, half_life: float) -> None:
        """Let what is known count for less: who was best long ago is neither favourite nor staked on."""
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
    def leading(self) -> "Standing":
        """Give this standing, or the one without a source if that has made more of its smaller share."""
        best = max(self.spared, key=lambda each: each.own_e_value, default=self)
        return best if best.own_e_value > VOICES * self.own_e_value else self

    @property
    def own_e_value(self) -> float:
        """The capital that betting against the champion has made of 1, all sources of this standing heard."""
        return WORST_CASE_SHARE * self.worst_case + (1.0 - WORST_CASE_SHARE) * self.audited

    @property
    def e_value(self) -> float:
        """The same with a share of the wealth on each source being the one that is wrong."""
        return mixed(self.own_e_value, [each.own_e_value for each in self.spared])

    def remember(self, log_factor: float, steps: int) -> None:
        """Keep how the newest bets went, to tell how many more there must be."""
        self.recent = [*self.recent[1 - REMEMBERED :], (log_factor, steps)]


def play(
    steps: Steps,
    judged: Judged,
    silences: Silences,
    scopes: tuple[Scope, ...],
    *,
    prior_cost: Floats,
    costs: Costs,
    half_life: float,
    audit_rate: float,
    before: Mapping[str, Standing] | None = None,
) -> dict[str, Standing]:
    """Play every step in order and give each scope's standing.

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
        The standings that the steps before these left.
    """
    known = before or {}
    standings = {
        scope.name: known.get(scope.name) or Standing.at_start(np.where(scope.candidates, prior_cost, np.inf))
        for scope in scopes
    }
    newest = np.maximum.accumulate(steps.times)
    game = _Game(standings, scopes, silences, costs, half_life, audit_rate)
    for step in np.flatnonzero(steps.roles != _SILENT).tolist():
        game.judge(
            steps, step, judged.fires(step), newest=float(newest[step]), champion=judged.champion(step)
        )
    game.close(float(newest[-1]) if newest.size else -math.inf)
    return standings


class _Game:
    """One play: scopes wait until a verdict speaks of them."""

    def __init__(
        self,
        standings: dict[str, Standing],
        scopes: tuple[Scope, ...],
        silences: Silences,
        costs: Costs,
        half_life: float,
        audit_rate: float,
    ) -> None:
        self._standings, self._scopes, self._silences = standings, scopes, silences
        self._costs, self._half_life, self._audit_rate = costs, half_life, audit_rate
        self._counted = dict.fromkeys(standings, 0)
        for scope in scopes:
            self._standings[scope.name].wager = self._standings[scope.name].wager or self._wager(scope)

    def judge(
        self, steps: Steps, step: int, fires: NDArray[np.bool_], *, newest: float, champion: bool
    ) -> None:
        """Settle a verdict in every scope that its execution lies in."""
        inside = [scope for scope in self._scopes if scope.members[step]]
        for scope in inside:
            self._catch_up(scope, self._silences.before(scope.name, int(steps.positions[step])), newest)
        outcome = _outcome(steps, step, fires, champion=champion, costs=self._costs)
        bets = int(steps.roles[step]) != _VOLUNTEERED
        wagers = {scope.name: self._wager(scope) for scope in inside if steps.positions[step] > scope.since}
        for scope in inside:
            standing = self._standings[scope.name]
            if bets and scope.name in wagers:
                _bet(standing, outcome, *wagers[scope.name], audit_rate=self._audit_rate)
            standing.spent += outcome.cost
        for scope in inside:
            self._standings[scope.name].wager = self._wager(scope)

    def close(self, newest: float) -> None:
        """Settle the silences after the last verdicts."""
        for scope in self._scopes:
            self._catch_up(scope, self._silences.last(scope.name), newest)
        for scope in self._scopes:
            self._standings[scope.name].wager = self._wager(scope)

    def _catch_up(self, scope: Scope, upto: int, newest: float) -> None:
        """Settle what nobody judged since the scope's last verdict, at the stake of that time."""
        standing = self._standings[scope.name]
        standing.fade(newest, self._half_life)
        if upto == self._counted[scope.name]:
            return
        every, staked = self._silences.between(scope.name, self._counted[scope.name], upto)
        self._counted[scope.name] = upto
        standing.spent += self._costs.false_alarm * (every.alone + every.beside)
        if staked.steps:
            assert standing.wager is not None  # noqa: S101 -- given when the game began
            _bet_on_silences(standing, staked, *standing.wager, costs=self._costs)

    def _wager(self, scope: Scope) -> tuple[int, float]:
        standing = self._standings[scope.name]
        favourite = standing.favourite
        parent = self._standings.get(scope.pooled_with or "")
        return favourite, _stake(standing, favourite, parent)


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


def _bet(standing: Standing, outcome: _Outcome, favourite: int, stake: float, *, audit_rate: float) -> None:
    factor = 1.0 + stake * float(outcome.worst_case[favourite])
    standing.worst_case *= factor
    if outcome.judged is not None:
        standing.audited *= 1.0 + stake * audit_rate * float(outcome.judged[favourite])
    standing.remember(math.log(factor), 1)
    standing.gains += outcome.worst_case
    standing.squares += outcome.worst_case**2
    standing.steps += 1.0
    standing.bets += 1


def _bet_on_silences(
    standing: Standing, silent: Counted, favourite: int, stake: float, *, costs: Costs
) -> None:
    """Settle silences at the worst case: an alert added was false, an alert of the champion's was true."""
    alarm, miss = costs.false_alarm / costs.largest, costs.miss / costs.largest
    added, dropped = silent.alone, silent.alerts - silent.beside
    log_factor = float(
        added[favourite] * math.log1p(-stake * alarm) + dropped[favourite] * math.log1p(-stake * miss)
    )
    standing.worst_case *= math.exp(log_factor)
    standing.remember(log_factor, silent.steps)
    standing.gains -= alarm * added + miss * dropped
    standing.squares += alarm**2 * added + miss**2 * dropped
    standing.steps += silent.steps
    standing.bets += silent.steps


def _stake(standing: Standing, favourite: int, parent: Standing | None) -> float:
    """Give the share of the capital to bet: mean over mean square of the gains so far (near Kelly's).

    A scope that is pooled borrows its parent's mean as the prior: a feature with three answers is taken
    to be like its kind.
    """
    mean = square = PRIOR_GAIN
    if parent is not None and parent.steps:
        mean = float(parent.gains[favourite]) / parent.steps
        square = float(parent.squares[favourite]) / parent.steps
    weight = standing.steps + PRIOR_STEPS
    mean = (float(standing.gains[favourite]) + PRIOR_STEPS * mean) / weight
    square = (float(standing.squares[favourite]) + PRIOR_STEPS * square) / weight
    return min(max(mean / max(square, LEAST_SQUARE), 0.0), STAKE_CAP)
