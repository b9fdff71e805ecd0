"""`pins.json`: people's word on rules, one after the other; the last word on a rule counts."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from poet.errors import EditError
from poet.files import JsonDocument, atomic_write, to_json

__all__ = ["FILE", "Word", "add_words", "last_words", "read_words"]

FILE = "pins.json"
FORMAT = 1


class Word(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's word on one rule. A pin without values keeps those that the rule has."""

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
    """Read every word, oldest first; none where there is no file.

    Raises
    ------
    EditError
        The file is not one of ours.
    """
    document = _DOCUMENT.read_if_exists(generated / FILE)
    return () if document is None else document.words


def add_words(generated: Path, words: Sequence[Word]) -> None:
    """Add words at the end; what stands as the last word on its rule already is not said again.

    Only while the folder's lock is held.
    """
    known = list(read_words(generated))
    for word in words:
        last = last_words(known).get((word.policy, word.rule))
        if last is None or _says(last) != _says(word):
            known.append(word)
    atomic_write(generated / FILE, to_json(_Document(words=tuple(known))))


def last_words(words: Iterable[Word]) -> Mapping[tuple[str, str], Word]:
    """Give the last word on each rule, by policy and rule."""
    return {(word.policy, word.rule): word for word in words}


def _says(word: Word) -> tuple[object, ...]:
    return word.word, word.kind, word.condition, word.parameters
