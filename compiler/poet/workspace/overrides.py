"""`pins.json`: the pins, vetoes and releases of rules. The last entry on a rule counts.

A learner starts from a version's decisions with these overrides applied. The author of an override that
comes from an edited file is the configured git user, if there is one.
"""

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from poet.spec import policy
from poet.spec.decisions import Decisions, Rule
from poet_runtime.errors import EditError
from poet_runtime.files import JsonDocument, atomic_write, to_json

FILE: Final = "pins.json"
FORMAT: Final = 1


class Word(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's override of one rule. A pin without values keeps the values of the rule."""

    policy: str
    rule: str
    word: Literal["pin", "veto", "release"]
    kind: str = ""
    condition: dict[str, object] | None = None
    parameters: dict[str, object] | None = None
    who: str
    when: str
    why: str = ""


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: int = FORMAT
    words: tuple[Word, ...] = ()


_DOCUMENT: Final = JsonDocument(
    type=_Document,
    name="a file of pins and vetoes",
    next_step="restore it from version control",
    error=EditError,
    format=FORMAT,
)


def read_words(generated: Path) -> tuple[Word, ...]:
    """Read all overrides, oldest first; none if the file does not exist.

    Raises
    ------
    EditError
        The file was not written by POET.
    """
    document = _DOCUMENT.read_if_exists(generated / FILE)
    return () if document is None else document.words


def add_words(generated: Path, words: Sequence[Word]) -> None:
    """Append overrides; one that equals the last override of its rule is not repeated.

    The caller must hold the folder's lock.
    """
    known = list(read_words(generated))
    for word in words:
        last = last_words(known).get((word.policy, word.rule))
        if last is None or _says(last) != _says(word):
            known.append(word)
    atomic_write(generated / FILE, to_json(_Document(words=tuple(known))))


def last_words(words: Iterable[Word]) -> Mapping[tuple[str, str], Word]:
    """Return the last override of each rule, by policy and rule."""
    return {(word.policy, word.rule): word for word in words}


def _says(word: Word) -> tuple[object, ...]:
    return word.word, word.kind, word.condition, word.parameters


def amend(champion: Decisions, words: Iterable[Word]) -> Decisions:
    """Apply the last override of every rule of a policy.

    A pinned rule has the values that the person set and is kept regardless of the evidence. A vetoed rule is
    removed and the preset's rule in its place is restored. A released rule is decided by evidence again.
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
        # a rule for a whole kind of data: without it the preset's rules of that kind decide again
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


_PLAIN: Final = re.compile(r"[^a-z0-9._-]+")
_PATIENCE_S: Final = 5.0


def author(path: Path, *, otherwise: str) -> str:
    """Return the git user of the work tree around a file as a source, such as ``user/ana``."""
    try:
        ended = subprocess.run(  # noqa: S603 -- fixed arguments and a folder, no shell
            ["git", "-C", str(path.parent), "config", "user.email"],  # noqa: S607 -- the git on the person's PATH
            capture_output=True,
            timeout=_PATIENCE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return otherwise
    name = ended.stdout.decode(errors="replace").strip().partition("@")[0].lower()
    plain = _PLAIN.sub("-", name).strip("-")[:60]
    return f"user/{plain}" if plain else otherwise
