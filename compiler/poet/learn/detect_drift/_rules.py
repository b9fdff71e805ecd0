"""What was decided → the rules of the next version, each with its reason."""

from collections.abc import Sequence

import msgspec

from poet.decisions import Evidence, Rule
from poet.learn.detect_drift._candidates import Candidate
from poet.learn.detect_drift._describe import Case, describe, evidence_of
from poet.learn.detect_drift._scopes import Place, candidate_of, condition_of, rule_id_of
from poet.learn.detect_drift._table import Table, WayBack
from poet.learn.detect_drift._tournament import Standing
from poet.learn.evidence import bar
from poet.policies.detect_drift import Criteria

__all__ = ["rules_after"]

SHOWN_HELD = 3


def rules_after(table: Table, adopted: Sequence[str], standings: dict[str, Standing]) -> tuple[Rule, ...]:
    """Give the champion's rules with the adopted changes, what they retired, and what is held, by id."""
    rules = {rule.id: _kept(table, rule) for rule in table.champion.active}
    for name in adopted:
        place, standing = table.place(name), standings[name]
        for rule_id in [rule.id for rule in rules.values() if _is_replaced(rule, place)]:
            del rules[rule_id]
        for rule in _introduced(table, place, standing):
            rules[rule.id] = rule
    retired = [_retired(rule, adopted, table) for rule in table.champion.active if rule.id not in rules]
    held = _held(table, {name: s for name, s in standings.items() if name not in adopted})
    return tuple(sorted([*rules.values(), *retired, *held], key=lambda rule: rule.id))


def _kept(table: Table, rule: Rule) -> Rule:
    if table.configuration.is_pinned(table.champion.policy, rule.id):
        return msgspec.structs.replace(rule, status="pinned")
    return rule


def _is_replaced(rule: Rule, place: Place) -> bool:
    """Tell whether a change in a place takes a rule's work: a whole kind takes all but features' own."""
    if rule.id == rule_id_of(place):
        return True
    is_of_kind = rule.condition.get("kind") == place.kind and not rule.condition.get("features")
    return is_of_kind and not place.is_narrow and rule.status != "pinned"


def _introduced(table: Table, place: Place, standing: Standing) -> tuple[Rule, ...]:
    pick = table.pick(standing)
    if isinstance(pick, WayBack):
        last = int(table.steps.positions[-1])
        return tuple(msgspec.structs.replace(rule, since_position=last) for rule in pick.rules)
    return (_rule(table, place, standing, pick),)


def _rule(table: Table, place: Place, standing: Standing, candidate: Candidate) -> Rule:
    evidence = _evidence(table, place, standing)
    alarms, recall = evidence.before[0], evidence.after[1]
    before = [candidate_of(msgspec.convert(rule.parameters, Criteria)) for rule in table.rules_in(place)]
    return Rule(
        id=rule_id_of(place),
        kind="decide",
        condition=condition_of(place),
        parameters=candidate.parameters,
        status="adopted",
        was="; ".join(dict.fromkeys(describe(was) for was in before)),
        reason=(
            f"{_percent(alarms.estimate)} of its alerts were false "
            f"({_percent(alarms.low)}-{_percent(alarms.high)}), n = {alarms.n:g}; "
            f"this finds {_percent(recall.estimate)} of the known drifts"
        ),
        since_version=table.champion.version + 1,
        since_position=int(table.steps.positions[-1]),
        evidence=evidence,
    )


def _evidence(table: Table, place: Place, standing: Standing) -> Evidence:
    at = table.steps.execution
    covered = table.covered(place)
    case = Case(
        steps=table.steps,
        inside=covered[at],
        old=table.champion_firing[at],
        new=table.answers_of(standing)[at],
        costs=table.costs,
        risk=table.configuration.risk,
    )
    needed = bar(place.weight, delta=table.configuration.risk)
    return evidence_of(case, standing, table.ballots, table.executions, covered, bar=needed)


def _retired(rule: Rule, adopted: Sequence[str], table: Table) -> Rule:
    now = ", ".join(rule_id_of(table.place(name)) for name in adopted)
    reason = f"verdicts since version {rule.since_version} favour what decides now ({now})"
    return msgspec.structs.replace(rule, status="retired", reason=reason)


def _held(table: Table, standings: dict[str, Standing]) -> list[Rule]:
    """Give the candidates nearest to adoption, one a place."""
    near = sorted(standings, key=lambda name: -table.place(name).weight * standings[name].e_value)
    held: list[Rule] = []
    for name in near:
        place, standing = table.place(name), standings[name]
        pick = table.pick(standing)
        if (
            standing.bets < table.fewest_bets
            or isinstance(pick, WayBack)
            or not table.changes(place, standing)
        ):
            continue
        rule = _rule(table, place, standing, pick)
        status = "vetoed" if table.is_vetoed(place) else "held"
        held.append(msgspec.structs.replace(rule, id=f"held-{rule.id}", status=status, since_position=0))
        if len(held) == SHOWN_HELD:
            break
    return held


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f} %"
