"""A version's decisions with people's word on its rules: what a learner begins from."""

from collections.abc import Iterable

import msgspec

from poet.decisions import Decisions, Rule
from poet.edits._words import Word, last_words
from poet.policies import policy

__all__ = ["amend"]


def amend(champion: Decisions, words: Iterable[Word]) -> Decisions:
    """Put the last word on every rule of a policy in force.

    A pinned rule has the values that the person gave it and stays, whatever the evidence says. A vetoed one
    goes, and what the start has in its place comes back. Of a released one evidence decides again.
    """
    rules = {rule.id: rule for rule in champion.rules}
    for (name, identity), word in last_words(words).items():
        if name != champion.policy:
            continue
        if word.word == "pin":
            rules[identity] = _pinned(rules.get(identity), word, champion.version)
        elif word.word == "veto":
            rules |= _vetoed(rules, word, champion)
        elif identity in rules:
            rules |= _released(rules, identity)
    kept = sorted(rules.values(), key=lambda rule: rule.id)
    return msgspec.structs.replace(champion, rules=tuple(kept))


def _pinned(rule: Rule | None, word: Word, version: int) -> Rule:
    before = rule or Rule(id=word.rule, kind=word.kind, since_version=version + 1)
    after = msgspec.structs.replace(
        before,
        kind=word.kind or before.kind,
        condition=before.condition if word.condition is None else word.condition,
        parameters=before.parameters if word.parameters is None else word.parameters,
        status="pinned",
    )
    if _acts(after) == _acts(before):
        return after
    why = f": {word.why}" if word.why else ""
    return msgspec.structs.replace(
        after, reason=f"pinned by {word.who}{why}", was="", evidence=None, since_version=version + 1
    )


def _vetoed(rules: dict[str, Rule], word: Word, champion: Decisions) -> dict[str, Rule]:
    baseline = policy(champion.policy).baseline(champion.start)
    gone = rules.get(word.rule)
    same = [rule for rule in baseline if rule.id == word.rule]
    if gone is not None and not same and "features" not in gone.condition and "kind" in gone.condition:
        # a rule for a whole kind of data: without it the start's rules of that kind decide again
        same = [rule for rule in baseline if rule.condition.get("kind") == gone.condition["kind"]]
        same = [rule for rule in same if rule.id not in rules and _is_as_wide(rule, gone)]
    veto = Rule(
        id=word.rule,
        kind=word.kind or (gone.kind if gone else "decide"),
        status="vetoed",
        reason=f"vetoed by {word.who}{f': {word.why}' if word.why else ''}",
    )
    return {word.rule: veto, **{rule.id: rule for rule in same}}


def _is_as_wide(rule: Rule, gone: Rule) -> bool:
    return rule.condition.keys() >= gone.condition.keys()


def _released(rules: dict[str, Rule], identity: str) -> dict[str, Rule]:
    rule = rules[identity]
    if rule.status == "pinned":
        return {identity: msgspec.structs.replace(rule, status="adopted")}
    if rule.status == "vetoed":
        return {identity: msgspec.structs.replace(rule, status="retired", reason="a person released it")}
    return {}


def _acts(rule: Rule) -> tuple[object, ...]:
    return rule.kind, rule.condition, rule.parameters
