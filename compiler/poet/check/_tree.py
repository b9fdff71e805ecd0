"""A module's syntax tree with what the dialect's rules ask of it: nodes by type, lines, names."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from poet.errors import CheckError

__all__ = ["Refusal", "Tree", "parse"]

_LAYOUT = frozenset(
    {
        cst.Comment,
        cst.EmptyLine,
        cst.Newline,
        cst.ParenthesizedWhitespace,
        cst.SimpleWhitespace,
        cst.TrailingWhitespace,
    }
)
_Node = TypeVar("_Node", bound=cst.CSTNode)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the dialect refuses: the line, what is wrong there, and what to do."""

    line: int
    what: str
    next_step: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}; {self.next_step}"


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed module: every node in the order of the source, layout left out."""

    module: cst.Module
    source: str
    policy: str
    nodes: tuple[tuple[cst.CSTNode, int], ...]
    imports: tuple[str, ...] = ()  # packages that the policy may import beside those of every policy

    def of(self, kinds: type[_Node] | tuple[type[_Node], ...]) -> Iterator[tuple[_Node, int]]:
        """Give the nodes of these types, each with its line."""
        return ((node, line) for node, line in self.nodes if isinstance(node, kinds))

    def line(self, node: cst.CSTNode) -> int:
        """Give the line of a node of this tree."""
        return next((line for each, line in self.nodes if each is node), 1)

    @property
    def functions(self) -> tuple[cst.FunctionDef, ...]:
        """The functions on the module's top level."""
        return tuple(each for each in self.module.body if isinstance(each, cst.FunctionDef))

    @property
    def parameters(self) -> frozenset[str]:
        """The names of all parameters."""
        return frozenset(param.name.value for param, _ in self.of(cst.Param))

    @property
    def constants(self) -> tuple[tuple[str, cst.BaseExpression, int], ...]:
        """Name, value and line of what is assigned on the module's top level to a plain name."""
        found: list[tuple[str, cst.BaseExpression, int]] = []
        for line in self.module.body:
            if isinstance(line, cst.SimpleStatementLine):
                found.extend(
                    (target.target.value, statement.value, self.line(statement))
                    for statement in line.body
                    if isinstance(statement, cst.Assign)
                    for target in statement.targets
                    if isinstance(target.target, cst.Name)
                )
        return tuple(found)


def parse(source: str, policy: str, *, imports: tuple[str, ...] = ()) -> Tree:
    """Parse a module; `imports` are packages that it may import beside those of every policy.

    Raises
    ------
    CheckError
        The source is not Python.
    """
    try:
        wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=False)
    except (cst.ParserSyntaxError, cst.CSTValidationError, UnicodeError, ValueError) as error:
        raise CheckError(
            f"{policy}: not a Python module: {error}; correct the template that printed it"
        ) from error
    positions = wrapper.resolve(PositionProvider)
    return Tree(wrapper.module, source, policy, tuple(_in_order(wrapper.module, positions, 1)), imports)


def _in_order(
    node: cst.CSTNode, positions: Mapping[cst.CSTNode, object], line: int
) -> Iterator[tuple[cst.CSTNode, int]]:
    place = positions.get(node)
    line = place.start.line if isinstance(place, CodeRange) else line
    yield node, line
    for child in node.children:
        if type(child) not in _LAYOUT:
            yield from _in_order(child, positions, line)
