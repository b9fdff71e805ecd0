"""Preparation of the data for the bets: executions, steps, scopes and candidates."""

from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from poet.learning.configuration import LearnConfiguration
from poet.learning.labels import LabelTable, count_votes, with_soft_votes
from poet.policies.detect_drift.learner.candidates import Candidate, categorical_grid, numeric_grid
from poet.policies.detect_drift.learner.scopes import (
    Scope,
    candidate_of,
    champion_fires,
    covers,
    rule_id_of,
    scopes_of,
)
from poet.policies.detect_drift.learner.steps import (
    CandidateGroup,
    Executions,
    Steps,
    candidate_groups,
    fires,
    firing,
    read_executions,
    read_steps,
    single_candidate_group,
)
from poet.policies.detect_drift.learner.tournament import Costs, ScopeState
from poet.policies.detect_drift.rules import Condition, branches
from poet.spec import policy
from poet.spec.decisions import Decisions, Rule
from poet.stats import excludable_sources
from poet.summaries import Summaries

FEWEST_BETS: Final = 5


@dataclass(frozen=True, slots=True)
class RevertCandidate:
    """The rules that a scope with a learned rule would revert to: a candidate without a prior cost."""

    scope: str
    rules: tuple[Rule, ...]  # of the preset; empty if the wider rule would apply again
    fires: NDArray[np.bool_]  # by execution


@dataclass(frozen=True, slots=True)
class Table:
    """Executions, steps, scopes, and the answers of champion and candidates on all executions."""

    executions: Executions
    steps: Steps
    excludable: tuple[str, ...]  # sources that can be left out
    leave_one_out: tuple[Steps, ...]  # the steps without each of these sources
    label_table: LabelTable
    champion: Decisions
    configuration: LearnConfiguration
    scopes: tuple[Scope, ...]
    candidates: tuple[Candidate, ...]
    kinds: NDArray[np.str_]  # of each candidate
    revert_candidates: tuple[RevertCandidate, ...]
    champion_firing: NDArray[np.bool_]  # (executions,)
    fewest_bets: int = FEWEST_BETS

    @property
    def costs(self) -> Costs:
        """Return the costs of wrong answers."""
        return Costs(self.configuration.costs.false_alarm, self.configuration.costs.miss)

    def scope(self, name: str) -> Scope:
        """Return a scope by name."""
        return next(scope for scope in self.scopes if scope.name == name)

    def open_scopes(self) -> list[str]:
        """Return the names of the scopes that no person pinned, widest first."""
        policy_name = self.champion.policy
        return [p.name for p in self.scopes if not self.configuration.is_pinned(policy_name, rule_id_of(p))]

    def is_vetoed(self, scope: Scope) -> bool:
        """Return whether a person vetoed a rule for this scope."""
        return self.configuration.is_vetoed(self.champion.policy, rule_id_of(scope))

    def covered(self, scope: Scope) -> NDArray[np.bool_]:
        """Return a mask of the executions that a rule of this scope would decide.

        A wide scope excludes features with their own rule.
        """
        covered = scope.covers.copy()
        if not scope.feature:
            for rule in self.champion.active:
                if rule.condition.get("features"):
                    covered &= ~covers(self.executions, _condition(rule))
        return covered

    def rules_in(self, scope: Scope) -> list[Rule]:
        """Return active rules that decide somewhere in a scope, most specific first."""
        left = self.covered(scope)
        found = []
        for branch in branches(self.champion):
            mine = left & covers(self.executions, branch.condition)
            if mine.any():
                found.append(branch.rule)
                left &= ~mine
        return found

    def candidates_of(self, scope: Scope) -> NDArray[np.bool_]:
        """Return a mask of the columns of `firing_of` that are candidates for a scope."""
        back = np.array([revert.scope == scope.name for revert in self.revert_candidates], bool)
        return np.concatenate([self.kinds == scope.kind, back])

    def prior_cost(self) -> NDArray[np.float64]:
        """Return the prior cost of each column."""
        return np.array(
            [candidate.prior_cost for candidate in self.candidates] + [0.0] * len(self.revert_candidates)
        )

    def pick(self, state: ScopeState) -> Candidate | RevertCandidate:
        """Return the candidate that a scope would change to."""
        favorite = state.leading.favorite
        if favorite < len(self.candidates):
            return self.candidates[favorite]
        return self.revert_candidates[favorite - len(self.candidates)]

    def answers_of(self, state: ScopeState) -> NDArray[np.bool_]:
        """Return the answers of a scope's favorite on all executions."""
        pick = self.pick(state)
        return pick.fires if isinstance(pick, RevertCandidate) else fires(self.executions, pick)

    def candidate_groups(self, rows: NDArray[np.int64]) -> list[CandidateGroup]:
        """Return the answers of all candidates in bins."""
        back = [
            single_candidate_group(revert.fires[rows], len(self.candidates) + number)
            for number, revert in enumerate(self.revert_candidates)
        ]
        return [*candidate_groups(self.executions, self.candidates, rows), *back]

    def firing_of(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return all candidates' answers on some executions, shape (rows, candidates + revert candidates)."""
        back = [revert.fires[rows][np.newaxis] for revert in self.revert_candidates]
        return np.concatenate([firing(self.executions, self.candidates, rows).T, *back]).T

    def changes(self, scope: Scope, state: ScopeState) -> bool:
        """Return whether the favorite answers differently from the champion anywhere in the scope."""
        return bool((self.answers_of(state) != self.champion_firing)[self.covered(scope)].any())


def prepare(summaries: Summaries, champion: Decisions, configuration: LearnConfiguration) -> Table:
    """Return the data of the summaries with scopes and candidates."""
    executions = read_executions(summaries)
    votes = with_soft_votes(summaries)
    count = partial(count_votes, votes, burst_limit=configuration.burst_limit)
    label_table = count()
    excludable = tuple(excludable_sources(label_table.sources_by_first_vote))
    candidates, kinds = _candidates(executions, champion.policy)
    scopes = scopes_of(executions)
    revert_candidates = _revert_candidates(executions, champion, scopes)
    return Table(
        executions=executions,
        steps=read_steps(executions, label_table),
        excludable=excludable,
        leave_one_out=tuple(read_steps(executions, count(without=(source,))) for source in excludable),
        label_table=label_table,
        champion=champion,
        configuration=configuration,
        scopes=scopes,
        candidates=candidates,
        kinds=kinds,
        revert_candidates=revert_candidates,
        champion_firing=champion_fires(executions, champion),
    )


def _candidates(executions: Executions, policy_name: str) -> tuple[tuple[Candidate, ...], NDArray[np.str_]]:
    """Return the candidates for the kinds of data in the log, and the kind of each."""
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


def _revert_candidates(
    executions: Executions, champion: Decisions, scopes: tuple[Scope, ...]
) -> tuple[RevertCandidate, ...]:
    learned = {rule.id for rule in champion.active if rule.status == "adopted"}
    return tuple(
        _revert_candidate(executions, champion, scope) for scope in scopes if rule_id_of(scope) in learned
    )


def _revert_candidate(executions: Executions, champion: Decisions, scope: Scope) -> RevertCandidate:
    """Return the revert candidate: the wider rule for a narrow scope, the preset's rules for a kind."""
    rest = [rule for rule in champion.active if rule.id != rule_id_of(scope)]
    start: tuple[Rule, ...] = ()
    if not scope.is_narrow:
        baseline = policy(champion.policy).baseline(champion.start)
        start = tuple(rule for rule in baseline if rule.condition.get("kind") == scope.kind)
    before = msgspec.structs.replace(champion, rules=(*rest, *start))
    return RevertCandidate(scope.name, start, champion_fires(executions, before))


def _condition(rule: Rule) -> Condition:
    return msgspec.convert(rule.condition, Condition)
