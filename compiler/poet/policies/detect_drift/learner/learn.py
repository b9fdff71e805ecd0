"""Learner of `detect_drift`: from summaries and a champion to decisions.

It runs the bets, adopts changes with enough evidence, and writes the rules of the next version, each with
its reason.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from poet.learning.configuration import LearnConfiguration
from poet.learning.labels import count_votes, with_soft_votes
from poet.policies.detect_drift.learner.candidates import Candidate
from poet.policies.detect_drift.learner.describe import ScopeReplay, describe, evidence_of
from poet.policies.detect_drift.learner.prepare import RevertCandidate, Table, prepare
from poet.policies.detect_drift.learner.scopes import Scope, candidate_of, condition_of, rule_id_of
from poet.policies.detect_drift.learner.steps import Role, answers_on_labeled, count_non_alerts
from poet.policies.detect_drift.learner.tournament import BettingScope, ScopeState, run
from poet.policies.detect_drift.rules import Criteria
from poet.spec.decisions import Decisions, Evidence, Rule
from poet.stats import decay_weights, e_value_threshold, leave_one_source_out, reject
from poet.summaries import Summaries

SHOWN_CANDIDATES: Final = 3


def rules_after(table: Table, adopted: Sequence[str], states: dict[str, ScopeState]) -> tuple[Rule, ...]:
    """Return the champion's rules with the adopted changes, the retired rules and the candidates, by id."""
    rules = {rule.id: _carried_over(table, rule) for rule in table.champion.active}
    for name in adopted:
        scope, state = table.scope(name), states[name]
        for rule_id in [rule.id for rule in rules.values() if _is_replaced(rule, scope)]:
            del rules[rule_id]
        for rule in _introduced(table, scope, state):
            rules[rule.id] = rule
    retired = [_retired(rule, adopted, table) for rule in table.champion.active if rule.id not in rules]
    candidates = _candidates(table, {name: s for name, s in states.items() if name not in adopted})
    return tuple(sorted([*rules.values(), *retired, *candidates], key=lambda rule: rule.id))


def _carried_over(table: Table, rule: Rule) -> Rule:
    if table.configuration.is_pinned(table.champion.policy, rule.id):
        return msgspec.structs.replace(rule, status="pinned")
    return rule


def _is_replaced(rule: Rule, scope: Scope) -> bool:
    """Return whether a change in a scope replaces a rule; a change of a kind keeps only rules of features."""
    if rule.id == rule_id_of(scope):
        return True
    is_of_kind = rule.condition.get("kind") == scope.kind and not rule.condition.get("features")
    return is_of_kind and not scope.is_narrow and rule.status != "pinned"


def _introduced(table: Table, scope: Scope, state: ScopeState) -> tuple[Rule, ...]:
    pick = table.pick(state)
    if isinstance(pick, RevertCandidate):
        last = int(table.steps.positions[-1])
        return tuple(msgspec.structs.replace(rule, since_position=last) for rule in pick.rules)
    return (_rule(table, scope, state, pick),)


def _rule(table: Table, scope: Scope, state: ScopeState, candidate: Candidate) -> Rule:
    evidence = _evidence(table, scope, state)
    alarms, recall = evidence.before[0], evidence.after[1]
    before = [candidate_of(msgspec.convert(rule.parameters, Criteria)) for rule in table.rules_in(scope)]
    return Rule(
        id=rule_id_of(scope),
        kind="decide",
        condition=condition_of(scope),
        parameters=candidate.parameters,
        status="adopted",
        was="; ".join(dict.fromkeys(describe(was) for was in before)),
        reason=(
            f"{_percent(alarms.estimate)} of its alerts were false alarms "
            f"({_percent(alarms.low)}-{_percent(alarms.high)}), n = {alarms.n:g}; "
            f"the new rule finds {_percent(recall.estimate)} of the known drifts"
        ),
        since_version=table.champion.version + 1,
        since_position=int(table.steps.positions[-1]),
        evidence=evidence,
    )


def _evidence(table: Table, scope: Scope, state: ScopeState) -> Evidence:
    at = table.steps.execution
    covered = table.covered(scope)
    replay = ScopeReplay(
        steps=table.steps,
        inside=covered[at],
        old=table.champion_firing[at],
        new=table.answers_of(state)[at],
        costs=table.costs,
        risk=table.configuration.risk,
    )
    needed = e_value_threshold(scope.weight, delta=table.configuration.risk)
    return evidence_of(replay, state, table.label_table, table.executions, covered, threshold=needed)


def _retired(rule: Rule, adopted: Sequence[str], table: Table) -> Rule:
    now = ", ".join(rule_id_of(table.scope(name)) for name in adopted)
    reason = f"labels since version {rule.since_version} favor the rules that decide now ({now})"
    return msgspec.structs.replace(rule, status="retired", reason=reason)


def _candidates(table: Table, states: dict[str, ScopeState]) -> list[Rule]:
    """Return the candidates closest to adoption, one per scope."""
    near = sorted(states, key=lambda name: -table.scope(name).weight * states[name].e_value)
    candidates: list[Rule] = []
    for name in near:
        scope, state = table.scope(name), states[name]
        pick = table.pick(state)
        if (
            state.bets < table.fewest_bets
            or isinstance(pick, RevertCandidate)
            or not table.changes(scope, state)
        ):
            continue
        rule = _rule(table, scope, state, pick)
        status = "vetoed" if table.is_vetoed(scope) else "candidate"
        candidates.append(
            msgspec.structs.replace(rule, id=f"candidate-{rule.id}", status=status, since_position=0)
        )
        if len(candidates) == SHOWN_CANDIDATES:
            break
    return candidates


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f} %"


SECONDS_A_DAY: Final = 86_400.0


def learn(summaries: Summaries, champion: Decisions, configuration: LearnConfiguration) -> Decisions:
    """Return the rules of `detect_drift` learned from labels.

    Parameters
    ----------
    summaries
        Votes, recorded executions and their scores, up to one log position.
    champion
        The decisions of the active version.
    configuration
        Risk, costs, half-life, pins and vetoes.

    Returns
    -------
    Decisions
        The champion's rules with the adopted and retired rules and the candidates. If the behavior does not
        change, the version is the champion's.
    """
    table = prepare(summaries, champion, configuration)
    states = _run(table)
    adopted = _adopted(table, states, summaries)
    outcome = Decisions(
        policy=champion.policy,
        start=champion.start,
        version=champion.version,
        revises=champion.revises,
        rules=rules_after(table, adopted, states),
        log_position=summaries.log_position,
        log_prefix=summaries.log_prefix,
        configuration=configuration.as_document(),
        notes=_notes(table),
    )
    if outcome.behaves_as(champion):
        return outcome
    return msgspec.structs.replace(outcome, version=champion.version + 1, revises=champion.version)


def _run(table: Table) -> dict[str, ScopeState]:
    """Return the states after betting on all steps, and without each excludable source.

    Pinned scopes are skipped.
    """
    runs = (table.steps, *table.leave_one_out)
    if not any(len(steps.labels) for steps in runs):
        return {}
    scopes = [
        tuple(_betting_scope(table, name, steps.execution) for name in table.open_scopes()) for steps in runs
    ]
    non_alerts = count_non_alerts(
        list(zip(runs, scopes, strict=True)), table.candidate_groups, table.champion_firing
    )
    labeled = answers_on_labeled(runs, table.firing_of, table.champion_firing)
    finished = [
        run(
            steps,
            labeled.of(steps),
            non_alerts,
            own,
            prior_cost=table.prior_cost(),
            costs=table.costs,
            half_life=table.configuration.half_life_days * SECONDS_A_DAY,
            audit_rate=_least_propensity(table),
        )
        for steps, own in zip(runs, scopes, strict=True)
    ]
    states, *excluding_one = finished
    for name, state in states.items():
        state.leave_one_out = tuple(part[name] for part in excluding_one)
    return states


def _betting_scope(table: Table, name: str, at: NDArray[np.int64]) -> BettingScope:
    scope = table.scope(name)
    return BettingScope(
        name,
        members=table.covered(scope)[at],
        candidates=table.candidates_of(scope),
        since=max((rule.since_position for rule in table.rules_in(scope)), default=0),
        pooled_with=scope.pooled_with,
    )


def _least_propensity(table: Table) -> float:
    audits = table.executions.propensity[table.executions.audit]
    return float(min(table.configuration.audit_rate, audits.min() if len(audits) else 1.0))


def _adopted(table: Table, states: dict[str, ScopeState], summaries: Summaries) -> list[str]:
    """Return the scopes that reach the e-value threshold without objections, widest first.

    A narrow scope that would only repeat the change of a wider one does not need its own rule.
    """
    weights = {scope.name: scope.weight for scope in table.scopes}
    values = {name: state.e_value for name, state in states.items()}
    rejected = reject(values, weights, table.configuration.risk)
    answers = table.champion_firing.copy()
    adopted = []
    for scope in table.scopes:
        if scope.name not in rejected or table.is_vetoed(scope):
            continue
        covered, new = table.covered(scope), table.answers_of(states[scope.name])
        is_new = bool((new != answers)[covered].any())
        if is_new and not _depends_on_one_source(table, scope.name, states[scope.name], summaries):
            adopted.append(scope.name)
            answers[covered] = new[covered]
    return adopted


def _depends_on_one_source(table: Table, name: str, state: ScopeState, summaries: Summaries) -> bool:
    """Return whether all sources but one, taken together, oppose a change.

    Only executions on which the change matters count, old labels decay, and the others must have labeled
    enough of them. One adversarial source may be left out of those others as well.
    """
    scope, new = table.scope(name), table.answers_of(state)
    changed = table.covered(scope) & (new != table.champion_firing)
    row_of = {execution_id: row for row, execution_id in enumerate(table.executions.ids) if changed[row]}
    votes = with_soft_votes(summaries)

    def saving(*excluded: str) -> float | None:
        """Return the saving of the change by the labels of the others; None if they are too few."""
        others = count_votes(votes, burst_limit=table.configuration.burst_limit, without=excluded)
        fading = decay_weights(
            others.times, half_life_days=table.configuration.half_life_days, newest=summaries.newest_time
        )
        rows = np.array([row_of.get(str(i), -1) for i in others.execution_ids], np.int64)
        if (rows >= 0).sum() < table.fewest_bets:
            return None
        labels, weights = others.label[rows >= 0], fading[rows >= 0]
        saved = weights * (table.costs.miss * labels - table.costs.false_alarm * (1.0 - labels))
        return float(np.where(new[rows[rows >= 0]], saved, -saved).sum())

    sources = sorted(table.label_table.votes_by_source)
    return any(rest < 0.0 for rest in leave_one_source_out(saving, sources, table.excludable))


def _notes(table: Table) -> tuple[str, ...]:
    recorded = len(table.executions.ids)
    labeled = len({int(row) for row in table.steps.execution[table.steps.roles != Role.UNLABELED]})
    n_unrecorded = len(table.label_table) - int((table.steps.label_rows >= 0).sum())
    notes = [f"{labeled} of {recorded} recorded executions have a label"]
    if n_unrecorded:
        notes.append(
            f"{n_unrecorded} labels refer to executions that are not recorded; "
            "they count once these are recorded"
        )
    return (*notes, *table.label_table.notes)
