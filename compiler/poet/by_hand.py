"""What people did by hand to rules, on its way into a plan: edits read, pins and vetoes said."""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from poet.decisions import Decisions
from poet.edits import Edit, Word, add_words, amend, author, find_edits, last_words
from poet.errors import EditError, PoetError, RegistryError
from poet.files import atomic_write, lock
from poet.learn.configuration import LearnConfiguration
from poet.policies import policy as spec_of
from poet.publish import module_name, published_manifest, read_manifest
from poet.registry import (
    PublishedVersion,
    RegistryDocument,
    VersionEntry,
    as_published,
    read_document,
    read_published,
)
from poet.render import RenderedModule

__all__ = ["adjustments", "edited", "pinned", "put_back", "say", "with_words"]

PATIENCE_S = 30.0


def put_back(generated: Path) -> None:
    """Write the modules again that are missing, or that differ from what was published in line ends alone.

    A module that a person edited stays as it is.
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
    with lock(generated, timeout_s=PATIENCE_S):
        for each in lost:
            atomic_write(each.path, each.source)


def _published(generated: Path, version: VersionEntry) -> PublishedVersion | None:
    try:
        return read_published(generated, version)
    except RegistryError:
        return None  # whoever needs the version says what is wrong with it


def edited(
    name: str,
    document: RegistryDocument,
    generated: Path,
    rendering: Callable[[Decisions], RenderedModule],
    who: str,
    at: str,
) -> tuple[tuple[Edit, ...], tuple[Word, ...]]:
    """Read what a person changed in the active version's module, and say it as words on rules."""
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
    who = author(path, otherwise=who)
    return edits, tuple(each.word(name, who=who, when=at, why=f"edited version {active}") for each in edits)


def with_words(configuration: LearnConfiguration, words: Iterable[Word]) -> LearnConfiguration:
    """Give the configuration with all pins and vetoes: those of poet.toml and people's last words."""
    pins, vetoes = (
        {name: set(rules) for name, rules in each.items()}
        for each in (configuration.pins, configuration.vetoes)
    )
    for (name, rule), word in last_words(words).items():
        if word.word != "release":
            (pins if word.word == "pin" else vetoes).setdefault(name, set()).add(rule)
    return msgspec.structs.replace(
        configuration,
        pins={name: tuple(sorted(rules)) for name, rules in sorted(pins.items())},
        vetoes={name: tuple(sorted(rules)) for name, rules in sorted(vetoes.items())},
    )


def adjustments(
    champion: Decisions, edits: Iterable[Edit], words: Iterable[Word]
) -> Iterator[tuple[str, dict[str, object], str, str]]:
    """Give the events that tell of thresholds edited by hand: type, payload, source, and an id for ever.

    A rule that names no feature holds for every one, which is told as the feature ``*``.
    """
    if not spec_of(champion.policy).emits_threshold_adjustments:
        return
    who = {word.rule: word.who for word in words}
    for edit in edits:
        features = edit.before.condition.get("features")
        named = features if isinstance(features, list | tuple) and features else ("*",)
        moved = [change for change in edit.changes if isinstance(change[1], float)]
        for (name, old, new), feature in itertools.product(moved, named):
            told = f"{champion.version} {edit.before.id} {name} {feature} {new!r}"
            data = {
                "feature": feature,
                "old_threshold": old,
                "manually_adjusted_to": new,
                "reason": f"{name} edited in version {champion.version}",
            }
            identity = f"edit-{hashlib.sha256(told.encode()).hexdigest()[:24]}"
            yield "threshold.adjustment", data, who[edit.before.id], identity


def say(generated: Path, words: Sequence[Word]) -> None:
    """Keep people's words on rules beside the versions."""
    if words:
        with lock(generated, timeout_s=PATIENCE_S):
            add_words(generated, words)


def pinned(
    generated: Path,
    name: str,
    rule: str,
    values: Mapping[str, object],
    rendering: Callable[[Decisions], RenderedModule],
    *,
    who: str,
    at: str,
    why: str,
) -> Word:
    """Say that a rule of the active version stays, with other parameters where they are given.

    Raises
    ------
    EditError
        There is no such rule, or it cannot have these values.
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
    word = Word(
        policy=name,
        rule=rule,
        word="pin",
        kind=found.kind,
        condition=found.condition,
        parameters={**found.parameters, **values},
        who=who,
        when=at,
        why=why,
    )
    from poet.check import check  # noqa: PLC0415 -- see `poet.pipeline`

    try:
        check(rendering(amend(champion, [word])))
    except PoetError as error:
        raise EditError(f"{rule} cannot have these values: {error}") from error
    return word
