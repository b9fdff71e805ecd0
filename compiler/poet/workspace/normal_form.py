"""The normal form of a generated module: what it does, independent of how its constants are laid out.

Constants are replaced by their values and imported names by what they refer to. Comments, spacing, unused
imports and the order of constants do not matter, a date is its seconds since 1970, and 2 equals 2.0.
`x == "a"`, `x in ("a",)` and `x in frozenset({"a"})` are equal. The form separates the structure of the code
from its literals, so that a search can compare either.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import CodeType
from typing import Final

_CONSTANT: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_IGNORED_FIELDS: Final = frozenset({"ctx", "kind", "type_comment", "type_ignores", "type_params"})
_MEMBERSHIP: Final[Mapping[type[ast.cmpop], str]] = {
    ast.Eq: "is one of",
    ast.In: "is one of",
    ast.NotEq: "is none of",
    ast.NotIn: "is none of",
}
_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
}
_NOT_LITERAL: Final = object()
_LITERAL: Final = "literal"
_END: Final = "end"


class UnreadableModuleError(Exception):
    """A module has no normal form; `line` is where."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal of a module: its value, and the line on which it is written, if only as a constant."""

    value: object
    line: int

    @property
    def key(self) -> Hashable:
        """Return what equal values have in common; numbers differ from booleans, lists are tuples."""
        return literal_key(self.value)


@dataclass(frozen=True, slots=True)
class NormalForm:
    """A module in its normal form.

    Parameters
    ----------
    labels
        The nodes of the code in the order of the text, without the values of literals.
    lines
        The line of each node; for a constant, where it is used.
    literals
        The literals in the order of the text; one that is used twice occurs twice.
    places
        For each literal, its index in `labels`.
    structure, content
        All parts of the code, without and with the values of literals, for `distance`.
    constants
        The named constants, each with the key of its value.
    unused
        The names of constants that the code does not use, each with its line.
    """

    labels: tuple[Hashable, ...]
    lines: tuple[int, ...]
    literals: tuple[Literal, ...]
    places: tuple[int, ...]
    structure: Counter[Hashable]
    content: Counter[Hashable]
    constants: frozenset[tuple[str, Hashable]]
    unused: tuple[tuple[str, int], ...]

    def is_equal(self, other: "NormalForm") -> bool:
        """Return whether both modules do the same by the same code."""
        return self.labels == other.labels and not self.differing(other)

    def differing(self, other: "NormalForm") -> list[int]:
        """Return the indices of the literals that differ from those of a module of equal structure."""
        pairs = enumerate(zip(self.literals, other.literals, strict=True))
        return [index for index, (mine, its) in pairs if mine.key != its.key]

    def distance(self, other: "NormalForm") -> tuple[int, int]:
        """Return the number of parts that only one of the modules has, without and with literals."""
        return _unshared(self.structure, other.structure), _unshared(self.content, other.content)

    def first_difference(self, other: "NormalForm") -> tuple[int, int, bool]:
        """Return the first lines in which this and the other module differ, and whether literals do."""
        place = self._first_place(other)
        if self.labels[place] != _LITERAL or other.labels[place] != _LITERAL:
            return self.lines[place], other.lines[place], False
        mine, its = (each.literals[each.places.index(place)].line for each in (self, other))
        return mine, its, True

    def has_other_import(self, other: "NormalForm") -> bool:
        """Return whether the first difference is a name that is imported in this or the other module."""
        place = self._first_place(other)
        return any(_is_import(each.labels[place]) for each in (self, other))

    def _first_place(self, other: "NormalForm") -> int:
        """Return the first index in `labels` at which this and the other module differ."""
        labels = [list(_labels(each)) for each in (self, other)]
        return next(
            (index for index, (one, two) in enumerate(zip(*labels, strict=False)) if one != two),
            min(map(len, labels)) - 1,
        )


def _is_import(label: Hashable) -> bool:
    return isinstance(label, tuple) and label[:1] == ("import",)


def _labels(form: NormalForm) -> Iterator[Hashable]:
    """Return the labels of a form with the values of its literals."""
    literals = {place: each.key for place, each in zip(form.places, form.literals, strict=True)}
    return (literals.get(place, label) for place, label in enumerate(form.labels))


def _unshared(mine: Counter[Hashable], its: Counter[Hashable]) -> int:
    return (mine - its).total() + (its - mine).total()


def literal_key(value: object) -> Hashable:
    """Return a key that equal literals share: 2 and 2.0 are equal, 1 and True are not."""
    if isinstance(value, bool | str):
        return type(value).__name__, value
    if isinstance(value, tuple | list):
        return "tuple", *map(literal_key, value)
    if isinstance(value, frozenset | set):
        return "set", frozenset(map(literal_key, value))
    return value if isinstance(value, int | float) else (type(value).__name__, repr(value))


@dataclass(slots=True)
class Interner:
    """Small numbers for parts of code, shared by all forms that are compared with each other."""

    numbers: dict[Hashable, int] = field(default_factory=dict)

    def number(self, part: Hashable) -> int:
        """Return the number of a part; equal parts have equal numbers."""
        return self.numbers.setdefault(part, len(self.numbers))


def normal_form(source: str | bytes, interner: Interner) -> NormalForm:
    """Return the normal form of a module.

    Raises
    ------
    SyntaxError, ValueError
        The source is not Python.
    UnreadableModuleError
        A constant is missing, is assigned twice, or is not a literal.
    """
    return _Reader(ast.parse(source), interner).form()


class _Reader:
    """Walks a module once and collects the parts of its normal form."""

    def __init__(self, tree: ast.Module, interner: Interner) -> None:
        self._number = interner.number
        self._statements: list[ast.stmt] = []
        self._constants: dict[str, tuple[object, ast.stmt]] = {}
        self._origins: dict[str, Hashable] = {}
        self._used: set[str] = set()
        self._labels: list[Hashable] = []
        self._lines: list[int] = []
        self._literals: list[Literal] = []
        self._places: list[int] = []
        self._structure: Counter[Hashable] = Counter()
        self._content: Counter[Hashable] = Counter()
        self._local: frozenset[str] = frozenset()
        for statement in tree.body:
            self._sort(statement)
        self._local = frozenset(_bound(compile(tree, "module", "exec", dont_inherit=True)))

    def form(self) -> NormalForm:
        for statement in self._statements:
            self._visit(statement, statement.lineno)
        return NormalForm(
            labels=tuple(self._labels),
            lines=tuple(self._lines),
            literals=tuple(self._literals),
            places=tuple(self._places),
            structure=self._structure,
            content=self._content,
            constants=frozenset((name, literal_key(value)) for name, (value, _) in self._constants.items()),
            unused=tuple(
                (name, statement.lineno)
                for name, (_, statement) in self._constants.items()
                if name not in self._used
            ),
        )

    def _sort(self, statement: ast.stmt) -> None:
        """Note an import or a constant, which have no place in the form, or keep the statement."""
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        target = statement.target if isinstance(statement, ast.AnnAssign) else target
        if isinstance(statement, ast.ImportFrom):
            module = "." * statement.level + (statement.module or "")
            for alias in statement.names:
                self._origins[alias.asname or alias.name] = "import", module, alias.name
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                self._origins[alias.asname or alias.name] = "import", alias.name
        elif (
            isinstance(statement, ast.Assign | ast.AnnAssign)
            and isinstance(target, ast.Name)
            and statement.value is not None
            and _CONSTANT.fullmatch(target.id)
        ):
            if target.id in self._constants:
                raise UnreadableModuleError(statement.lineno, f"{target.id} is assigned twice")
            value = self._value(statement.value)
            if value is _NOT_LITERAL:
                raise UnreadableModuleError(statement.lineno, f"{target.id} is not a literal")
            self._constants[target.id] = value, statement
        else:
            self._statements.append(statement)

    def _visit(self, node: ast.AST, line: int) -> tuple[int, int]:
        """Add a node; return the numbers of its structure and of its content."""
        line = getattr(node, "lineno", line)
        if (found := self._literal(node, line)) is not None:
            return self._add_literal(found, line)
        place = len(self._labels)
        if isinstance(node, ast.Compare) and (values := self._members(node)) is not None:
            label: Hashable = _MEMBERSHIP[type(node.ops[0])]
            self._labels.append(label)
            self._lines.append(line)
            parts = [self._visit(node.left, line), self._add_literal(values, line)]
        elif isinstance(node, ast.Name):
            label = self._name(node.id)
            if label == ("name", node.id) and _CONSTANT.fullmatch(node.id) and node.id not in self._local:
                raise UnreadableModuleError(line, f"{node.id} is not defined")
            self._labels.append(label)
            self._lines.append(line)
            parts = []
        else:
            self._labels.append("")
            self._lines.append(line)
            shape: list[Hashable] = [type(node).__name__]
            parts = [
                self._visit(child, line) if isinstance(child, ast.AST) else self._add_end(line)
                for child in _children(node, shape)
            ]
            label = tuple(shape)
            self._labels[place] = label
        return self._count(label, parts)

    def _count(self, label: Hashable, parts: list[tuple[int, int]]) -> tuple[int, int]:
        structure = self._number((label, *(each[0] for each in parts)))
        content = self._number((label, *(each[1] for each in parts)))
        self._structure[structure] += 1
        self._content[content] += 1
        return structure, content

    def _add_end(self, line: int) -> tuple[int, int]:
        """Mark the end of a block or of a list of nodes."""
        self._labels.append(_END)
        self._lines.append(line)
        number = self._number(_END)
        return number, number

    def _add_literal(self, found: Literal, line: int) -> tuple[int, int]:
        self._places.append(len(self._labels))
        self._labels.append(_LITERAL)
        self._lines.append(line)
        self._literals.append(found)
        structure, content = self._number(_LITERAL), self._number((_LITERAL, found.key))
        self._structure[structure] += 1
        self._content[content] += 1
        return structure, content

    def _name(self, name: str) -> Hashable:
        if name in self._local:
            return "name", name
        return self._origins.get(name, ("name", name))

    def _literal(self, node: ast.AST, line: int) -> Literal | None:
        if isinstance(node, ast.Name) and node.id in self._constants and node.id not in self._local:
            self._used.add(node.id)
            value, statement = self._constants[node.id]
            return Literal(value, statement.lineno)
        value = self._value(node) if isinstance(node, ast.expr) else _NOT_LITERAL
        return None if value is _NOT_LITERAL else Literal(value, line)

    def _members(self, node: ast.Compare) -> Literal | None:
        """Return the values that a test allows or excludes: `x == "a"`, `x in ("a", "b")`."""
        if len(node.ops) != 1 or type(node.ops[0]) not in _MEMBERSHIP:
            return None
        right = node.comparators[0]
        found = self._literal(right, right.lineno)
        if found is None:
            return None
        if isinstance(node.ops[0], ast.Eq | ast.NotEq):
            return Literal(frozenset({found.value}), found.line) if isinstance(found.value, str) else None
        is_collection = isinstance(found.value, tuple | frozenset)
        return Literal(frozenset(found.value), found.line) if is_collection else None  # type: ignore[call-overload]

    def _value(self, node: ast.expr) -> object:
        """Return the value of a literal expression, or `_NOT_LITERAL`."""
        if isinstance(node, ast.Constant):
            is_plain = node.value is None or isinstance(node.value, bool | int | float | str)
            return node.value if is_plain else _NOT_LITERAL
        if isinstance(node, ast.Name) and node.id in self._constants and node.id not in self._local:
            self._used.add(node.id)
            return self._constants[node.id][0]
        if isinstance(node, ast.Tuple | ast.Set):
            values = self._values(node.elts)
            if values is None:
                return _NOT_LITERAL
            return values if isinstance(node, ast.Tuple) else frozenset(values)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._called(node, self._name(node.func.id))
        return self._number_of(node)

    def _values(self, nodes: list[ast.expr]) -> tuple[object, ...] | None:
        values = tuple(map(self._value, nodes))
        return None if any(value is _NOT_LITERAL for value in values) else values

    def _called(self, node: ast.Call, function: Hashable) -> object:
        """Return the value of `frozenset({...})`, or the seconds of a date in UTC."""
        if function == ("name", "frozenset") and not node.keywords:
            if not node.args:
                return frozenset()
            listed = node.args[0].elts if isinstance(node.args[0], ast.List) else None
            value = self._values(listed) if listed is not None else self._value(node.args[0])
            return frozenset(value) if isinstance(value, tuple | frozenset) else _NOT_LITERAL
        if function == ("import", "datetime", "datetime") and [each.arg for each in node.keywords] == [
            "tzinfo"
        ]:
            zone, numbers = node.keywords[0].value, self._values(node.args)
            is_utc = isinstance(zone, ast.Name) and self._name(zone.id) == ("import", "datetime", "UTC")
            if is_utc and numbers is not None and all(type(each) is int for each in numbers):
                try:
                    return datetime(*numbers, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]
                except (TypeError, ValueError, OverflowError):
                    return _NOT_LITERAL
        return _NOT_LITERAL

    def _number_of(self, node: ast.expr) -> object:
        """Return the number that arithmetic on numbers gives, such as `30 * 60`, or `_NOT_LITERAL`."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            value = self._value(node.operand)
            return -value if _is_number(value) else _NOT_LITERAL  # type: ignore[operator]
        if isinstance(node, ast.BinOp) and (compute := _ARITHMETIC.get(type(node.op))) is not None:
            left, right = self._value(node.left), self._value(node.right)
            if _is_number(left) and _is_number(right):
                try:
                    return compute(left, right)  # type: ignore[arg-type]
                except (ZeroDivisionError, OverflowError):
                    return _NOT_LITERAL
        return _NOT_LITERAL


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _children(node: ast.AST, shape: list[Hashable]) -> Iterator[ast.AST | None]:
    """Yield the nodes below a node, None at gaps and ends of lists, and add everything else to `shape`."""
    for name, value in ast.iter_fields(node):
        if name in _IGNORED_FIELDS:
            continue
        if isinstance(value, ast.AST):
            shape.append(name)
            yield value
        elif isinstance(value, list):
            shape.append((name, *(each for each in value if not isinstance(each, ast.AST | None))))
            yield from (each for each in value if isinstance(each, ast.AST | None))
            yield None
        else:
            shape.append((name, repr(value)))


def _bound(code: CodeType) -> Iterator[str]:
    """Yield the names that functions assign or take as parameters, which hide constants and imports."""
    for function in code.co_consts:
        if isinstance(function, CodeType):
            yield from (*function.co_varnames, *function.co_cellvars)
            yield from _bound(function)
