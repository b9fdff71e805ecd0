"""What was decided → the rules of the next version, each with its reason."""

from collections.abc import Sequence

import msgspec

from poet.decisions import Evidence, Rule
from poet.learn.detect_drift._candidates import Candidate
from poet.learn.detect_drift._describe import ScopeReplay, describe, evidence_of
from poet.learn.detect_drift._scopes import Scope, candidate_of, condition_of, rule_id_of
from poet.learn.detect_drift._table import RevertCandidate, Table
from poet.learn.detect_drift._tournament import ScopeState
from poet.policies.detect_drift import Criteria
from poet.stats import e_value_threshold

SHOWN_HELD = 3


def rules_after(table: Table, adopted: Sequence[str], states: dict[str, ScopeState]) -> tuple[Rule, ...]:
    """Return the champion's rules with the adopted changes, the retired rules and the candidates, by id."""
    rules = {rule.id: _kept(table, rule) for rule in table.champion.active}
    for name in adopted:
        scope, state = table.scope(name), states[name]
        for rule_id in [rule.id for rule in rules.values() if _is_replaced(rule, scope)]:
            del rules[rule_id]
        for rule in _introduced(table, scope, state):
            rules[rule.id] = rule
    retired = [_retired(rule, adopted, table) for rule in table.champion.active if rule.id not in rules]
    held = _held(table, {name: s for name, s in states.items() if name not in adopted})
    return tuple(sorted([*rules.values(), *retired, *held], key=lambda rule: rule.id))


def _kept(table: Table, rule: Rule) -> Rule:
    if table.configuration.is_pinned(table.champion.policy, rule.id):
        return msgspec.structs.replace(rule, status="pinned")
    return rule


def _is_replaced(rule: Rule, scope: Scope) -> bool:
    """Return whether a change in a scope replaces a rule; a whole kind keeps features' own rules only."""
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
            f"{_percent(alarms.estimate)} of its alerts were false "
            f"({_percent(alarms.low)}-{_percent(alarms.high)}), n = {alarms.n:g}; "
            f"this finds {_percent(recall.estimate)} of the known drifts"
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
    return evidence_of(replay, state, table.ballots, table.executions, covered, threshold=needed)


def _retired(rule: Rule, adopted: Sequence[str], table: Table) -> Rule:
    now = ", ".join(rule_id_of(table.scope(name)) for name in adopted)
    reason = f"verdicts since version {rule.since_version} favour what decides now ({now})"
    return msgspec.structs.replace(rule, status="retired", reason=reason)


def _held(table: Table, states: dict[str, ScopeState]) -> list[Rule]:
    """Return the candidates nearest to adoption, one per scope."""
    near = sorted(states, key=lambda name: -table.scope(name).weight * states[name].e_value)
    held: list[Rule] = []
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
        status = "vetoed" if table.is_vetoed(scope) else "held"
        held.append(msgspec.structs.replace(rule, id=f"held-{rule.id}", status=status, since_position=0))
        if len(held) == SHOWN_HELD:
            break
    return held


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f} %"
