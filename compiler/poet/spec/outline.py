"""Convert rules to outlines: the named constants that a template prints, each with its comment.

An outline contains plain values only. Templates convert values to literals, names to identifiers and texts to
comments, and `poet.build` refuses anything else.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import msgspec

from poet.spec.decisions import Decisions, Rule
from poet_runtime.errors import RenderError

_Shape = TypeVar("_Shape")
_NAME_LENGTH: Final = 72  # every line of a template has room for a name of this length
_RULE_ID: Final = re.compile(r"[a-z0-9_-]{1,60}")


@dataclass(frozen=True, slots=True)
class Constant:
    """A named value at the top of a generated module.

    Parameters
    ----------
    rule
        The id of the rule that the value belongs to.
    name
        The name, in capitals.
    value
        A scalar, or a tuple or frozenset of scalars.
    comment
        Why the value is what it is, printed on the lines above. The constants of one rule need it only once.
    unit
        What the number counts or is multiplied with, printed after the value: "points per hour".
    """

    rule: str
    name: str
    value: object
    comment: str
    unit: str = ""


def constant_name(rule: Rule, *parts: str) -> str:
    """Return a constant's name: the rule's id, shortened with a digest if long, and `parts` in upper case."""
    if not _RULE_ID.fullmatch(rule.id):
        raise RenderError(
            f"rule id {rule.id[:80]!a}: expected 1 to 60 of a-z, 0-9, _ and -; rename it in its learner",
        )
    head, tail = rule.id, "_".join(("", *parts))
    if len(head) + len(tail) > _NAME_LENGTH:
        digest = hashlib.sha256(rule.id.encode()).hexdigest()[:6]
        head = f"{head[: _NAME_LENGTH - len(tail) - 7]}_{digest}"
    name = (head + tail).replace("-", "_").upper()
    return name if name[0].isalpha() else f"R{name}"


def why(rule: Rule) -> str:
    """Return one sentence with the previous value of a rule and the reason for the current one.

    The first words are never text from feedback, so that no such text can act as a pragma of a tool or look
    like code.
    """
    if rule.was:
        return f"Was {rule.was}: {rule.reason}" if rule.reason else f"Was {rule.was}"
    if rule.status == "pinned" and rule.reason.startswith("pinned by "):
        return f"P{rule.reason[1:]}"
    origin = {"start": "Preset", "pinned": "Pinned"}.get(rule.status, "Learned from feedback")
    return f"{origin}: {rule.reason}" if rule.reason else origin


_CONDITIONS: Final[ContextVar[dict[str, type] | None]] = ContextVar("_CONDITIONS", default=None)


@contextmanager
def condition_types() -> Iterator[dict[str, type]]:
    """Yield a mapping that receives the type of each rule's condition, by rule id, as outlines read them."""
    found: dict[str, type] = {}
    token = _CONDITIONS.set(found)
    try:
        yield found
    finally:
        _CONDITIONS.reset(token)


def read(rule: Rule, document: dict[str, object], shape: type[_Shape]) -> _Shape:
    """Return a rule's condition or parameters converted to the type that its policy defines.

    Raises
    ------
    RenderError
        A field is missing, unknown or of the wrong type.
    """
    if (types := _CONDITIONS.get()) is not None and document is rule.condition:
        types[rule.id] = shape
    try:
        return msgspec.convert(document, shape)
    except (msgspec.ValidationError, UnicodeError) as error:
        problem = str(error).encode("ascii", "backslashreplace").decode()
        raise RenderError(
            f"rule {rule.id!r} is not a {shape.__name__} of its policy: {problem[:300]}; "
            "correct the learner that made it",
        ) from error


def finite(rule: Rule, what: str, number: float) -> float:
    """Return `number`, or raise `RenderError` if it is not finite and so not comparable."""
    if not math.isfinite(number):
        raise RenderError(
            f"rule {rule.id!r}: {what} is {number!r}, expected a finite number; keep the rule as a candidate"
        )
    return number


def only_kinds(decisions: Decisions, kinds: Sequence[str]) -> None:
    """Check that the policy's template can print the kind of every active rule."""
    for rule in decisions.active:
        if rule.kind not in kinds:
            raise RenderError(
                f"{decisions.policy}: rule {rule.id!r} has kind {rule.kind[:80]!a}, "
                f"expected one of {', '.join(kinds)}; keep the rule as a candidate or correct its learner",
            )


def single(decisions: Decisions, kind: str) -> Rule:
    """Return the single active rule of `kind`.

    Raises
    ------
    RenderError
        There is none, or more than one.
    """
    found = [rule for rule in decisions.active if rule.kind == kind]
    if len(found) != 1:
        ids = ", ".join(rule.id for rule in found) or "none"
        raise RenderError(f"{decisions.policy}: expected exactly one active rule of kind {kind!r}, got {ids}")
    return found[0]


def unique(constants: Iterable[Constant]) -> tuple[Constant, ...]:
    """Return the constants; raise `RenderError` for duplicate names."""
    found = tuple(constants)
    for name, count in Counter(constant.name for constant in found).items():
        if count > 1:
            raise RenderError(f"two rules would both name a constant {name}; rename one of the rules")
    return found


def in_order_of_use(constants: Sequence[Constant], code: str) -> tuple[tuple[Constant, ...], ...]:
    """Return the constants by rule, both the rules and their constants in the order in which code uses them.

    Raises
    ------
    RenderError
        The code does not use a constant.
    """
    first = {word: place for place, word in reversed(list(enumerate(re.findall(r"\w+", code))))}
    for constant in constants:
        if constant.name not in first:
            raise RenderError(f"the constant {constant.name} of rule {constant.rule} is not used; remove it")
    ordered = sorted(constants, key=lambda constant: first[constant.name])
    rules: dict[str, list[Constant]] = {}
    for constant in ordered:
        rules.setdefault(constant.rule, []).append(constant)
    return tuple(tuple(_commented_once(group)) for group in rules.values())


def _commented_once(group: Sequence[Constant]) -> Iterator[Constant]:
    """Yield the constants of a rule; the first one has the comments of all, each once."""
    comments = dict.fromkeys(constant.comment for constant in group if constant.comment)
    for place, constant in enumerate(group):
        yield replace(constant, comment=" ".join(comments) if place == 0 else "")
