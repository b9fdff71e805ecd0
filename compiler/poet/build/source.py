"""The only ways in which a value becomes source text.

A value that a template prints has been through `literal`, `identifier`, `constant` or `comment`, each of
which answers with `Source`; `only_source` refuses everything else. So text from feedback can be the
content of a string or of a comment, and nothing else.
"""

import keyword
import math
import re
import textwrap
from collections.abc import Sequence
from typing import Final

import jinja2

from poet.spec import Constant
from poet_runtime.errors import RenderError

LINE_LENGTH: Final = 110
_COMMENT_LENGTH: Final = 300
_ESCAPES: Final = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPOKEN: Final = frozenset("–—‘’“”…≤≥≠×±σδ€")  # noqa: RUF001 - what a reason may say beside Latin letters


class Source(str):
    """Text that may stand in generated source as it is."""

    __slots__ = ()


def only_source(value: object) -> Source:
    """Refuse what a template would print without a filter of this module.

    Raises
    ------
    RenderError
        The template printed a bare value.
    """
    if isinstance(value, Source):
        return value
    raise RenderError(
        f"the template prints {_shortened(value)} as it is; "
        "print values with literal, identifier, constant or comment",
    )


def literal(value: object) -> Source:
    """Write a value as a Python literal: ASCII only, the same bytes for equal values.

    Takes str, bool, int, finite float, None, and tuples, lists and (sorted) frozensets of them.

    Raises
    ------
    RenderError
        The value has no literal.
    """
    if value is None or isinstance(value, bool):
        return Source(value)
    if isinstance(value, str):
        return Source(_text(value))
    if isinstance(value, int):
        return Source(_whole(value))
    if isinstance(value, float):
        return Source(_float(value))
    opening, closing = _brackets(value)
    items = _items(value)
    comma = "," if isinstance(value, tuple) and len(items) == 1 else ""
    return Source(opening + ", ".join(items) + comma + closing)


def identifier(value: object) -> Source:
    """Write a name that the compiler made.

    Raises
    ------
    RenderError
        The value is not a plain ASCII name.
    """
    if (
        isinstance(value, str)
        and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,199}", value)
        and not keyword.iskeyword(value)
    ):
        return Source(value)
    raise RenderError(
        f"{_shortened(value)} is not a name; an identifier is a letter, then letters, digits and _"
    )


def comment(value: object) -> Source:
    """Write a text for behind a ``#``: one line, no control characters, cut at 300 characters.

    Raises
    ------
    RenderError
        The value is not a text.
    """
    if not isinstance(value, str):
        raise RenderError(f"{_shortened(value)} is not a text; a comment is one")
    shown = "".join(map(_spoken, value[: _COMMENT_LENGTH + 1]))
    shown = shown.strip()
    return Source(shown if len(shown) <= _COMMENT_LENGTH else shown[: _COMMENT_LENGTH - 1].rstrip() + "…")


def constant(value: object) -> Source:
    """Write a `Constant` as ``NAME = literal  # comment``, as the formatter would.

    A comment too long for the line stands above it; a collection too long for the line has one item a line.

    Raises
    ------
    RenderError
        The value is not a `Constant`, or what it holds has no literal.
    """
    if not isinstance(value, Constant):
        raise RenderError(f"{_shortened(value)} is not a Constant of the policy's outline")
    head = f"{identifier(value.name)} = "
    note = f"  # {comment(value.comment)}" if value.comment else ""
    written = literal(value.value)
    if len(head) + len(written) > LINE_LENGTH and isinstance(value.value, tuple | list | frozenset):
        written = _one_a_line(value.value)
    elif len(head) + len(written) + len(note) <= LINE_LENGTH:
        return Source(head + written + note)
    above = textwrap.wrap(note.removeprefix("  # "), LINE_LENGTH - 2, break_on_hyphens=False)
    return Source("".join(f"# {line}\n" for line in above) + head + written)


def fit(text: str) -> Source:
    """Break lines of a function body that are too long: conditions by terms, calls by arguments."""
    return Source("\n".join(_fitted(line) for line in text.split("\n")))


def _fitted(line: str) -> str:
    if len(line) <= LINE_LENGTH:
        return line
    if found := re.fullmatch(r"( *)if (.+ (and|or) .+):", line):
        indent, condition, word = found.groups()
        terms = condition.replace(f" {word} ", f"\n{indent}    {word} ")
        return f"{indent}if (\n{indent}    {terms}\n{indent}):"
    if found := re.fullmatch(r"( *)([\w.]+)\(([^()]+)\)(,?)", line):
        indent, function, arguments, comma = found.groups()
        listed = "".join(f"{indent}    {argument},\n" for argument in arguments.split(", "))
        return f"{indent}{function}(\n{listed}{indent}){comma}"
    return line


def _text(value: str) -> str:
    quote = "'" if value.count('"') > value.count("'") else '"'
    return quote + "".join(_character(letter, quote) for letter in value) + quote


def _character(letter: str, quote: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if letter == quote:
        return "\\" + letter
    code = ord(letter)
    if 0x20 <= code < 0x7F:
        return letter
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _whole(value: int) -> str:
    if value.bit_length() > 64:
        raise RenderError(
            f"an integer of {value.bit_length()} bits is no learned number; expected at most 64 bits"
        )
    return repr(int(value))


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise RenderError(f"{value!r} has no literal; a learned number is finite, hold the rule instead")
    return repr(float(value)).replace("e+", "e")


def _brackets(value: object) -> tuple[str, str]:
    if isinstance(value, tuple):
        return "(", ")"
    if isinstance(value, list):
        return "[", "]"
    if isinstance(value, frozenset):
        return ("frozenset({", "})") if value else ("frozenset(", ")")
    raise RenderError(
        f"{_shortened(value)} has no literal; "
        "give str, bool, int, float, None, or a tuple, list or frozenset of them",
    )


def _items(value: object) -> list[str]:
    if isinstance(value, frozenset):
        return sorted(map(literal, value))
    return list(map(literal, value)) if isinstance(value, Sequence) else []


def _one_a_line(value: object) -> Source:
    opening, closing = _brackets(value)
    items = _items(value)
    if isinstance(value, frozenset):
        listed = "".join(f"        {item},\n" for item in items)
        return Source(f"frozenset(\n    {{\n{listed}    }}\n)")
    return Source(opening + "\n" + "".join(f"    {item},\n" for item in items) + closing)


def _spoken(letter: str) -> str:
    """Keep what every editor shows alike; spell out the rest (bidirectional marks, the # of pragmas)."""
    code = ord(letter)
    if letter == "#":
        return "No. "
    if (
        letter in _SPOKEN
        or (0x20 <= code < 0x7F and letter != "\\")
        or (0xA1 <= code < 0x250 and code != 0xAD)
    ):
        return letter
    return _character(letter, "")


def _shortened(value: object) -> str:
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises the error that names what is undefined
    shown = ascii(value)
    return f"{type(value).__name__} {shown if len(shown) <= 80 else shown[:77] + '...'}"
