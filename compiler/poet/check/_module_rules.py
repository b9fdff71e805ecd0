"""What the dialect refuses of a module as a whole: text, imports, top level, the public function."""

import re
import unicodedata
from collections.abc import Iterator

import libcst as cst
from libcst.helpers import get_full_name_for_node

from poet.check._tree import Refusal, Tree
from poet.check._vocabulary import CLOSED

__all__ = ["RULES"]

_PACKAGES = ("numpy", "scipy", "statsmodels", "poet.runtime")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]*")


def invisible_text(tree: Tree) -> Iterator[Refusal]:
    """Refuse control and direction characters: a reader could not see what they do."""
    for number, line in enumerate(tree.source.split("\n"), start=1):
        for letter in line:
            if unicodedata.category(letter) in _INVISIBLE:
                yield Refusal(
                    number, f"holds the invisible character {letter!a}", "print texts with a filter"
                )
                break


def beginning(tree: Tree) -> Iterator[Refusal]:
    """Refuse anything before the module's docstring: a comment there can change the encoding."""
    if tree.module.header or tree.module.get_docstring(clean=False) is None:
        yield Refusal(1, "does not begin with a docstring", "put the module's docstring on the first line")


def imports(tree: Tree) -> Iterator[Refusal]:
    """Refuse imports of anything but the packages that policies run on."""
    packages = (*_PACKAGES, *tree.imports)
    step = f"import from {', '.join(packages)} by public names"
    for node, line in tree.of(cst.Import):
        for alias in node.names:
            name = get_full_name_for_node(alias.name) or ""
            if not _is_open(name, packages):
                yield Refusal(line, f"imports {name}", step)
    for statement, line in tree.of(cst.ImportFrom):
        module = get_full_name_for_node(statement.module) if statement.module else None
        name = "." * len(statement.relative) + (module or "")
        if isinstance(statement.names, cst.ImportStar):
            yield Refusal(line, f"imports everything from {name}", step)
            continue
        for alias in statement.names:
            imported = get_full_name_for_node(alias.name) or ""
            if not (_is_open(name, packages) and _is_open(f"{name}.{imported}", packages)):
                yield Refusal(line, f"imports {imported} from {name}", step)


def _is_open(name: str, packages: tuple[str, ...]) -> bool:
    parts = name.split(".")
    inside = any(name == package or name.startswith(f"{package}.") for package in packages)
    return inside and not any(part.startswith("_") or part in CLOSED for part in parts)


def top_level(tree: Tree) -> Iterator[Refusal]:
    """Refuse statements that do something when the module is imported."""
    step = "keep to imports, constants in capitals and one function"
    for place, statement in enumerate(_top(tree.module)):
        is_docstring = place == 0 and isinstance(statement, cst.Expr)
        if is_docstring or isinstance(statement, cst.Import | cst.ImportFrom | cst.FunctionDef):
            continue
        if not (isinstance(statement, cst.Assign) and _is_constant(statement)):
            yield Refusal(tree.line(statement), f"has a {type(statement).__name__} that runs at import", step)


def _top(module: cst.Module) -> Iterator[cst.CSTNode]:
    for each in module.body:
        if isinstance(each, cst.SimpleStatementLine):
            yield from each.body
        else:
            yield each


def _is_constant(statement: cst.Assign) -> bool:
    if len(statement.targets) != 1 or not isinstance(target := statement.targets[0].target, cst.Name):
        return False
    if target.value == "__all__":
        return isinstance(statement.value, cst.List) and all(
            isinstance(element.value, cst.SimpleString) for element in statement.value.elements
        )
    return bool(_CONSTANT.fullmatch(target.value)) and is_literal(statement.value)


def is_literal(node: cst.BaseExpression) -> bool:
    """Say whether an expression is an immutable literal: a scalar, or a tuple or frozenset of them."""
    if isinstance(node, cst.UnaryOperation):
        return isinstance(node.operator, cst.Minus) and isinstance(node.expression, cst.Integer | cst.Float)
    if isinstance(node, cst.Name):
        return node.value in {"True", "False", "None"}
    if isinstance(node, cst.Tuple):
        return all(isinstance(each, cst.Element) and is_literal(each.value) for each in node.elements)
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value == "frozenset":
        return all(
            isinstance(arg.value, cst.Set) and not arg.star and _holds_literals(arg.value)
            for arg in node.args
        )
    return isinstance(node, cst.Integer | cst.Float | cst.SimpleString)


def _holds_literals(node: cst.Set) -> bool:
    return all(isinstance(each, cst.Element) and is_literal(each.value) for each in node.elements)


def constants_once(tree: Tree) -> Iterator[Refusal]:
    """Refuse a constant that is assigned twice: the second would hide the one a reviewer reads."""
    seen: set[str] = set()
    for name, _, line in tree.constants:
        if name in seen:
            yield Refusal(line, f"assigns {name} twice", "assign every constant once")
        seen.add(name)


def declarations(tree: Tree) -> Iterator[Refusal]:
    """Refuse a module that does not say its version and its one public name."""
    values = {name: value for name, value, _ in tree.constants}
    public = values.get("__all__")
    names = [
        each.value.evaluated_value
        for each in (public.elements if isinstance(public, cst.List) else ())
        if isinstance(each.value, cst.SimpleString)
    ]
    if names != [tree.policy]:
        yield Refusal(1, f"exports {names!r}", f'say __all__ = ["{tree.policy}"]')
    if not isinstance(values.get("VERSION"), cst.Integer):
        yield Refusal(1, "has no whole number VERSION", "say VERSION = and the version's number")


def one_function(tree: Tree) -> Iterator[Refusal]:
    """Refuse any function beside the one that is named after the policy."""
    names = [function.name.value for function in tree.functions]
    if names != [tree.policy]:
        yield Refusal(1, f"defines {names!r}", f"define one function, {tree.policy}")
    for function, line in tree.of(cst.FunctionDef):
        name = function.name.value
        if function not in tree.functions:
            yield Refusal(
                line, f"defines {name} inside another function", f"write its body into {tree.policy}"
            )
        if function.decorators:
            yield Refusal(line, f"decorates {name}", "remove the decorator")
        if function.asynchronous:
            yield Refusal(line, f"makes {name} asynchronous", "make it a plain function")


def defaults(tree: Tree) -> Iterator[Refusal]:
    """Refuse defaults that a call could change for the next one."""
    for param, line in tree.of(cst.Param):
        if param.default is not None and not is_literal(param.default):
            yield Refusal(
                line, f"gives {param.name.value} a default that is no literal", "use None, a number or ()"
            )


def annotations(tree: Tree) -> Iterator[Refusal]:
    """Refuse annotations that compute: they run at import."""
    for node, line in tree.of(cst.Annotation):
        if not isinstance(node.annotation, cst.Name | cst.Attribute | cst.SimpleString):
            yield Refusal(line, "has an annotation that computes", "name a type")


RULES = (
    invisible_text,
    beginning,
    imports,
    top_level,
    constants_once,
    declarations,
    one_function,
    defaults,
    annotations,
)
