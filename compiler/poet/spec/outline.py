"""Convert rules to outlines: the named constants that a template prints, each with its comment.

An outline contains plain values only. Templates convert values to literals, names to identifiers and texts to
comments, and `poet.build` refuses anything else.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from poet.spec.decisions import Decisions, Rule
from poet_runtime.errors import RenderError

_Shape = TypeVar("_Shape")
_NAME_LENGTH: Final = 72  # every line of a template has room for a name of this length
_RULE_ID: Final = re.compile(r"[a-z0-9_-]{1,60}")


@dataclass(frozen=True, slots=True)
class Constant:
    """One line at the top of a generated module: ``NAME = value  # comment``, and the id of its rule."""

    rule: str
    name: str
    value: object
    comment: str


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

    The first word is never text from feedback, so that no such text can act as a pragma of a tool.
    """
    if rule.was:
        return f"was {rule.was}: {rule.reason}" if rule.reason else f"was {rule.was}"
    word = {"start": "start", "pinned": "pinned"}.get(rule.status, "new")
    return f"{word}: {rule.reason}" if rule.reason else word


def read(rule: Rule, document: dict[str, object], shape: type[_Shape]) -> _Shape:
    """Return a rule's condition or parameters converted to the type that its policy defines.

    Raises
    ------
    RenderError
        A field is missing, unknown or of the wrong type.
    """
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


def in_rule_order(constants: Iterable[Constant]) -> tuple[Constant, ...]:
    """Return constants sorted by rule, stable within a rule; raise `RenderError` for duplicate names."""
    ordered = sorted(constants, key=lambda constant: constant.rule)
    names = [constant.name for constant in ordered]
    for name in names:
        if names.count(name) > 1:
            raise RenderError(f"two rules would both name a constant {name}; rename one of the rules")
    return tuple(ordered)
