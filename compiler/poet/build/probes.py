"""Load a module from its source, and extract the constants that it contains and compares with."""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

LARGEST: Final = 1e300  # beyond it, the neighbor of a number may be infinite
STAND_INS: Final = (
    "compare",
    "plan_alerts",
    "prepare_run",
)  # primitives that a behaviour replaces and whose arguments it inspects
RECORDED: Final = (
    "with_deadline",
)  # methods of such primitives; a behaviour inspects the formulas of arguments


@dataclass(frozen=True, slots=True)
class Literals:
    """The sorted constants of some modules: numbers without booleans, texts without docstrings."""

    numbers: tuple[float, ...]
    texts: tuple[str, ...]
    fields: tuple[str, ...]  # names of context fields that are read: ``get(context, "segment")``
    compared_with: Mapping[str, frozenset[float | str]]  # by name, for names only compared with these
    used_otherwise: frozenset[str]  # names with any other use

    def are_only_compared(self, *names: str) -> bool:
        """Return whether these names are only compared with constants, so that the constants alone decide."""
        return self.used_otherwise.isdisjoint(names)

    def numbers_against(self, name: str) -> tuple[float, ...]:
        """Return the numbers that a name is compared with, or all numbers if it has any other use."""
        if name not in self.compared_with:
            return self.numbers
        return tuple(sorted(each for each in self.compared_with[name] if not isinstance(each, str)))

    def texts_against(self, name: str) -> tuple[str, ...]:
        """Return the texts that a name is compared with, or all texts if it has any other use."""
        if name not in self.compared_with:
            return self.texts
        return tuple(sorted(each for each in self.compared_with[name] if isinstance(each, str)))


def literals(*sources: str) -> Literals:
    """Return the constants of all sources together."""
    numbers: set[float] = set()
    texts: set[str] = set()
    fields: set[str] = set()
    trees = [ast.parse(source) for source in sources]
    for tree in trees:
        prose = {id(_docstring(each)) for each in _documented(tree)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _is_field(node):
                fields |= {
                    each.value
                    for each in node.args[1:2]
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                }
            if isinstance(node, ast.Constant) and id(node) not in prose:
                value: Any = node.value
                if isinstance(value, str):
                    texts.add(value)
                elif _is_number(value):
                    numbers.add(value)
    compared_with, used_otherwise = _uses(trees)
    return Literals(
        tuple(sorted(numbers)), tuple(sorted(texts)), tuple(sorted(fields)), compared_with, used_otherwise
    )


def _uses(trees: Iterable[ast.Module]) -> tuple[dict[str, frozenset[float | str]], frozenset[str]]:
    found: dict[str, set[float | str]] = {}
    uses: Counter[str] = Counter()
    explained: Counter[str] = Counter()
    for tree in trees:
        constants = _constants(tree)
        uses.update(name for node in ast.walk(tree) if (name := _used_name(node)))
        uses.subtract(_handed_on(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare):
                for name, values in _compared(node, constants):
                    found.setdefault(name, set()).update(values)
                    explained[name] += 1
    otherwise = frozenset(name for name, times in uses.items() if times > explained[name])
    return {name: frozenset(values) for name, values in found.items() if name not in otherwise}, otherwise


def _compared(node: ast.Compare, constants: Mapping[str, ast.expr]) -> Iterator[tuple[str, set[float | str]]]:
    """Yield the names in a comparison whose neighbors are all constants, each with their values."""
    operands = [node.left, *node.comparators]
    for place, operand in enumerate(operands):
        neighbors = [
            _values(each, constants) for each in (*operands[:place][-1:], *operands[place + 1 :][:1])
        ]
        values = [each for each in neighbors if each is not None]
        if (name := _used_name(operand)) and len(values) == len(neighbors):
            yield name, set().union(*values)


def _handed_on(tree: ast.Module) -> Iterator[str]:
    """Yield names that are only passed on to a primitive that a comparison replaces."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _used_name(node) in STAND_INS:
            given = (*node.args, *(each.value for each in node.keywords))
            yield from (name for each in given if (name := _used_name(each)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in RECORDED:
            yield from (name for each in node.args for name in _factors(each))


def _factors(node: ast.expr) -> Iterator[str]:
    """Yield the names in a product of powers with constant exponents."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        yield from (*_factors(node.left), *_factors(node.right))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        yield from _factors(node.left)
    elif name := _used_name(node):
        yield name


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {each.id: node.value for each in targets if isinstance(each, ast.Name)}
    return found


def _used_name(node: ast.AST) -> str:
    """Return the name that a node reads: a variable, an attribute of any object, or a called function."""
    if isinstance(node, ast.Call):
        return node.func.id if isinstance(node.func, ast.Name) else ""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else ""


def _values(node: ast.expr, constants: Mapping[str, ast.expr]) -> set[float | str] | None:
    """Return the numbers and texts in a constant, or None if the node is not a constant."""
    if isinstance(node, ast.Name):
        node = constants.get(node.id, node)
    if isinstance(node, ast.Call) and _used_name(node) == "frozenset" and len(node.args) == 1:
        node = node.args[0]
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    held = value if isinstance(value, set | tuple | list) else (value,)
    return {each for each in held if isinstance(each, str) or _is_number(each)}


def loaded(source: str, name: str) -> ModuleType:
    """Return a module executed from `source` without registering it in `sys.modules`.

    Use it only for source in the policy dialect, which has no effects at import.
    """
    module = ModuleType(name)
    exec(compile(source, f"<{name}>", "exec", dont_inherit=True), module.__dict__)  # noqa: S102 -- see above
    return module


def _documented(tree: ast.Module) -> Iterable[ast.Module | ast.FunctionDef]:
    yield tree
    yield from (node for node in tree.body if isinstance(node, ast.FunctionDef))


def _docstring(node: ast.Module | ast.FunctionDef) -> ast.Constant | None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return first.value
    return None


def _is_field(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id in ("get", "get_names")


def _is_number(value: object) -> bool:
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and -LARGEST <= value <= LARGEST  # type: ignore[operator]
