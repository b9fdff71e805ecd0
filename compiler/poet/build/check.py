"""Prove that a rendered module has the shape of its template and is in the policy dialect.

The shape of a module is its syntax tree without literals, comments and layout. If a rendered module has the
same shape as one rendered from harmless placeholders, no text from feedback became code. The dialect is the
subset of Python that a policy may be written in (`poet.build.dialect`).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

import libcst as cst

from poet.build.dialect import BODY_RULES, MODULE_RULES, Refusal, parse
from poet.build.render import RenderedModule
from poet.spec import policy as spec_of
from poet_runtime.errors import CheckError

# Layout is not part of the shape, and neither are commas and brackets: their meaning (a tuple, a call, the
# order of evaluation) is in the type and position of the nodes.
_LAYOUT: Final = (
    cst.BaseParenthesizableWhitespace,
    cst.TrailingWhitespace,
    cst.EmptyLine,
    cst.Comment,
    cst.Newline,
    cst.Comma,
    cst.LeftParen,
    cst.RightParen,
    cst.Semicolon,
)
_LAYOUT_FIELDS: Final = frozenset(
    {
        "comma",
        "lpar",
        "rpar",
        "leading_lines",
        "lines_after_decorators",
        "header",
        "footer",
        "semicolon",
        "indent",
        "encoding",
        "default_indent",
        "default_newline",
        "has_trailing_newline",
        "trailing_whitespace",
    }
)
_NUMBERS: Final = (cst.Integer, cst.Float)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference between two trees: a path of fields, and the value of each tree there."""

    path: str
    left: str
    right: str


def same_shape(a: str, b: str) -> bool:
    """Return whether two modules differ only in literals, comments and layout.

    Raises
    ------
    CheckError
        One of them is not Python.
    """
    return difference(a, b) is None


def difference(a: str, b: str) -> Difference | None:
    """Return the first difference between the shapes of two modules, or None if they are equal.

    Raises
    ------
    CheckError
        One of them is not Python.
    """
    return _first(_parsed(a), _parsed(b), "module")


def _parsed(source: str) -> cst.Module:
    try:
        return cst.parse_module(source)
    except (cst.ParserSyntaxError, cst.CSTValidationError, UnicodeError, ValueError) as error:
        raise CheckError(f"not a Python module: {error}; correct the template that printed it") from error


def _first(a: object, b: object, path: str) -> Difference | None:
    if isinstance(a, cst.CSTNode) and isinstance(b, cst.CSTNode):
        if type(a) is not type(b) and not (_is_number(a) and _is_number(b)):
            return Difference(path, type(a).__name__, type(b).__name__)
        return None if _is_blank(a, b) else _first_of_children(a, b, path)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        if len(a) != len(b):
            return Difference(path, f"{len(a)} parts", f"{len(b)} parts")
        pairs = zip(a, b, strict=True)
        found = (_first(one, other, f"{path}[{place}]") for place, (one, other) in enumerate(pairs))
        return next((each for each in found if each), None)
    return None if a == b else Difference(path, ascii(a), ascii(b))


def _first_of_children(a: cst.CSTNode, b: cst.CSTNode, path: str) -> Difference | None:
    for name in _shaping(a):
        one, other = getattr(a, name), getattr(b, name)
        if isinstance(one, _LAYOUT) or isinstance(other, _LAYOUT):
            continue
        if found := _first(one, other, f"{path}.{name}"):
            return found
    return None


def _shaping(node: cst.CSTNode) -> Iterator[str]:
    return (
        each.name
        for each in fields(node)
        if each.name not in _LAYOUT_FIELDS and not each.name.startswith("whitespace")
    )


def _is_blank(a: cst.CSTNode, b: cst.CSTNode) -> bool:
    if isinstance(a, cst.SimpleString) and isinstance(b, cst.SimpleString):
        return a.prefix == b.prefix
    return _is_number(a) and _is_number(b)


def _is_number(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.UnaryOperation):
        return isinstance(node.operator, cst.Minus) and isinstance(node.expression, _NUMBERS)
    return isinstance(node, _NUMBERS)


def refusals(source: str, policy: str, *, imports: tuple[str, ...] = ()) -> tuple[Refusal, ...]:
    """Return everything in a module that the dialect refuses, in source order.

    `imports` are packages that the policy may import in addition to those allowed for every policy.

    Raises
    ------
    CheckError
        The source is not Python.
    """
    tree = parse(source, policy, imports=imports)
    found = {each for rule in (*MODULE_RULES, *BODY_RULES) for each in rule(tree)}
    return tuple(sorted(found, key=lambda each: (each.line, each.what)))


def check_dialect(source: str, policy: str, *, imports: tuple[str, ...] = ()) -> None:
    """Check that a module is in the policy dialect.

    Raises
    ------
    CheckError
        It is not. The message lists each line, what is wrong there and the next step.
    """
    if found := refusals(source, policy, imports=imports):
        raise CheckError(
            f"{policy}: the module is not in the dialect of policies\n  " + "\n  ".join(map(str, found))
        )


@dataclass(frozen=True, slots=True)
class CheckedModule:
    """A rendered module that passed `check`; `sha256` is the digest of its UTF-8 bytes."""

    rendered: RenderedModule
    sha256: str


def check(rendered: RenderedModule) -> CheckedModule:
    """Check that no text from feedback became code and that the code is in the policy dialect.

    Raises
    ------
    CheckError
        The shapes differ, or the dialect refuses something.
    """
    policy = rendered.decisions.policy
    if found := difference(rendered.source, rendered.shape):
        raise CheckError(
            f"{policy}: a text in the decisions changed the code at {found.path}: {found.left} where the "
            f"template gives {found.right}; print that value with the literal filter",
        )
    check_dialect(rendered.source, policy, imports=spec_of(policy).imports)
    return CheckedModule(rendered, hashlib.sha256(rendered.source.encode()).hexdigest())
