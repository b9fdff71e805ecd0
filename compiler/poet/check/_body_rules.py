"""What the dialect refuses inside the function: syntax, names, attributes, loops, changes of state."""

import functools
from collections.abc import Iterator

import libcst as cst
from libcst.helpers import get_full_name_for_node

from poet.check._tree import Refusal, Tree
from poet.check._vocabulary import (
    BOUNDED_CALLS,
    BOUNDED_METHODS,
    BUILT_IN,
    CHANGES,
    CLOSED,
    SYNTAX,
)

__all__ = ["RULES"]


def syntax(tree: Tree) -> Iterator[Refusal]:
    """Refuse syntax that the dialect does not have: while, with, lambda, class, global, yield, match."""
    for node, line in tree.nodes:
        if not _is_known(type(node)):
            yield Refusal(line, f"uses {type(node).__name__}", "write it with if, for, try and calls")


@functools.cache
def _is_known(kind: type[cst.CSTNode]) -> bool:
    return issubclass(kind, SYNTAX)


def names(tree: Tree) -> Iterator[Refusal]:
    """Refuse names that neither the module nor the dialect gave: eval, open, getattr, __import__."""
    known = BUILT_IN | _bound(tree)
    for name, line in _used(tree):
        if name not in known:
            yield Refusal(
                line, f"uses the name {name}", "use parameters, imports, constants and plain built-ins"
            )


def recursion(tree: Tree) -> Iterator[Refusal]:
    """Refuse the policy's own name inside it: recursion has no bound, and its attributes are state."""
    for name, line in _used(tree):
        if name == tree.policy:
            yield Refusal(line, f"uses {name} inside itself", "write it without recursion")


def attributes(tree: Tree) -> Iterator[Refusal]:
    """Refuse attributes that lead out: private and dunder ones, files, the system."""
    for node, line in tree.of(cst.Attribute):
        name = node.attr.value
        if name.startswith("_") or name in CLOSED:
            yield Refusal(line, f"reads the attribute {name}", "use the public functions of poet.runtime")


def bare_excepts(tree: Tree) -> Iterator[Refusal]:
    """Refuse to catch everything: an interrupt is not the data's fault."""
    for handler, line in tree.of(cst.ExceptHandler):
        if handler.type is None:
            yield Refusal(line, "catches everything", "write except Exception")


def targets(tree: Tree) -> Iterator[Refusal]:
    """Refuse assignments to anything but the function's own names."""
    step = "assign to a new name"
    fixed = tree.parameters | {name for name, _, _ in tree.constants}
    for node, line in tree.nodes:
        if not isinstance(node, cst.AssignTarget | cst.AugAssign | cst.For | cst.CompFor):
            continue
        held: list[cst.BaseExpression] = [node.target]
        while held:
            target = held.pop()
            if isinstance(target, cst.Tuple | cst.List):
                held.extend(element.value for element in target.elements)
            elif not isinstance(target, cst.Name):
                yield Refusal(line, "assigns into an object", step)
            elif isinstance(node, cst.AugAssign) and target.value in fixed:
                yield Refusal(line, f"changes {target.value} in place", step)


def changes(tree: Tree) -> Iterator[Refusal]:
    """Refuse calls that change a parameter or a constant in place."""
    fixed = tree.parameters | {name for name, _, _ in tree.constants}
    for node, line in tree.of(cst.Call):
        if isinstance(node.func, cst.Attribute) and node.func.attr.value in CHANGES:
            root = (get_full_name_for_node(node.func) or "").split(".")[0]
            if root in fixed:
                yield Refusal(line, f"changes {root} by {node.func.attr.value}", "work on a copy")


def loops(tree: Tree) -> Iterator[Refusal]:
    """Refuse loops that need not end: over anything but names, literals and what is made from them."""
    for node, line in tree.nodes:
        if not isinstance(node, cst.For | cst.CompFor):
            continue
        if not _is_bounded(node.iter):
            yield Refusal(line, "loops over something without a bound", "loop over a name or a tuple")
        if isinstance(node, cst.For) and (grown := _grown(node)):
            yield Refusal(line, f"changes {grown} while looping over it", "collect into another name")


def _is_bounded(node: cst.BaseExpression) -> bool:
    if isinstance(node, cst.Name | cst.Attribute):
        return True
    if isinstance(node, cst.Tuple | cst.List | cst.Set | cst.GeneratorExp | cst.ListComp | cst.SetComp):
        return True  # the loops inside are refused where they stand
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Name):
        return node.func.value in BOUNDED_CALLS and all(
            _is_bounded(arg.value) for arg in node.args if arg.keyword is None
        )
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and not node.args:
        return node.func.attr.value in BOUNDED_METHODS and _is_bounded(node.func.value)
    return False


def _grown(loop: cst.For) -> str | None:
    iterated = _names_in(loop.iter)
    for call in _all(loop.body):
        if (
            isinstance(call, cst.Call)
            and isinstance(call.func, cst.Attribute)
            and call.func.attr.value in CHANGES
        ):
            root = (get_full_name_for_node(call.func) or "").split(".")[0]
            if root in iterated:
                return root
    return None


def _all(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _all(child)


def _names_in(node: cst.CSTNode) -> set[str]:
    return {each.value for each in _all(node) if isinstance(each, cst.Name)}


def _bound(tree: Tree) -> frozenset[str]:
    """Collect the names that the module itself binds."""
    found = set(tree.parameters) | {function.name.value for function in tree.functions}
    for alias, _ in tree.of(cst.ImportAlias):
        found.add(alias.evaluated_alias or alias.evaluated_name.split(".")[0])
    for node, _ in tree.nodes:
        if not isinstance(node, cst.AssignTarget | cst.For | cst.CompFor):
            continue
        found |= {each.value for each in _all(node.target) if isinstance(each, cst.Name)}
    for handler, _ in tree.of(cst.ExceptHandler):
        if handler.name is not None:
            found |= _names_in(handler.name)
    return frozenset(found)


def _used(tree: Tree) -> Iterator[tuple[str, int]]:
    """Give every name that is read, or called, or used as an annotation."""
    spoken: set[int] = set()
    for node, line in tree.nodes:
        spoken.update(id(each) for each in _labels(node))
        if isinstance(node, cst.Name) and id(node) not in spoken:
            yield node.value, line


def _labels(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Give the `Name` nodes directly under `node` that name a thing without reading it."""
    if isinstance(node, cst.Attribute):
        yield node.attr
    elif isinstance(node, cst.Arg) and node.keyword is not None:
        yield node.keyword
    elif isinstance(node, cst.Param | cst.FunctionDef):
        yield node.name
    elif isinstance(node, cst.Import | cst.ImportFrom):
        yield from _all(node)


RULES = (syntax, names, recursion, attributes, bare_excepts, targets, changes, loops)
