"""Everything that lies on the table before the first bet."""

from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from poet.decisions import Decisions, Rule
from poet.learn.configuration import LearnConfiguration
from poet.learn.contrary import spared
from poet.learn.detect_drift._alike import Alike, alike, given
from poet.learn.detect_drift._candidates import Candidate, categorical_grid, numeric_grid
from poet.learn.detect_drift._scopes import Place, candidate_of, champion_fires, covers, places, rule_id_of
from poet.learn.detect_drift._steps import Executions, Steps, fires, firing, read_executions, read_steps
from poet.learn.detect_drift._tournament import Costs, Standing
from poet.learn.soft_votes import with_soft_votes
from poet.learn.votes import Ballots, count_votes
from poet.policies import policy
from poet.policies.detect_drift import Condition, branches
from poet.summaries import Summaries

__all__ = ["Table", "WayBack", "lay"]

FEWEST_BETS = 5


@dataclass(frozen=True, slots=True)
class WayBack:
    """What a place that learned something would return to: a candidate like any other, at no cost."""

    place: str
    rules: tuple[Rule, ...]  # of the start; empty where the wider rule holds again
    fires: NDArray[np.bool_]  # by execution


@dataclass(frozen=True, slots=True)
class Table:
    """Executions, steps, places, and what champion and candidates say of every execution."""

    executions: Executions
    steps: Steps
    may_be_contrary: tuple[str, ...]  # the sources that may be left out
    spared: tuple[Steps, ...]  # the steps without each of them
    ballots: Ballots
    champion: Decisions
    configuration: LearnConfiguration
    places: tuple[Place, ...]
    candidates: tuple[Candidate, ...]
    kinds: NDArray[np.str_]  # of each candidate
    ways_back: tuple[WayBack, ...]
    champion_firing: NDArray[np.bool_]  # (executions,)
    fewest_bets: int = FEWEST_BETS

    @property
    def costs(self) -> Costs:
        """What a wrong answer costs."""
        return Costs(self.configuration.costs.false_alarm, self.configuration.costs.miss)

    def place(self, name: str) -> Place:
        """Give a place by name."""
        return next(place for place in self.places if place.name == name)

    def open_places(self) -> list[str]:
        """Name the places that no person pinned, widest first."""
        policy_name = self.champion.policy
        return [p.name for p in self.places if not self.configuration.is_pinned(policy_name, rule_id_of(p))]

    def is_vetoed(self, place: Place) -> bool:
        """Whether a person vetoed a rule for this place."""
        return self.configuration.is_vetoed(self.champion.policy, rule_id_of(place))

    def covered(self, place: Place) -> NDArray[np.bool_]:
        """Mark the executions a rule of this place would decide: not features with a rule of their own."""
        covered = place.covers.copy()
        if not place.feature:
            for rule in self.champion.active:
                if rule.condition.get("features"):
                    covered &= ~covers(self.executions, _condition(rule))
        return covered

    def rules_in(self, place: Place) -> list[Rule]:
        """Active rules that decide somewhere in a place, most specific first."""
        left = self.covered(place)
        found = []
        for branch in branches(self.champion):
            mine = left & covers(self.executions, branch.condition)
            if mine.any():
                found.append(branch.rule)
                left &= ~mine
        return found

    def candidates_of(self, place: Place) -> NDArray[np.bool_]:
        """Mark the columns of `firing_of` that a place may change to."""
        back = np.array([way.place == place.name for way in self.ways_back], bool)
        return np.concatenate([self.kinds == place.kind, back])

    def prior_cost(self) -> NDArray[np.float64]:
        """Give each column's prior cost."""
        return np.array([candidate.prior_cost for candidate in self.candidates] + [0.0] * len(self.ways_back))

    def pick(self, standing: Standing) -> Candidate | WayBack:
        """Give what a scope would change to."""
        favourite = standing.leading.favourite
        if favourite < len(self.candidates):
            return self.candidates[favourite]
        return self.ways_back[favourite - len(self.candidates)]

    def answers_of(self, standing: Standing) -> NDArray[np.bool_]:
        """Give what a scope's favourite says of every execution."""
        pick = self.pick(standing)
        return pick.fires if isinstance(pick, WayBack) else fires(self.executions, pick)

    def alike(self, rows: NDArray[np.int64]) -> list[Alike]:
        """Give the same in bins."""
        back = [
            given(way.fires[rows], len(self.candidates) + number) for number, way in enumerate(self.ways_back)
        ]
        return [*alike(self.executions, self.candidates, rows), *back]

    def firing_of(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Give what candidates and ways back say of some executions, shape (rows, candidates + ways back)."""
        back = [way.fires[rows][np.newaxis] for way in self.ways_back]
        return np.concatenate([firing(self.executions, self.candidates, rows).T, *back]).T

    def changes(self, place: Place, standing: Standing) -> bool:
        """Whether the favourite answers differently from the champion anywhere in the place."""
        return bool((self.answers_of(standing) != self.champion_firing)[self.covered(place)].any())


def lay(summaries: Summaries, champion: Decisions, configuration: LearnConfiguration) -> Table:
    """Lay the table: read the summaries, and let every candidate answer every execution."""
    executions = read_executions(summaries)
    votes = with_soft_votes(summaries)
    count = partial(count_votes, votes, burst_limit=configuration.burst_limit)
    ballots = count()
    candidates, kinds = _candidates(executions, champion.policy)
    where = places(executions)
    ways_back = _ways_back(executions, champion, where)
    return Table(
        executions=executions,
        steps=read_steps(executions, ballots),
        may_be_contrary=tuple(spared(ballots.voices)),
        spared=tuple(read_steps(executions, count(without=(voice,))) for voice in spared(ballots.voices)),
        ballots=ballots,
        champion=champion,
        configuration=configuration,
        places=where,
        candidates=candidates,
        kinds=kinds,
        ways_back=ways_back,
        champion_firing=champion_fires(executions, champion),
    )


def _candidates(executions: Executions, policy_name: str) -> tuple[tuple[Candidate, ...], NDArray[np.str_]]:
    """Give the grids of the kinds of data that the log knows."""
    best_known = branches(policy(policy_name).version_1("calibrated"))
    default = {b.condition.kind: candidate_of(b.criteria) for b in best_known}
    found: list[Candidate] = []
    if (~executions.is_categorical).any():
        found.extend(numeric_grid(default["numeric"]))
    n_numeric = len(found)
    if executions.is_categorical.any():
        found.extend(categorical_grid(default["categorical"]))
    kinds = ["numeric"] * n_numeric + ["categorical"] * (len(found) - n_numeric)
    return tuple(found), np.array(kinds, dtype=np.str_)


def _ways_back(executions: Executions, champion: Decisions, where: tuple[Place, ...]) -> tuple[WayBack, ...]:
    learned = {rule.id for rule in champion.active if rule.status == "adopted"}
    return tuple(_way_back(executions, champion, place) for place in where if rule_id_of(place) in learned)


def _way_back(executions: Executions, champion: Decisions, place: Place) -> WayBack:
    """Give the wider rule for a narrow place, the start's rules for a whole kind."""
    rest = [rule for rule in champion.active if rule.id != rule_id_of(place)]
    start: tuple[Rule, ...] = ()
    if not place.is_narrow:
        baseline = policy(champion.policy).baseline(champion.start)
        start = tuple(rule for rule in baseline if rule.condition.get("kind") == place.kind)
    before = msgspec.structs.replace(champion, rules=(*rest, *start))
    return WayBack(place.name, start, champion_fires(executions, before))


def _condition(rule: Rule) -> Condition:
    return msgspec.convert(rule.condition, Condition)
