"""Mutation testing of the gates: each mutant is the candidate with one small error, and must be refused.

The share of refused mutants measures the strength of the gates. The operators follow DeMillo, Lipton and
Sayward 1978 ("Hints on test data selection"), on the libcst tree: flipped and shifted comparisons, swapped
connectives and arithmetic, dropped negations, changed constants and texts, guards dropped or always true,
adjacent decisions swapped, statements and arguments omitted, wrong defaults.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, Final

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from poet.build.compare import Behaviour, same
from poet.build.gates import Mutant, Strength
from poet.build.probes import loaded

_COMPARISONS: Final[dict[type[cst.BaseCompOp], tuple[type[cst.BaseCompOp], ...]]] = {
    cst.LessThan: (cst.LessThanEqual, cst.GreaterThanEqual, cst.GreaterThan),
    cst.LessThanEqual: (cst.LessThan, cst.GreaterThan),
    cst.GreaterThan: (cst.GreaterThanEqual, cst.LessThanEqual, cst.LessThan),
    cst.GreaterThanEqual: (cst.GreaterThan, cst.LessThan),
    cst.Equal: (cst.NotEqual,),
    cst.NotEqual: (cst.Equal,),
    cst.In: (cst.NotIn,),
    cst.NotIn: (cst.In,),
    cst.Is: (cst.IsNot,),
    cst.IsNot: (cst.Is,),
}
_ARITHMETIC: Final[dict[type[cst.BaseBinaryOp], type[cst.BaseBinaryOp]]] = {
    cst.Add: cst.Subtract,
    cst.Subtract: cst.Add,
    cst.Multiply: cst.Divide,
    cst.Divide: cst.Multiply,
    cst.FloorDivide: cst.Multiply,
    cst.Modulo: cst.Multiply,
    cst.Power: cst.Multiply,
}
_UPDATES: Final[dict[type[cst.BaseAugOp], type[cst.BaseAugOp]]] = {
    cst.AddAssign: cst.SubtractAssign,
    cst.SubtractAssign: cst.AddAssign,
    cst.MultiplyAssign: cst.DivideAssign,
    cst.DivideAssign: cst.MultiplyAssign,
    cst.FloorDivideAssign: cst.MultiplyAssign,
    cst.ModuloAssign: cst.MultiplyAssign,
    cst.PowerAssign: cst.MultiplyAssign,
}
_NAMES: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
Changes = Iterator[tuple[str, cst.CSTNode]]
_PASS: Final = cst.SimpleStatementLine([cst.Pass()])


def mutants(source: str) -> tuple[Mutant, ...]:
    """Return every mutant of a module, sorted by line, without duplicate sources."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    positions = wrapper.resolve(PositionProvider)
    root = wrapper.module
    found: dict[str, Mutant] = {}
    for node in _walk(root):
        for what, changed in _changes(node):
            mutated = root.deep_replace(node, changed) if isinstance(changed, cst.CSTNode) else None
            if isinstance(mutated, cst.Module) and (text := mutated.code) != source:
                found.setdefault(text, Mutant(what=what, line=positions[node].start.line, source=text))
    return tuple(sorted(found.values(), key=lambda each: (each.line, each.what)))


def _walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield all nodes that affect behavior: not imports, export lists or docstrings."""
    if isinstance(node, cst.Import | cst.ImportFrom | cst.Expr) and not _is_call(node):
        return
    if isinstance(node, cst.Assign) and _is_exports(node):
        return
    yield node
    if isinstance(node, cst.Annotation):
        return
    for child in node.children:
        yield from _walk(child)


def _is_call(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Expr) and isinstance(node.value, cst.Call)


def _is_exports(node: cst.Assign) -> bool:
    target = node.targets[0].target
    return isinstance(target, cst.Name) and target.value == "__all__"


def _changes(node: cst.CSTNode) -> Changes:
    for kinds, operator in _OPERATORS:
        if isinstance(node, kinds):
            yield from operator(node)


def _other_comparisons(node: cst.ComparisonTarget) -> Changes:
    for other in _COMPARISONS.get(type(node.operator), ()):
        changed = node.with_changes(operator=other())
        yield f"{type(node.operator).__name__} becomes {other.__name__}", changed


def _other_connectives(node: cst.BooleanOperation) -> Changes:
    is_and = isinstance(node.operator, cst.And)
    changed = node.with_changes(operator=cst.Or() if is_and else cst.And())
    yield f"{'and' if is_and else 'or'} becomes the other", changed


def _negations(node: cst.UnaryOperation) -> Changes:
    if isinstance(node.operator, cst.Not):
        yield "not is dropped", node.expression


def _other_arithmetic(node: cst.BinaryOperation) -> Changes:
    if other := _ARITHMETIC.get(type(node.operator)):
        changed = node.with_changes(operator=other())
        yield f"{type(node.operator).__name__} becomes {other.__name__}", changed


def _other_updates(node: cst.AugAssign) -> Changes:
    if other := _UPDATES.get(type(node.operator)):
        yield f"{type(node.operator).__name__} becomes {other.__name__}", node.with_changes(operator=other())


def _other_guards(node: cst.If) -> Changes:
    yield "the guard is dropped with what it guards", _without(node)
    if not _is_true(node.test):
        yield "the guard is always open", node.with_changes(test=cst.Name("True"))
    if isinstance(after := node.orelse, cst.If):
        second = after.with_changes(test=node.test, body=node.body)
        yield (
            "two branches are swapped",
            node.with_changes(test=after.test, body=after.body, orelse=second),
        )


def _other_defaults(node: cst.Param) -> Changes:
    if node.default is not None:
        other = cst.Name("True") if _is_none(node.default) else cst.Name("None")
        yield "another default", node.with_changes(default=other)


def _other_values(node: cst.CSTNode) -> Changes:
    if isinstance(node, cst.Integer):
        value = node.evaluated_value
        for other in (value + 1, value - 1):
            yield f"{value} becomes {other}", _number(other)
    elif isinstance(node, cst.Float):
        number = node.evaluated_value
        for changed in (math.nextafter(number, math.inf), math.nextafter(number, -math.inf), number + 1.0):
            yield f"{number!r} becomes {changed!r}", _number(changed)
    elif isinstance(node, cst.SimpleString):
        text = str(node.evaluated_value)
        yield f"{text!r} becomes another text", cst.SimpleString(repr(f"{text}~"))
    elif isinstance(node, cst.Name) and node.value in _NAMES:
        yield f"{node.value} becomes {_NAMES[node.value]}", cst.Name(_NAMES[node.value])
    elif isinstance(node, cst.Name) and node.value in ("True", "False"):
        yield f"{node.value} becomes the other", cst.Name("False" if node.value == "True" else "True")


def _number(value: float) -> cst.BaseExpression:
    return cst.parse_expression(f"({value!r})" if value < 0 else repr(value))


def _fewer(node: cst.Set | cst.Tuple) -> Changes:
    items: Sequence[cst.BaseElement] = node.elements
    if len(items) < 2:
        return
    for place in range(len(items)):
        rest = [item for k, item in enumerate(items) if k != place]
        if isinstance(node, cst.Tuple) and len(rest) == 1:
            rest = [rest[0].with_changes(comma=cst.Comma())]
        yield "a member is missing", node.with_changes(elements=rest)


def _without(node: cst.If) -> cst.CSTNode:
    if node.orelse is None:
        return _PASS
    if isinstance(node.orelse, cst.If):
        return node.orelse
    return cst.If(test=cst.Name("True"), body=node.orelse.body)


def _is_true(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Name) and node.value == "True"


def _is_none(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Name) and node.value == "None"


def _other_blocks(block: cst.IndentedBlock) -> Changes:
    body = list(block.body)
    for place, statement in enumerate(body):
        after = body[place + 1] if place + 1 < len(body) else None
        if after is not None and _is_decision(statement) and _is_decision(after):
            swapped = [*body[:place], after, statement, *body[place + 2 :]]
            yield "two decisions are swapped", block.with_changes(body=swapped)
        if isinstance(statement, cst.SimpleStatementLine) and _may_go(statement):
            yield (
                "a statement is missing",
                block.with_changes(body=[*body[:place], _PASS, *body[place + 1 :]]),
            )


def _is_decision(statement: cst.BaseStatement) -> bool:
    """Return whether a statement is a branch or a call, the order of which matters."""
    return isinstance(statement, cst.If) or (
        isinstance(statement, cst.SimpleStatementLine) and all(map(_is_call, statement.body))
    )


def _may_go(statement: cst.SimpleStatementLine) -> bool:
    return all(
        _is_call(each) or isinstance(each, cst.Assign | cst.AnnAssign | cst.AugAssign | cst.Return)
        for each in statement.body
    )


def _other_calls(call: cst.Call) -> Changes:
    for place, argument in enumerate(call.args):
        if argument.keyword is not None:
            rest = [each for k, each in enumerate(call.args) if k != place]
            yield f"{argument.keyword.value} is not handed over", call.with_changes(args=rest)


_OPERATORS: Final[tuple[tuple[tuple[type[cst.CSTNode], ...], Callable[[Any], Changes]], ...]] = (
    ((cst.ComparisonTarget,), _other_comparisons),
    ((cst.BooleanOperation,), _other_connectives),
    ((cst.UnaryOperation,), _negations),
    ((cst.BinaryOperation,), _other_arithmetic),
    ((cst.AugAssign,), _other_updates),
    ((cst.Integer, cst.Float, cst.SimpleString, cst.Name), _other_values),
    ((cst.Set, cst.Tuple), _fewer),
    ((cst.If,), _other_guards),
    ((cst.IndentedBlock,), _other_blocks),
    ((cst.Call,), _other_calls),
    ((cst.Param,), _other_defaults),
)


NAME: Final = "mutant"
EQUIVALENT: Final = "equivalent"
CHEAP: Final = ("signature", "boundary table")  # run before the exact comparison
Gates = Callable[[ModuleType, str], Iterable[tuple[str, Callable[[], object]]]]


def strength_of(
    source: str, mutants: Iterable[Mutant], gates: Gates, behaviour: Behaviour | None
) -> Strength:
    """Count mutants by the gate that refuses them, or by the proof that they are equivalent to the candidate.

    Parameters
    ----------
    source
        The source of the candidate.
    mutants
        The mutants of that source.
    gates
        A function from a module and its source to its gates, cheap ones first.
    behaviour
        How two versions are compared; without it no mutant is proved equivalent.
    """
    verdicts = [(mutant, _verdict(source, mutant, gates, behaviour)) for mutant in mutants]
    refused = Counter(verdict for _, verdict in verdicts if verdict not in ("", EQUIVALENT))
    return Strength(
        mutants=len(verdicts),
        refused=dict(sorted(refused.items())),
        equivalent=sum(verdict == EQUIVALENT for _, verdict in verdicts),
        survivors=tuple(f"line {each.line}: {each.what}" for each, verdict in verdicts if not verdict),
    )


def _verdict(source: str, mutant: Mutant, gates: Gates, behaviour: Behaviour | None) -> str:
    """Return the gate that refuses a mutant, `EQUIVALENT`, or an empty text for a survivor."""
    try:
        module = loaded(mutant.source, NAME)
    except BaseException:  # noqa: BLE001 -- any error refuses the mutant
        return "import"
    is_compared = behaviour is None
    for name, attempt in gates(module, mutant.source):
        if not is_compared and name not in CHEAP:
            is_compared = True
            if _is_equivalent(source, mutant, behaviour):
                return EQUIVALENT
        try:
            attempt()
        except BaseException:  # noqa: BLE001 -- any error refuses the mutant
            return name.replace("_", " ")
    return ""


def _is_equivalent(source: str, mutant: Mutant, behaviour: Behaviour | None) -> bool:
    with suppress(Exception):  # a mutant that cannot be compared is not proved equivalent
        return behaviour is not None and same(source, mutant.source, behaviour)
    return False
