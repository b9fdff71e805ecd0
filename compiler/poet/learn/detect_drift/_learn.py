"""Summaries and a champion → the decisions of `detect_drift`."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from poet.decisions import Decisions
from poet.learn.configuration import LearnConfiguration
from poet.learn.detect_drift._rules import rules_after
from poet.learn.detect_drift._silences import count_silences, judged_executions
from poet.learn.detect_drift._steps import Role
from poet.learn.detect_drift._table import Table, lay
from poet.learn.detect_drift._tournament import Scope, Standing, play
from poet.learn.evidence import fading_weights, reject
from poet.learn.soft_votes import with_soft_votes
from poet.learn.votes import count_votes
from poet.summaries import Summaries

__all__ = ["learn"]

SECONDS_A_DAY = 86_400.0


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
    table = lay(summaries, champion, configuration)
    standings = _play(table)
    adopted = _adopted(table, standings, summaries)
    outcome = Decisions(
        policy=champion.policy,
        start=champion.start,
        version=champion.version,
        revises=champion.revises,
        rules=rules_after(table, adopted, standings),
        log_position=summaries.log_position,
        log_prefix=summaries.log_prefix,
        configuration=configuration.as_document(),
        notes=_notes(table),
    )
    if outcome.behaves_as(champion):
        return outcome
    return msgspec.structs.replace(outcome, version=champion.version + 1, revises=champion.version)


def _play(table: Table) -> dict[str, Standing]:
    """Play all steps, then without each source that may be spared; pinned places do not take part."""
    plays = (table.steps, *table.spared)
    if not any(len(steps.labels) for steps in plays):
        return {}
    scopes = [tuple(_scope(table, name, steps.execution) for name in table.open_places()) for steps in plays]
    silences = count_silences(list(zip(plays, scopes, strict=True)), table.alike, table.champion_firing)
    judged = judged_executions(plays, table.firing_of, table.champion_firing)
    played = [
        play(
            steps,
            judged.of(steps),
            silences,
            own,
            prior_cost=table.prior_cost(),
            costs=table.costs,
            half_life=table.configuration.half_life_days * SECONDS_A_DAY,
            audit_rate=_least_propensity(table),
        )
        for steps, own in zip(plays, scopes, strict=True)
    ]
    standings, *parts = played
    for name, standing in standings.items():
        standing.spared = tuple(part[name] for part in parts)
    return standings


def _scope(table: Table, name: str, at: NDArray[np.int64]) -> Scope:
    place = table.place(name)
    return Scope(
        name,
        members=table.covered(place)[at],
        candidates=table.candidates_of(place),
        since=max((rule.since_position for rule in table.rules_in(place)), default=0),
        pooled_with=place.pooled_with,
    )


def _least_propensity(table: Table) -> float:
    audits = table.executions.propensity[table.executions.audit]
    return float(min(table.configuration.audit_rate, audits.min() if len(audits) else 1.0))


def _adopted(table: Table, standings: dict[str, Standing], summaries: Summaries) -> list[str]:
    """Name the places whose evidence clears the bar and that nothing else speaks against, widest first.

    A narrow place that would only say what a wider one has just adopted needs no rule of its own.
    """
    weights = {place.name: place.weight for place in table.places}
    values = {name: standing.e_value for name, standing in standings.items()}
    cleared = reject(values, weights, table.configuration.risk)
    answers = table.champion_firing.copy()
    adopted = []
    for place in table.places:
        if place.name not in cleared or table.is_vetoed(place):
            continue
        covered, new = table.covered(place), table.answers_of(standings[place.name])
        is_news = bool((new != answers)[covered].any())
        if is_news and not _stands_on_one_source(table, place.name, standings[place.name], summaries):
            adopted.append(place.name)
            answers[covered] = new[covered]
    return adopted


def _stands_on_one_source(table: Table, name: str, standing: Standing, summaries: Summaries) -> bool:
    """Tell whether all sources but one, taken together, speak against a change.

    Only executions on which the change matters are asked about, old verdicts count for less, and the others
    must have judged enough of them to be heard. A source that says the contrary of all others may be left
    out of those others.
    """
    place, new = table.place(name), table.answers_of(standing)
    changed = table.covered(place) & (new != table.champion_firing)
    row_of = {execution_id: row for row, execution_id in enumerate(table.executions.ids) if changed[row]}
    votes = with_soft_votes(summaries)

    def worth(*without: str) -> float | None:
        """Give what the change saves as the others see it; None where they judged too little."""
        others = count_votes(votes, burst_limit=table.configuration.burst_limit, without=without)
        fading = fading_weights(
            others.times, half_life_days=table.configuration.half_life_days, newest=summaries.newest_time
        )
        rows = np.array([row_of.get(str(i), -1) for i in others.execution_ids], np.int64)
        if (rows >= 0).sum() < table.fewest_bets:
            return None
        labels, weights = others.label[rows >= 0], fading[rows >= 0]
        saved = weights * (table.costs.miss * labels - table.costs.false_alarm * (1.0 - labels))
        return float(np.where(new[rows[rows >= 0]], saved, -saved).sum())

    sources = sorted(table.ballots.votes_by_source)
    for source in sources:
        rest = worth(source)
        if rest is not None and rest < 0.0:
            pairs = [worth(source, other) for other in table.may_be_contrary if other != source]
            if all(pair is None or pair < 0.0 for pair in pairs):
                return True
    return False


def _notes(table: Table) -> tuple[str, ...]:
    recorded = len(table.executions.ids)
    judged = len({int(row) for row in table.steps.execution[table.steps.roles != Role.SILENT]})
    waiting = len(table.ballots) - int((table.steps.ballots >= 0).sum())
    notes = [f"{judged} of {recorded} recorded executions have a verdict"]
    if waiting:
        notes.append(f"{waiting} verdicts speak of executions that were never recorded; they wait")
    return (*notes, *table.ballots.notes)
