"""Summaries and a champion → the decisions of `detect_drift`."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from poet.decisions import Decisions
from poet.learn.configuration import LearnConfiguration
from poet.learn.detect_drift._rules import rules_after
from poet.learn.detect_drift._silences import count_silences, judged_executions
from poet.learn.detect_drift._steps import Role
from poet.learn.detect_drift._table import Table, prepare
from poet.learn.detect_drift._tournament import BettingScope, ScopeState, run
from poet.learn.labels import count_votes, with_soft_votes
from poet.stats import decay_weights, leave_one_source_out, reject
from poet.summaries import Summaries

SECONDS_A_DAY: Final = 86_400.0


def learn(summaries: Summaries, champion: Decisions, configuration: LearnConfiguration) -> Decisions:
    """Learn the rules of `detect_drift` from the verdicts people gave.

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
        The champion's rules with what was adopted, retired and held. Without a change of behaviour the
        version is the champion's own.
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
    """Bet on all steps, then without each excludable source; pinned scopes do not take part."""
    runs = (table.steps, *table.leave_one_out)
    if not any(len(steps.labels) for steps in runs):
        return {}
    scopes = [
        tuple(_betting_scope(table, name, steps.execution) for name in table.open_scopes()) for steps in runs
    ]
    silences = count_silences(list(zip(runs, scopes, strict=True)), table.alike, table.champion_firing)
    judged = judged_executions(runs, table.firing_of, table.champion_firing)
    finished = [
        run(
            steps,
            judged.of(steps),
            silences,
            own,
            prior_cost=table.prior_cost(),
            costs=table.costs,
            half_life=table.configuration.half_life_days * SECONDS_A_DAY,
            audit_rate=_least_propensity(table),
        )
        for steps, own in zip(runs, scopes, strict=True)
    ]
    states, *parts = finished
    for name, state in states.items():
        state.leave_one_out = tuple(part[name] for part in parts)
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
    """Return the scopes that reach the e-value threshold without anything against them, widest first.

    A narrow scope that would only repeat what a wider one has just adopted does not need its own rule.
    """
    weights = {scope.name: scope.weight for scope in table.scopes}
    values = {name: state.e_value for name, state in states.items()}
    cleared = reject(values, weights, table.configuration.risk)
    answers = table.champion_firing.copy()
    adopted = []
    for scope in table.scopes:
        if scope.name not in cleared or table.is_vetoed(scope):
            continue
        covered, new = table.covered(scope), table.answers_of(states[scope.name])
        is_news = bool((new != answers)[covered].any())
        if is_news and not _depends_on_one_source(table, scope.name, states[scope.name], summaries):
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
        """Return what the change saves by the labels of the others; None where they are too few."""
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

    sources = sorted(table.ballots.votes_by_source)
    return any(rest < 0.0 for rest in leave_one_source_out(saving, sources, table.excludable))


def _notes(table: Table) -> tuple[str, ...]:
    recorded = len(table.executions.ids)
    judged = len({int(row) for row in table.steps.execution[table.steps.roles != Role.SILENT]})
    waiting = len(table.ballots) - int((table.steps.ballots >= 0).sum())
    notes = [f"{judged} of {recorded} recorded executions have a verdict"]
    if waiting:
        notes.append(f"{waiting} verdicts speak of executions that were never recorded; they wait")
    return (*notes, *table.ballots.notes)
