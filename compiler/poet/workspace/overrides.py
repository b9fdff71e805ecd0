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
from poet_runtime import former_names
from poet_runtime.errors import EditError
from poet_runtime.files import JsonDocument, atomic_write, lock, to_json

FILE: Final = "pins.json"
FORMAT: Final = 2
LOCK_TIMEOUT_S: Final = 30.0


class Override(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's override of one rule. A pin without values keeps the values of the rule."""

    policy: str
    rule: str
    action: Literal["pin", "veto", "release"]
    kind: str = ""
    condition: dict[str, object] | None = None
    parameters: dict[str, object] | None = None
    who: str
    when: str
    why: str = ""


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: int = FORMAT
    overrides: tuple[Override, ...] = ()


_DOCUMENT: Final = JsonDocument(
    type=_Document,
    name="a file of pins and vetoes",
    next_step="restore it from version control",
    error=EditError,
    format=FORMAT,
    former={1: former_names.overrides},
)


def read_overrides(generated: Path) -> tuple[Override, ...]:
    """Read all overrides, oldest first; none if the file does not exist.

    Raises
    ------
    EditError
        The file was not written by POET.
    """
    document = _DOCUMENT.read_if_exists(generated / FILE)
    return () if document is None else document.overrides


def append(generated: Path, overrides: Sequence[Override]) -> None:
    """Append overrides under the folder's lock; one that equals the last override of its rule is skipped."""
    if not overrides:
        return
    with lock(generated, timeout_s=LOCK_TIMEOUT_S):
        stored = list(read_overrides(generated))
        for override in overrides:
            last = current_overrides(stored).get((override.policy, override.rule))
            if last is None or _content(last) != _content(override):
                stored.append(override)
        atomic_write(generated / FILE, to_json(_Document(overrides=tuple(stored))))


def current_overrides(overrides: Iterable[Override]) -> Mapping[tuple[str, str], Override]:
    """Return the last override of each rule, by policy and rule."""
    return {(override.policy, override.rule): override for override in overrides}


def _content(override: Override) -> tuple[object, ...]:
    return override.action, override.kind, override.condition, override.parameters


def amend(champion: Decisions, overrides: Iterable[Override]) -> Decisions:
    """Apply the last override of every rule of a policy.

    A pinned rule has the values that the person set and is kept regardless of the evidence. A vetoed rule is
    removed and the preset's rule in its place is restored. A released rule is decided by evidence again.
    """
    rules = {rule.id: rule for rule in champion.rules}
    for (name, identity), override in current_overrides(overrides).items():
        if name != champion.policy:
            continue
        if override.action == "pin":
            rules[identity] = _pinned(rules.get(identity), override, champion.version)
        elif override.action == "veto":
            rules |= _vetoed(rules, override, champion)
        elif identity in rules:
            rules |= _released(rules, identity)
    kept = sorted(rules.values(), key=lambda rule: rule.id)
    return msgspec.structs.replace(champion, rules=tuple(kept))


def _pinned(rule: Rule | None, override: Override, version: int) -> Rule:
    before = rule or Rule(id=override.rule, kind=override.kind, since_version=version + 1)
    after = msgspec.structs.replace(
        before,
        kind=override.kind or before.kind,
        condition=before.condition if override.condition is None else override.condition,
        parameters=before.parameters if override.parameters is None else override.parameters,
        status="pinned",
    )
    if _effect(after) == _effect(before):
        return after
    why = f": {override.why}" if override.why else ""
    return msgspec.structs.replace(
        after, reason=f"pinned by {override.who}{why}", was="", evidence=None, since_version=version + 1
    )


def _vetoed(rules: dict[str, Rule], override: Override, champion: Decisions) -> dict[str, Rule]:
    baseline = policy(champion.policy).baseline(champion.start)
    gone = rules.get(override.rule)
    same = [rule for rule in baseline if rule.id == override.rule]
    if gone is not None and not same and "features" not in gone.condition and "kind" in gone.condition:
        # a rule for a whole kind of data: without it the preset's rules of that kind decide again
        same = [rule for rule in baseline if rule.condition.get("kind") == gone.condition["kind"]]
        same = [rule for rule in same if rule.id not in rules and _is_as_wide(rule, gone)]
    veto = Rule(
        id=override.rule,
        kind=override.kind or (gone.kind if gone else "decide"),
        status="vetoed",
        reason=f"vetoed by {override.who}{f': {override.why}' if override.why else ''}",
    )
    return {override.rule: veto, **{rule.id: rule for rule in same}}


def _is_as_wide(rule: Rule, gone: Rule) -> bool:
    return rule.condition.keys() >= gone.condition.keys()


def _released(rules: dict[str, Rule], identity: str) -> dict[str, Rule]:
    rule = rules[identity]
    if rule.status == "pinned":
        return {identity: msgspec.structs.replace(rule, status="adopted")}
    if rule.status == "vetoed":
        return {identity: msgspec.structs.replace(rule, status="retired", reason="a person released it")}
    return {}


def _effect(rule: Rule) -> tuple[object, ...]:
    return rule.kind, rule.condition, rule.parameters


_PLAIN: Final = re.compile(r"[^a-z0-9._-]+")
_GIT_TIMEOUT_S: Final = 5.0


def author(path: Path, *, default: str) -> str:
    """Return the git user of the work tree around a file as a source, such as ``user/ana``."""
    try:
        ended = subprocess.run(  # noqa: S603 -- fixed arguments and a folder, no shell
            ["git", "-C", str(path.parent), "config", "user.email"],  # noqa: S607 -- the git on the person's PATH
            capture_output=True,
            timeout=_GIT_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return default
    name = ended.stdout.decode(errors="replace").strip().partition("@")[0].lower()
    plain = _PLAIN.sub("-", name).strip("-")[:60]
    return f"user/{plain}" if plain else default
