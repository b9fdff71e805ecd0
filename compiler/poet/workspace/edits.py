"""Manual edits of modules, interpreted as changed values of rules or as deleted rules.

An edit is accepted only if the compiler can reproduce it: the decisions with the person's values must
render to the edited module, except for comments and spacing. A plan then contains the edits as pins and
vetoes. This module also adds pins and vetoes that people request directly.
"""

import ast
import difflib
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from poet.build.manifest import module_name, read_manifest
from poet.build.publish import published_manifest
from poet.build.render import RenderedModule
from poet.learning.configuration import LearnConfiguration
from poet.spec import Constant, policy
from poet.spec import policy as spec_of
from poet.spec.decisions import Decisions, Rule
from poet.workspace.overrides import Override, amend, author, current_overrides
from poet_runtime.errors import EditError, PoetError, RegistryError
from poet_runtime.files import atomic_write, lock
from poet_runtime.registry import (
    PublishedVersion,
    RegistryDocument,
    VersionEntry,
    as_published,
    read_document,
    read_published,
)

Rendering = Callable[[Decisions], str]
_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """A manual edit of one rule: `after` is the rule with the new values, or None if it was deleted."""

    before: Rule
    after: Rule | None
    changes: tuple[tuple[str, object, object], ...] = ()  # constant name, old and new value

    def as_override(self, policy_name: str, *, who: str, when: str, why: str) -> Override:
        """Return the edit as an override of the rule."""
        return Override(
            policy=policy_name,
            rule=self.before.id,
            action="pin" if self.after else "veto",
            kind=self.before.kind,
            condition=self.after.condition if self.after else None,
            parameters=self.after.parameters if self.after else None,
            who=who,
            when=when,
            why=why,
        )

    def __str__(self) -> str:
        if self.after is None:
            return f"{self.before.id} was deleted: it becomes a veto"
        changed = "; ".join(f"{name} {old!r} → {new!r}" for name, old, new in self.changes)
        return f"{self.before.id} was edited, {changed}: it becomes a pin"


def find_edits(path: Path, published: bytes, decisions: Decisions, render: Rendering) -> tuple[Edit, ...]:
    """Return the manual edits of a module; none if it is unchanged since it was published.

    Parameters
    ----------
    path
        The module.
    published
        The bytes that were published under this name.
    decisions
        The decisions that it was rendered from.
    render
        Returns the source of decisions with the templates of the workspace.

    Raises
    ------
    EditError
        The change is neither a new value of a rule nor a deleted rule, or the compiler refuses the value.
    """
    try:
        content = path.read_bytes()
        if content == published:
            return ()
        edited_tree, original_tree = ast.parse(content), ast.parse(published)
    except (OSError, SyntaxError, ValueError) as error:
        raise _rejected(path, f"it cannot be read as Python: {error}") from error
    edited, original = _constants(edited_tree), _constants(original_tree)
    if half := [name for name, value in edited.items() if _has_half_letters(value)]:
        raise _rejected(
            path,
            f"{half[0]} contains half of a surrogate pair, which no file can; write the character",
        )
    if new := sorted(edited.keys() - original.keys()):
        raise _rejected(path, f"{new[0]} is not a name from its decisions")
    intended, edits = _without_deleted(path, decisions, edited, original)
    for name in sorted(edited.keys() & original.keys()):
        if edited[name] != original[name]:
            intended = _with(path, intended, name, original[name], edited[name])
    edits += _edits(decisions, intended, original, edited)
    try:
        rendered = ast.parse(render(intended))
    except PoetError as error:
        raise _rejected(path, f"the compiler refuses the new value: {error}") from error
    if _shape(rendered) != _shape(edited_tree):
        raise _rejected(path, _first_difference(rendered, edited_tree))
    if not edits:
        raise _rejected(path, "only comments or spacing were changed")
    return tuple(edits)


def _without_deleted(
    path: Path, decisions: Decisions, edited: Mapping[str, object], original: Mapping[str, object]
) -> tuple[Decisions, list[Edit]]:
    """Remove the rules whose constants have all been deleted."""
    names: dict[str, set[str]] = {}
    for constant in _outlined(decisions):
        names.setdefault(constant.rule, set()).add(constant.name)
    missing = original.keys() - edited.keys()
    gone = {rule for rule, own in names.items() if own & missing}
    for rule in sorted(gone):
        if left := names[rule] - missing:
            raise _rejected(path, f"rule {rule} was deleted only in part: {min(left)} remains")
    kept = tuple(rule for rule in decisions.rules if rule.id not in gone)
    edits = [Edit(rule, None) for rule in decisions.active if rule.id in gone]
    return msgspec.structs.replace(decisions, rules=kept), edits


def _with(path: Path, decisions: Decisions, name: str, old: object, new: object) -> Decisions:
    """Return the decisions with the one value changed that changes this constant and no other."""
    rule_id = next((each.rule for each in _outlined(decisions) if each.name == name), None)
    if rule_id is None:
        raise _rejected(path, f"{name} belongs to no rule")
    before = {each.name: each.value for each in _outlined(decisions)}
    wanted = {**before, name: new}
    found: list[Decisions] = []
    for field, where in _leaves(next(rule for rule in decisions.active if rule.id == rule_id), old):
        changed = _replaced(decisions, rule_id, field, where, new)
        try:
            after = {each.name: each.value for each in _outlined(changed)}
        except PoetError:
            continue
        if {key: _plain(value) for key, value in after.items()} == {
            key: _plain(value) for key, value in wanted.items()
        }:
            found.append(changed)
    if len(found) != 1:
        raise _rejected(path, f"{name} = {new!r} is not a valid value for rule {rule_id}, which had {old!r}")
    return found[0]


def _leaves(rule: Rule, value: object) -> Iterator[tuple[str, _Path]]:
    for field in ("condition", "parameters"):
        for where, leaf in _walk(getattr(rule, field), ()):
            if _is_same(leaf, value):
                yield field, where


def _walk(document: Any, where: _Path) -> Iterator[tuple[_Path, object]]:
    if where:
        yield where, document
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from _walk(value, (*where, str(key)))
    elif isinstance(document, list | tuple):
        for index, value in enumerate(document):
            yield from _walk(value, (*where, index))


def _replaced(decisions: Decisions, rule_id: str, field: str, where: _Path, new: object) -> Decisions:
    def put(document: Any, rest: _Path) -> Any:
        if not rest:
            return sorted(new) if isinstance(new, frozenset) else list(new) if isinstance(new, tuple) else new
        if isinstance(document, Mapping):
            return {key: put(value, rest[1:]) if key == rest[0] else value for key, value in document.items()}
        return [put(value, rest[1:]) if index == rest[0] else value for index, value in enumerate(document)]

    rules = tuple(
        msgspec.structs.replace(rule, **{field: put(getattr(rule, field), where)})
        if rule.id == rule_id
        else rule
        for rule in decisions.rules
    )
    return msgspec.structs.replace(decisions, rules=rules)


def _edits(
    decisions: Decisions, intended: Decisions, original: Mapping[str, object], edited: Mapping[str, object]
) -> list[Edit]:
    now = {rule.id: rule for rule in intended.rules}
    rule_of = {each.name: each.rule for each in _outlined(decisions)}
    found = []
    for rule in decisions.active:
        after = now.get(rule.id)
        if after is not None and after != rule:
            changes = tuple(
                (name, original[name], edited[name])
                for name in sorted(original)
                if rule_of.get(name) == rule.id and name in edited and original[name] != edited[name]
            )
            found.append(Edit(rule, after, changes))
    return found


def _outlined(decisions: Decisions) -> tuple[Constant, ...]:
    constants = policy(decisions.policy).outline(decisions)["constants"]
    return constants if isinstance(constants, tuple) else ()


def _has_half_letters(value: object) -> bool:
    if isinstance(value, str):
        return any("\ud800" <= letter <= "\udfff" for letter in value)
    return isinstance(value, frozenset | list | tuple) and any(map(_has_half_letters, value))


def _constants(tree: ast.Module) -> dict[str, object]:
    found: dict[str, object] = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.Assign) and isinstance(target, ast.Name) and target.id.isupper():
            found[target.id] = _literal(node.value)
    return found


def _literal(node: ast.expr) -> object:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "frozenset":
        return frozenset(ast.literal_eval(node.args[0])) if node.args else frozenset()
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def _is_same(leaf: object, value: object) -> bool:
    """Return whether a leaf of a document equals a constant; a set equals a list in any order."""
    if isinstance(value, frozenset):
        return isinstance(leaf, list | tuple | frozenset) and _plain(frozenset(leaf)) == _plain(value)
    return _plain(leaf) == _plain(value)


def _plain(value: object) -> object:
    """Return a comparable value: sets sorted, tuples as lists, integers distinct from booleans."""
    if isinstance(value, frozenset | set):
        return ["list", *sorted(map(repr, value))]
    if isinstance(value, list | tuple):
        return ["list", *map(repr, value)]
    return repr(value) if isinstance(value, bool | str) else value


def _shape(tree: ast.Module) -> list[str]:
    """Return a module without its imports, as a deleted rule may leave imports of its primitives.

    An integer equals the number that the compiler writes for it: 2 equals 2.0.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) is int:
            node.value = float(node.value)
    return [ast.dump(node) for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]


def _first_difference(rendered: ast.Module, edited_tree: ast.Module) -> str:
    before, after = (ast.unparse(each).splitlines() for each in (rendered, edited_tree))
    for line in difflib.unified_diff(before, after, lineterm="", n=0):
        if line.startswith("+") and not line.startswith("+++"):
            return f"this cannot be expressed as a rule: {line[1:].strip()}"
    return "code is missing that every version contains"


def _rejected(path: Path, why: str) -> EditError:
    return EditError(
        f"{path} was edited by hand, and {why}. A changed value of a rule becomes a pin and a deleted "
        f"rule becomes a veto; any other change belongs in templates/. Restore the file "
        f"(`git checkout -- {path.name}`, or delete it: `poet compile` writes it again), or edit one of its "
        "constants"
    )


LOCK_TIMEOUT_S: Final = 30.0


def restore_modules(generated: Path) -> None:
    """Restore modules that are missing or differ from the published ones only in line endings.

    A module that a person edited is left unchanged.
    """
    lost = [
        published
        for entry in read_document(generated).policies.values()
        for version in entry.versions.values()
        if (published := _published(generated, version)) is not None
        and published.state in ("missing", "line ends")
    ]
    if not lost:
        return
    with lock(generated, timeout_s=LOCK_TIMEOUT_S):
        for each in lost:
            atomic_write(each.path, each.source)


def _published(generated: Path, version: VersionEntry) -> PublishedVersion | None:
    try:
        return read_published(generated, version)
    except RegistryError:
        return None  # the code that needs the version reports the problem


def manual_edits(
    name: str,
    document: RegistryDocument,
    generated: Path,
    rendering: Callable[[Decisions], RenderedModule],
    who: str,
    at: str,
) -> tuple[tuple[Edit, ...], tuple[Override, ...]]:
    """Return the manual edits of the active version's module, and the overrides that they express."""
    active = document.active(name)
    if active is None:
        return (), ()
    manifest = read_manifest(generated, name, active)
    path = generated / f"{module_name(name, active)}.py"
    if not path.is_file() or as_published(path.read_bytes(), manifest.source_sha256) is not None:
        return (), ()
    published = rendering(manifest.decisions).source.encode()
    if hashlib.sha256(published).hexdigest() != manifest.source_sha256:
        raise EditError(
            f"{path} was edited by hand, and its template has changed since it was published, so the edit "
            f"cannot be rendered; restore the file (`git checkout -- {path.name}`, or delete it) and compile "
            "first"
        )
    edits = find_edits(path, published, manifest.decisions, lambda each: rendering(each).source)
    who = author(path, default=who)
    return edits, tuple(
        each.as_override(name, who=who, when=at, why=f"edited version {active}") for each in edits
    )


def with_overrides(configuration: LearnConfiguration, overrides: Iterable[Override]) -> LearnConfiguration:
    """Return the configuration with all pins and vetoes, from poet.toml and from pins.json."""
    pins, vetoes = (
        {name: set(rules) for name, rules in each.items()}
        for each in (configuration.pins, configuration.vetoes)
    )
    for (name, rule), override in current_overrides(overrides).items():
        if override.action != "release":
            (pins if override.action == "pin" else vetoes).setdefault(name, set()).add(rule)
    return msgspec.structs.replace(
        configuration,
        pins={name: tuple(sorted(rules)) for name, rules in sorted(pins.items())},
        vetoes={name: tuple(sorted(rules)) for name, rules in sorted(vetoes.items())},
    )


def adjustments(
    champion: Decisions, edits: Iterable[Edit], overrides: Iterable[Override]
) -> Iterator[tuple[str, dict[str, object], str, str]]:
    """Yield the events of manually edited thresholds: type, payload, source and a stable id.

    A rule without features applies to every feature, which is recorded as the feature ``*``.
    """
    if not spec_of(champion.policy).emits_threshold_adjustments:
        return
    who = {override.rule: override.who for override in overrides}
    for edit in edits:
        features = edit.before.condition.get("features")
        named = features if isinstance(features, list | tuple) and features else ("*",)
        thresholds = [change for change in edit.changes if isinstance(change[1], float)]
        for (name, old, new), feature in itertools.product(thresholds, named):
            key = f"{champion.version} {edit.before.id} {name} {feature} {new!r}"
            data = {
                "feature": feature,
                "old_threshold": old,
                "manually_adjusted_to": new,
                "reason": f"{name} edited in version {champion.version}",
            }
            identity = f"edit-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
            yield "threshold.adjustment", data, who[edit.before.id], identity


def pin_override(
    generated: Path,
    name: str,
    rule: str,
    values: Mapping[str, object],
    rendering: Callable[[Decisions], RenderedModule],
    *,
    who: str,
    at: str,
    why: str,
) -> Override:
    """Return the pin of a rule of the active version, with other parameters if given.

    Raises
    ------
    EditError
        There is no such rule, or the values are not valid for it.
    """
    active = read_document(generated).active(name)
    if active is None:
        raise EditError(f"{name} is not published; `poet compile {name}` first")
    champion = published_manifest(generated, name, active).decisions
    found = next((each for each in champion.active if each.id == rule), None)
    if found is None:
        known = ", ".join(each.id for each in champion.active)
        raise EditError(f"{name} version {active} has no rule {rule!r}; it has {known}")
    if unknown := sorted(values.keys() - found.parameters.keys()):
        raise EditError(f"{rule} has no parameter {unknown[0]!r}; it has {', '.join(found.parameters)}")
    override = Override(
        policy=name,
        rule=rule,
        action="pin",
        kind=found.kind,
        condition=found.condition,
        parameters={**found.parameters, **values},
        who=who,
        when=at,
        why=why,
    )
    from poet.build.check import check  # noqa: PLC0415 -- see `poet.workspace.pipeline`

    try:
        check(rendering(amend(champion, [override])))
    except PoetError as error:
        raise EditError(f"{rule} cannot have these values: {error}") from error
    return override
