"""Bet on candidates against the champion, one execution after the other.

What is tested, scope by scope: *no rule of the grid costs less than the champion here*. At each step the
candidate that the steps before it favour is the one bet on (a predictable bet, so looking at thousands
of candidates costs nothing), and the stake follows the gains seen so far (Waudby-Smith & Ramdas 2023,
"Estimating means of bounded random variables by betting"). While the hypothesis holds, the capital is a
non-negative supermartingale that starts at 1: it ever reaches 1/delta with probability at most delta,
however often it is looked at (Ville 1939).

What an unlabelled silence costs: nobody knows whether an alert there would have been true. Two bets
answer in two ways, and the e-value is their weighted mean:

*worst case*: an alert that a candidate adds and nobody judged counts as false. This needs no assumption
and wins quickly for rules that mostly remove alerts.
*audits*: only judged executions count, an audited silence by one over its propensity, the stake
shrunk by the audit rate. This wins slowly, and is what lets a rule that adds alerts win at all.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from poet.learn.contrary import VOICES, mixed
from poet.learn.detect_drift._steps import Role, Steps

__all__ = ["Costs", "Scope", "Standing", "play"]

Floats = NDArray[np.float64]

WORST_CASE_SHARE = 0.9  # of the starting capital; the rest is bet on audits
STAKE_CAP = 0.9
PRIOR_GAIN = 0.1  # before any step: the mean gain and mean square of a bet worth making …
PRIOR_STEPS = 5.0  # … counted as this many steps
LEAST_SQUARE = 0.01
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
    position up to which its champion had been learned.
    """

    name: str
    members: NDArray[np.bool_]
    candidates: NDArray[np.bool_]
    since: int = 0
    pooled_with: str | None = None


@dataclass(slots=True)
class Standing:
    """How far a scope has come: capital, favourite, and the sums both are made from."""

    scope: Scope
    prior: Floats  # cost by candidate before any step; infinite where it is no candidate
    spent: Floats  # faded cost by candidate
    gains: Floats
    squares: Floats
    steps: float = 0.0
    bets: int = 0
    worst_case: float = 1.0
    audited: float = 1.0
    history: list[float] = field(default_factory=list)
    spared: tuple["Standing", ...] = ()  # the same scope with one source left out each

    def fade(self, kept: float) -> None:
        """Let what is known count for less: who was best long ago is neither favourite nor staked on."""
        self.spent *= kept
        self.gains *= kept
        self.squares *= kept
        self.steps *= kept

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


def play(
    steps: Steps,
    fires: NDArray[np.bool_],
    champion: NDArray[np.bool_],
    scopes: tuple[Scope, ...],
    *,
    prior_cost: Floats,
    costs: Costs,
    half_life: float,
    audit_rate: float,
) -> dict[str, Standing]:
    """Play every step in order and give each scope's standing.

    Parameters
    ----------
    steps
        The n steps, in log order.
    fires
        Which of the K candidates would alert, shape (n, K).
    champion
        Whether the champion would alert, shape (n,).
    scopes
        A scope that another is pooled with comes after it.
    prior_cost
        By candidate, shape (K,).
    costs
        Of a false alarm and a miss.
    half_life
        Seconds of event time after which a cost counts half.
    audit_rate
        The least probability with which a silent execution was audited.
    """
    nothing = np.zeros(fires.shape[1])
    standings = {
        scope.name: Standing(
            scope,
            np.where(scope.candidates, prior_cost, np.inf),
            nothing.copy(),
            nothing.copy(),
            nothing.copy(),
        )
        for scope in scopes
    }
    kept = _kept(steps.times, half_life)
    volunteered = steps.roles == Role.VOLUNTEERED
    for step in range(len(steps.labels)):
        if kept[step] < 1.0:
            for standing in standings.values():
                standing.fade(kept[step])
        inside = [standings[scope.name] for scope in scopes if scope.members[step]]
        if not inside:
            continue
        outcome = _outcome(steps, step, fires[step], champion=bool(champion[step]), costs=costs)
        for standing in inside:
            if steps.positions[step] > standing.scope.since and not volunteered[step]:
                parent = standings.get(standing.scope.pooled_with or "")
                _bet(standing, outcome, parent, audit_rate=audit_rate)
            standing.spent += outcome.cost
    return standings


@dataclass(frozen=True, slots=True)
class _Outcome:
    cost: Floats  # added to what each candidate has spent
    worst_case: Floats  # gain over the champion, in [-1, 1]
    judged: Floats | None  # the same, times one over the propensity; None: nobody judged


def _outcome(steps: Steps, step: int, fires: NDArray[np.bool_], *, champion: bool, costs: Costs) -> _Outcome:
    label = steps.labels[step]
    role = int(steps.roles[step])
    scale = costs.largest
    if role == _SILENT:
        lost = np.where(fires, costs.false_alarm, 0.0)
        gain = np.where(fires, 0.0, -costs.miss) if champion else -lost
        return _Outcome(lost, gain / scale, None)
    alarm, miss = costs.false_alarm * (1.0 - label), costs.miss * label
    cost = np.where(fires, alarm, miss)
    gain = ((alarm if champion else miss) - cost) / scale
    if role == _VOLUNTEERED:
        # the silence itself was a step already, at its worst case: take that back
        return _Outcome(cost - np.where(fires, costs.false_alarm, 0.0), gain, None)
    return _Outcome(cost, gain, gain / steps.propensities[step])


def _bet(standing: Standing, outcome: _Outcome, parent: Standing | None, *, audit_rate: float) -> None:
    favourite = standing.favourite
    stake = _stake(standing, favourite, parent)
    factor = 1.0 + stake * float(outcome.worst_case[favourite])
    standing.worst_case *= factor
    if outcome.judged is not None:
        standing.audited *= 1.0 + stake * audit_rate * float(outcome.judged[favourite])
    standing.history.append(factor)
    standing.gains += outcome.worst_case
    standing.squares += outcome.worst_case**2
    standing.steps += 1.0
    standing.bets += 1


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


def _kept(times: Floats, half_life: float) -> Floats:
    """Give the share of what was known that each step leaves: event time fades the past, never the clock."""
    newest = np.maximum.accumulate(times)
    return np.exp2(-np.diff(newest, prepend=newest[:1]) / half_life)
