"""Manual edits of modules, interpreted as changed, new or deleted rules.

An edit is accepted only if the compiler can reproduce it: the decisions that it expresses must render to the
edited module, except for names of constants, comments and spacing (`poet.workspace.edit_search`). A plan then
contains the edits as pins and vetoes. This module also adds pins and vetoes that people request directly.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from poet.build.manifest import module_name, read_manifest
from poet.build.publish import has_package_types, published_manifest, write_package_types
from poet.build.render import RenderedModule, source_renderer
from poet.build.source import literal
from poet.learning.configuration import LearnConfiguration
from poet.spec import Constant, policy
from poet.spec import policy as spec_of
from poet.spec.decisions import Decisions, Rule
from poet.workspace.edit_search import EditSearch
from poet.workspace.normal_form import Interner, NormalForm, UnreadableModuleError, literal_key, normal_form
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
Change = tuple[str, object, object]  # constant or field, old and new value

_SHOWN: Final = 80  # letters of a value or a line in messages


@dataclass(frozen=True, slots=True)
class Edit:
    """A manual edit of one rule.

    `before` is None if the edit added the rule, `after` is None if it deleted the rule.
    """

    before: Rule | None
    after: Rule | None
    changes: tuple[Change, ...] = ()

    @property
    def rule(self) -> Rule:
        """Return the rule before the edit, or the new rule."""
        rule = self.before or self.after
        if rule is None:
            raise ValueError("an edit needs the rule before or after it")
        return rule

    def as_override(self, policy_name: str, *, who: str, when: str, why: str) -> Override:
        """Return the edit as an override of the rule."""
        return Override(
            policy=policy_name,
            rule=self.rule.id,
            action="pin" if self.after else "veto",
            kind=self.rule.kind,
            condition=self.after.condition if self.after else None,
            parameters=self.after.parameters if self.after else None,
            who=who,
            when=when,
            why=why,
        )

    def __str__(self) -> str:
        if self.after is None:
            return f"{self.rule.id} was deleted: it becomes a veto"
        if self.before is None:
            return f"{self.rule.id} was added: it becomes a pin"
        changed = "; ".join(f"{name} {_shown(old)} → {_shown(new)}" for name, old, new in self.changes)
        return f"{self.rule.id} was edited, {changed}: it becomes a pin"


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
        Returns the source of decisions with the templates of the workspace. It is called up to
        `edit_search.MOST_RENDERINGS` times.

    Raises
    ------
    EditError
        No decisions render to the edited module, or only its comments or spacing were changed.
    """
    interner = Interner()
    content = b""
    try:
        content = path.read_bytes()
        if content == published:
            return ()
        edited, original = normal_form(content, interner), normal_form(published, interner)
    except SyntaxError as error:
        place = _Place(content, error.lineno or 1)
        raise _rejected(path, f"it cannot be read as Python: {error.msg}", place) from error
    except UnreadableModuleError as error:
        raise _rejected(path, str(error), _Place(content, error.line)) from error
    except (OSError, ValueError, RecursionError) as error:
        raise _rejected(path, f"it cannot be read as Python: {error}") from error
    _require_readable(path, content, edited, original)
    search = EditSearch(decisions, edited, render, interner)
    found = search.reading()
    if found is None:
        raise _unreadable(path, content, edited, search, render)
    return tuple(_edits(decisions, found))


def _require_readable(path: Path, content: bytes, edited: NormalForm, original: NormalForm) -> None:
    """Raise an error for what needs no search: half characters, unused constants, an edit without effect."""
    for each in edited.literals:
        if _has_half_letters(each.value):
            why = "the text contains half of a surrogate pair, which no file can; write the character"
            raise _rejected(path, why, _Place(content, each.line))
    kept = {name for name, _ in original.constants & edited.constants}
    templates_own = {name for name, _ in original.unused}
    for name, line in edited.unused:
        if name in templates_own - kept:
            raise _rejected(path, f"{name} is not a value of a rule", _Place(content, line))
        if name not in kept:
            why = f"{name} is not used by the function; use it or delete it"
            raise _rejected(path, why, _Place(content, line))
    if missing := templates_own - {name for name, _ in edited.constants}:
        raise _rejected(path, f"{min(missing)} is missing")
    if edited.is_equal(original):
        raise _rejected(path, "only names, comments or spacing were changed, which the compiler writes")


@dataclass(frozen=True, slots=True)
class _Place:
    """A line of a module, and the text there."""

    content: bytes
    line: int

    @property
    def text(self) -> str:
        lines = self.content.decode(errors="replace").splitlines()
        text = lines[self.line - 1].strip() if self.line <= len(lines) else ""
        return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _unreadable(
    path: Path, content: bytes, edited: NormalForm, search: EditSearch, render: Rendering
) -> EditError:
    """Return the error for a module that no decisions render to: where the nearest ones differ, and how."""
    source = render(search.nearest)
    nearest = normal_form(source, Interner())
    line, compiled, is_literal = edited.first_difference(nearest)
    place, written = _Place(content, line), _Place(source.encode(), compiled).text
    rule, refusal = search.refused_deletion()
    if refusal:
        return _rejected(path, f"rule {rule} cannot be deleted: {refusal}", place)
    if search.is_reordered:
        why = f"the compiler has the rules in another order and writes `{written}` here; move this"
    elif edited.labels == nearest.labels:
        index = edited.differing(nearest)[0]
        place = _Place(content, edited.literals[index].line)
        why = _refused_value(search, index, nearest.literals[index].value, edited.literals[index].value)
    elif is_literal:
        why = "a text or a number here is not a value of a rule"
    elif written == place.text and edited.has_other_import(nearest):
        why = "a name in this line is imported from another module than before"
    elif written == place.text:
        why = "the code from this line on is not a form that a rule can have; use `poet pin`"
    else:
        why = f"this is not a form that a rule can have; the compiler writes `{written}` here"
    return _rejected(path, why, place)


def _refused_value(search: EditSearch, index: int, old: object, new: object) -> str:
    rule, refusal = search.refusal(index)
    if not rule:
        return f"{_shown(old)} is not a value of a rule, so it cannot become {_shown(new)}"
    if not refusal:
        return f"with {_shown(new)} instead of {_shown(old)}, rule {rule} needs other code; use `poet pin`"
    return f"rule {rule} cannot have {_shown(new)} instead of {_shown(old)}: {refusal}"


def _shown(value: object) -> str:
    try:
        shown: str = literal(tuple(value) if isinstance(value, list) else value)
    except PoetError:
        shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}..."


def _edits(decisions: Decisions, intended: Decisions) -> Iterator[Edit]:
    """Yield the difference between two decisions, by rule."""
    before, after = ({rule.id: rule for rule in each.active} for each in (decisions, intended))
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield Edit(before[name], None)
        elif name not in before:
            yield Edit(None, after[name])
        elif before[name] != after[name]:
            named = tuple(_changed_constants(decisions, intended, name))
            shown = {literal_key(_plain(new)) for _, _, new in named}
            fields = (
                change
                for change in _changed_fields(before[name], after[name])
                if literal_key(_plain(change[2])) not in shown
            )
            yield Edit(before[name], after[name], (*named, *fields))


def _changed_constants(decisions: Decisions, intended: Decisions, rule: str) -> Iterator[Change]:
    before, after = (
        {each.name: each.value for each in _outlined(decided) if each.rule == rule}
        for decided in (decisions, intended)
    )
    for name in sorted(before.keys() & after.keys()):
        if literal_key(before[name]) != literal_key(after[name]):
            yield name, before[name], after[name]


def _changed_fields(before: Rule, after: Rule) -> Iterator[Change]:
    for field in ("condition", "parameters"):
        yield from _differences(getattr(before, field), getattr(after, field), "")


def _differences(old: object, new: object, name: str) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{name}.{key}" if name else str(key))
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple) and _are_records(old, new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, other, f"{name}[{index}]")
    elif old != new:
        yield name, old, new


def _are_records(old: Sequence[object], new: Sequence[object]) -> bool:
    return len(old) == len(new) and all(isinstance(each, Mapping) for each in (*old, *new))


def _plain(value: object) -> object:
    """Return what a constant and the field that it shows have in common."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, list | tuple | frozenset):
        is_plain = not any(isinstance(each, Mapping | list | tuple) for each in value)
        return frozenset(value) if is_plain else value
    return value


def _outlined(decisions: Decisions) -> tuple[Constant, ...]:
    constants = policy(decisions.policy).outline(decisions)["constants"]
    return constants if isinstance(constants, tuple) else ()


def _has_half_letters(value: object) -> bool:
    if isinstance(value, str):
        return any("\ud800" <= letter <= "\udfff" for letter in value)
    return isinstance(value, frozenset | tuple) and any(map(_has_half_letters, value))


def _rejected(path: Path, why: str, place: _Place | None = None) -> EditError:
    where = f" in line {place.line}, `{place.text}`" if place else ""
    return EditError(
        f"{path} was edited by hand{where}: {why}. A changed value or condition, a new rule of a form that "
        "exists and a deleted rule are read back. For anything else use `poet pin` or `poet veto`, or edit "
        f"the template in templates/. Restore the file (`git checkout -- {path.name}`, or delete it: "
        "`poet compile` writes it again)"
    )


LOCK_TIMEOUT_S: Final = 30.0


def restore_modules(generated: Path) -> None:
    """Restore modules that are missing or differ from the published ones only in line endings.

    A module that a person edited is left unchanged. The types of the package are written again as well.
    """
    document = read_document(generated)
    lost = [
        published
        for entry in document.policies.values()
        for version in entry.versions.values()
        if (published := _published(generated, version)) is not None
        and published.state in ("missing", "line ends")
    ]
    if not lost and (not document.policies or has_package_types(generated, document)):
        return
    with lock(generated, timeout_s=LOCK_TIMEOUT_S):
        for each in lost:
            atomic_write(each.path, each.source)
        write_package_types(generated)


def _published(generated: Path, version: VersionEntry) -> PublishedVersion | None:
    try:
        return read_published(generated, version)
    except RegistryError:
        return None  # the code that needs the version reports the problem


def manual_edits(
    name: str,
    document: RegistryDocument,
    generated: Path,
    templates: Path | None,
    who: str,
    at: str,
) -> tuple[tuple[Edit, ...], tuple[Override, ...]]:
    """Return the manual edits of the active version's module, and the overrides that they express.

    `templates` is the folder of templates that take precedence over the built-in ones.
    """
    active = document.active(name)
    if active is None:
        return (), ()
    manifest = read_manifest(generated, name, active)
    path = generated / f"{module_name(name, active)}.py"
    if not path.is_file() or as_published(path.read_bytes(), manifest.source_sha256) is not None:
        return (), ()
    rendering = source_renderer(name, overrides=templates)
    published = rendering(manifest.decisions).encode()
    if hashlib.sha256(published).hexdigest() != manifest.source_sha256:
        raise EditError(
            f"{path} was edited by hand, and its template has changed since it was published, so the edit "
            f"cannot be rendered; restore the file (`git checkout -- {path.name}`, or delete it) and compile "
            "first"
        )
    edits = find_edits(path, published, manifest.decisions, rendering)
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
        features = edit.rule.condition.get("features")
        named = features if isinstance(features, list | tuple) and features else ("*",)
        thresholds = [change for change in edit.changes if isinstance(change[1], float)]
        for (name, old, new), feature in itertools.product(thresholds, named):
            key = f"{champion.version} {edit.rule.id} {name} {feature} {new!r}"
            data = {
                "feature": feature,
                "old_threshold": old,
                "manually_adjusted_to": new,
                "reason": f"{name} edited in version {champion.version}",
            }
            identity = f"edit-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
            yield "threshold.adjustment", data, who[edit.rule.id], identity


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
