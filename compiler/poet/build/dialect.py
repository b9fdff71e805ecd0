"""The policy dialect: the subset of Python that a generated module may use, and the rules that enforce it.

The dialect is defined by lists of allowed syntax and built-in names, and of attributes that are closed.
`BODY_RULES` check the function: syntax, names, attributes, loops and changes of state. `MODULE_RULES` check
the module as a whole: its text, imports, top level and public function. Each rule takes a `Tree`, a parsed
module with its nodes, lines and names, and yields a `Refusal` for every violation.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Final, TypeVar

import libcst as cst
from libcst.helpers import get_full_name_for_node
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from poet_runtime.errors import CheckError

# fmt: off
SYNTAX: Final = (
    cst.Module, cst.SimpleStatementLine, cst.SimpleStatementSuite, cst.IndentedBlock, cst.Import,
    cst.ImportFrom, cst.ImportAlias, cst.ImportStar, cst.AsName, cst.FunctionDef, cst.Parameters,
    cst.Param, cst.ParamStar, cst.Annotation, cst.Decorator, cst.Expr, cst.Assign, cst.AnnAssign,
    cst.AssignTarget,
    cst.AssignEqual, cst.AugAssign, cst.BaseAugOp, cst.Return, cst.Pass, cst.If, cst.Else, cst.For,
    cst.Break, cst.Continue, cst.Try, cst.ExceptHandler, cst.Finally, cst.Raise, cst.From, cst.Name,
    cst.Attribute, cst.Dot, cst.Call, cst.Arg, cst.Subscript, cst.SubscriptElement, cst.Index, cst.Slice,
    cst.Colon, cst.Integer, cst.Float, cst.SimpleString, cst.ConcatenatedString, cst.FormattedString,
    cst.FormattedStringText, cst.FormattedStringExpression, cst.Tuple, cst.List, cst.Set, cst.Dict,
    cst.Element, cst.DictElement, cst.StarredElement, cst.StarredDictElement, cst.ListComp, cst.SetComp,
    cst.DictComp, cst.GeneratorExp, cst.CompFor, cst.CompIf, cst.IfExp, cst.BooleanOperation,
    cst.BinaryOperation, cst.UnaryOperation, cst.Comparison, cst.ComparisonTarget, cst.BaseBooleanOp,
    cst.BaseBinaryOp, cst.BaseCompOp, cst.BaseUnaryOp, cst.LeftParen, cst.RightParen,
    cst.LeftSquareBracket, cst.RightSquareBracket, cst.LeftCurlyBrace, cst.RightCurlyBrace, cst.Comma,
    cst.Semicolon, cst.Ellipsis,
)
BUILT_IN: Final = frozenset({
    "ArithmeticError", "AttributeError", "Exception", "False", "IndexError", "KeyError", "LookupError",
    "MemoryError", "None", "OverflowError", "TimeoutError", "True", "TypeError", "ValueError",
    "ZeroDivisionError", "abs", "all", "any", "bool", "dict", "divmod", "enumerate", "float", "frozenset",
    "int", "isinstance", "len", "list", "max", "min", "pow", "repr", "reversed", "round", "set", "sorted",
    "str", "sum", "tuple", "zip",
})
# Names inside allowed packages, or of the tables that callers give, that lead to files, the system, other
# code, or state that outlives a call. They include the modules that a package imported for itself.
CLOSED: Final = frozenset({
    "DataSource", "FormulaManager", "Path", "PatsyFormula", "Pool", "StringIO", "TestCase", "ag_frame",
    "apply_along_axis", "ast", "attrgetter", "bisect", "builtins", "calendar", "collections", "conftest",
    "contextlib", "contextmanager", "cr_frame", "ctypes", "ctypeslib", "dataclasses", "datasets",
    "datetime", "distutils", "dump", "dumps", "eval", "f2py", "f_back", "f_builtins", "f_globals",
    "f_locals", "format", "format_map", "formula", "from_cython", "from_formula", "fromfile", "frompyfunc",
    "fromregex", "fromstring", "fromtextfile", "functools", "genfromtxt", "gi_code", "gi_frame", "hb_read",
    "hb_write", "importlib", "inspect", "io", "iolib", "itertools", "lib", "load", "loads",
    "loadtxt", "make_dataclass", "memmap", "methodcaller", "mro", "multiprocessing", "mypy", "mypy_plugin",
    "open_memmap", "openfile", "operator", "os", "pathlib", "pd", "pickle", "pl", "platform", "pytest",
    "query", "random", "read_csv", "register", "save", "save_npz", "savetxt", "savez", "savez_compressed",
    "set_printoptions", "seterr", "seterrcall", "setflags", "shutil", "sink_csv", "sink_ipc", "sink_ndjson",
    "sink_parquet", "socket", "string", "subprocess", "sys", "tb_frame", "tb_next", "tempfile", "testing",
    "textwrap", "threading", "to_clipboard", "to_csv", "to_excel", "to_feather", "to_hdf", "to_html",
    "to_json", "to_latex", "to_markdown", "to_orc", "to_parquet", "to_pickle", "to_sql", "to_stata",
    "to_string", "to_xml", "tofile", "tokenize", "vectorize", "warnings", "webbrowser", "webdoc",
    "with_traceback", "write_avro", "write_clipboard", "write_csv", "write_database", "write_delta",
    "write_excel", "write_iceberg", "write_ipc", "write_ipc_stream", "write_json", "write_ndjson",
    "write_parquet",
})
# Methods that change what they are called on.
CHANGES: Final = frozenset({
    "add", "append", "clear", "discard", "extend", "fill", "insert", "itemset", "partition", "pop",
    "popitem", "put", "remove", "resize", "reverse", "setdefault", "setfield", "sort", "update",
})
# Calls whose result is as long as their argument.
BOUNDED_CALLS: Final = frozenset({
    "enumerate", "frozenset", "list", "reversed", "set", "sorted", "tuple", "zip",
})
BOUNDED_METHODS: Final = frozenset({
    "items", "keys", "values",
})
# fmt: on


_LAYOUT: Final = frozenset(
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
    """A violation of the dialect: the line, what is wrong there, and the next step."""

    line: int
    what: str
    next_step: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}; {self.next_step}"


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed module: every node in source order, without layout."""

    module: cst.Module
    source: str
    policy: str
    nodes: tuple[tuple[cst.CSTNode, int], ...]
    imports: tuple[str, ...] = ()  # allowed in addition to those of every policy

    def of(self, kinds: type[_Node] | tuple[type[_Node], ...]) -> Iterator[tuple[_Node, int]]:
        """Return the nodes of these types, each with its line."""
        return ((node, line) for node, line in self.nodes if isinstance(node, kinds))

    def line(self, node: cst.CSTNode) -> int:
        """Return the line of a node of this tree."""
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
        """The name, value and line of each assignment to a plain name at the module's top level."""
        return tuple(
            (name, value, self.line(statement))
            for statement in _top(self.module)
            if isinstance(statement, cst.Assign | cst.AnnAssign) and statement.value is not None
            for name, value in _assigned(statement)
        )


def parse(source: str, policy: str, *, imports: tuple[str, ...] = ()) -> Tree:
    """Parse a module; `imports` are packages allowed in addition to those of every policy.

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


def syntax(tree: Tree) -> Iterator[Refusal]:
    """Refuse syntax that the dialect does not have: while, with, lambda, class, global, yield, match."""
    for node, line in tree.nodes:
        if not _is_known(type(node)):
            yield Refusal(line, f"uses {type(node).__name__}", "write it with if, for, try and calls")


@functools.cache
def _is_known(kind: type[cst.CSTNode]) -> bool:
    return issubclass(kind, SYNTAX)


def names(tree: Tree) -> Iterator[Refusal]:
    """Refuse names that neither the module nor the dialect defines: eval, open, getattr, __import__."""
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
    """Refuse attributes that give access to internals: private and dunder names, files, the system."""
    for node, line in tree.of(cst.Attribute):
        name = node.attr.value
        if name.startswith("_") or name in CLOSED:
            yield Refusal(line, f"reads the attribute {name}", "use the public functions of poet_runtime")


def bare_excepts(tree: Tree) -> Iterator[Refusal]:
    """Refuse bare except clauses: an interrupt is not an error in the data."""
    for handler, line in tree.of(cst.ExceptHandler):
        if handler.type is None:
            yield Refusal(line, "catches everything", "write except Exception")


def targets(tree: Tree) -> Iterator[Refusal]:
    """Refuse assignments to anything but the function's own names."""
    step = "assign to a new name"
    fixed = tree.parameters | {name for name, _, _ in tree.constants}
    for node, line in tree.nodes:
        if not isinstance(node, cst.AssignTarget | cst.AnnAssign | cst.AugAssign | cst.For | cst.CompFor):
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
    """Refuse loops that may not end: over anything but names, literals and bounded calls on them."""
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
        return True  # loops inside it are checked on their own
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
    """Return the names that the module itself binds."""
    found = set(tree.parameters) | {function.name.value for function in tree.functions}
    for alias, _ in tree.of(cst.ImportAlias):
        found.add(alias.evaluated_alias or alias.evaluated_name.split(".")[0])
    for node, _ in tree.nodes:
        if not isinstance(node, cst.AssignTarget | cst.AnnAssign | cst.For | cst.CompFor):
            continue
        found |= {each.value for each in _all(node.target) if isinstance(each, cst.Name)}
    for handler, _ in tree.of(cst.ExceptHandler):
        if handler.name is not None:
            found |= _names_in(handler.name)
    return frozenset(found)


def _used(tree: Tree) -> Iterator[tuple[str, int]]:
    """Yield every name that is read, called or used as an annotation, with its line."""
    labels: set[int] = set()
    for node, line in tree.nodes:
        labels.update(id(each) for each in _labels(node))
        if isinstance(node, cst.Name) and id(node) not in labels:
            yield node.value, line


def _labels(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield the `Name` nodes directly under `node` that are labels and do not read a variable."""
    if isinstance(node, cst.Attribute):
        yield node.attr
    elif isinstance(node, cst.Arg) and node.keyword is not None:
        yield node.keyword
    elif isinstance(node, cst.Param | cst.FunctionDef):
        yield node.name
    elif isinstance(node, cst.Import | cst.ImportFrom):
        yield from _all(node)


def dates(tree: Tree) -> Iterator[Refusal]:
    """Refuse `datetime` for anything but dates and types: it also reads the clock."""
    step = "write a date as datetime(2026, 4, 15, tzinfo=UTC), and take the time from a parameter"
    allowed: set[int] = set()
    for node, line in tree.nodes:
        if isinstance(node, cst.Annotation) or (isinstance(node, cst.Call) and _is_date(node)):
            allowed.update(id(each) for each in _all(node))
        elif isinstance(node, cst.Import | cst.ImportFrom):
            allowed.update(id(each) for each in _all(node))
            for name, alias in _imported(node):
                if name != f"datetime.{alias}" and (name in _DATES or f"datetime.{alias}" in _DATES):
                    yield Refusal(line, f"imports {name} as {alias}", step)
        elif isinstance(node, cst.Name) and node.value == "datetime" and id(node) not in allowed:
            yield Refusal(line, "uses datetime for more than a date", step)


def _imported(node: cst.Import | cst.ImportFrom) -> Iterator[tuple[str, str]]:
    """Yield the full name of everything that a statement imports, and the name that it binds."""
    module = ""
    if isinstance(node, cst.ImportFrom) and node.module is not None:
        module = f"{get_full_name_for_node(node.module)}."
    for alias in () if isinstance(node.names, cst.ImportStar) else node.names:
        yield f"{module}{alias.evaluated_name}", alias.evaluated_alias or alias.evaluated_name


BODY_RULES: Final = (syntax, names, recursion, attributes, bare_excepts, targets, changes, loops, dates)


_PACKAGES: Final = ("numpy", "scipy", "statsmodels")
_STANDARD: Final = {
    "collections.abc": frozenset({"Iterable"}),
    "datetime": frozenset({"UTC", "datetime"}),
    "typing": frozenset({"Final"}),
}
_DATES: Final = frozenset({"datetime.UTC", "datetime.datetime"})
_DATE_PARTS: Final = range(3, 8)  # year, month and day, or more down to the microsecond
_RUNTIME: Final = "poet_runtime"
_RUNTIME_MODULES: Final = tuple(
    f"{_RUNTIME}.{name}" for name in ("alerts", "context", "drift", "recovery", "results", "strategy")
)
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_CONSTANT: Final = re.compile(r"[A-Z][A-Z0-9_]*")


def invisible_text(tree: Tree) -> Iterator[Refusal]:
    """Refuse control and bidirectional characters, whose effect a reader cannot see."""
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
    """Refuse imports from anything but the packages that policies may use."""
    packages = (*_PACKAGES, *tree.imports)
    step = f"import from {', '.join((*packages, *_RUNTIME_MODULES))} by public names"
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
            is_open = _is_open(name, packages) and _is_open(f"{name}.{imported}", packages)
            if not is_open and imported not in _STANDARD.get(name, _runtime_names(name)):
                yield Refusal(line, f"imports {imported} from {name}", step)


@cache
def _runtime_names(module: str) -> frozenset[str]:
    """Return the names that generated code may import from a module of the runtime.

    The runtime also writes files and starts processes. Only names that these modules define for policies are
    allowed, not names that they import.
    """
    if module not in _RUNTIME_MODULES:
        return frozenset()
    names = vars(import_module(module))
    offered = names.get("__all__") or [
        name for name, value in names.items() if getattr(value, "__module__", "").startswith(_RUNTIME)
    ]
    return frozenset(name for name in offered if not name.startswith("_"))


def _is_open(name: str, packages: tuple[str, ...]) -> bool:
    parts = name.split(".")
    inside = any(name == package or name.startswith(f"{package}.") for package in packages)
    return inside and not any(part.startswith("_") or part in CLOSED for part in parts)


def top_level(tree: Tree) -> Iterator[Refusal]:
    """Refuse statements that have an effect when the module is imported."""
    step = "keep to imports, constants in capitals and one function"
    for place, statement in enumerate(_top(tree.module)):
        is_docstring = place == 0 and isinstance(statement, cst.Expr)
        if is_docstring or isinstance(statement, cst.Import | cst.ImportFrom | cst.FunctionDef):
            continue
        if not (isinstance(statement, cst.Assign | cst.AnnAssign) and _is_constant(statement)):
            yield Refusal(tree.line(statement), f"has a {type(statement).__name__} that runs at import", step)


def _top(module: cst.Module) -> Iterator[cst.CSTNode]:
    for each in module.body:
        if isinstance(each, cst.SimpleStatementLine):
            yield from each.body
        else:
            yield each


def _assigned(statement: cst.Assign | cst.AnnAssign) -> Iterator[tuple[str, cst.BaseExpression]]:
    """Yield the plain names to which a statement assigns, each with the value."""
    targets = (
        [statement.target]
        if isinstance(statement, cst.AnnAssign)
        else [each.target for each in statement.targets]
    )
    for target in targets:
        if isinstance(target, cst.Name) and statement.value is not None:
            yield target.value, statement.value


def _is_constant(statement: cst.Assign | cst.AnnAssign) -> bool:
    assigned = list(_assigned(statement))
    if len(assigned) != 1 or (isinstance(statement, cst.Assign) and len(statement.targets) != 1):
        return False
    name, value = assigned[0]
    if name == "__all__":
        return isinstance(value, cst.List) and all(
            isinstance(element.value, cst.SimpleString) for element in value.elements
        )
    return bool(_CONSTANT.fullmatch(name)) and (is_literal(value) or _is_date(value))


def _is_date(node: cst.BaseExpression) -> bool:
    """Return whether an expression is a date in UTC, such as ``datetime(2026, 4, 15, tzinfo=UTC)``."""
    if not (isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value == "datetime"):
        return False
    *numbers, zone = node.args or [cst.Arg(cst.Name("None"))]
    return (
        isinstance(zone.value, cst.Name)
        and (zone.value.value, zone.keyword and zone.keyword.value) == ("UTC", "tzinfo")
        and len(numbers) in _DATE_PARTS
        and all(isinstance(arg.value, cst.Integer) and not (arg.star or arg.keyword) for arg in numbers)
    )


def is_literal(node: cst.BaseExpression) -> bool:
    """Return whether an expression is an immutable literal: a scalar, or a tuple or frozenset of them."""
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
    """Refuse a module that does not declare its version and its single public name."""
    values = {name: value for name, value, _ in tree.constants}
    public = values.get("__all__")
    names = [
        each.value.evaluated_value
        for each in (public.elements if isinstance(public, cst.List) else ())
        if isinstance(each.value, cst.SimpleString)
    ]
    if names != [tree.policy]:
        yield Refusal(1, f"exports {names!r}", f'write __all__ = ["{tree.policy}"]')
    if not isinstance(values.get("VERSION"), cst.Integer):
        yield Refusal(1, "has no whole number VERSION", "write VERSION: Final = and the version's number")


def one_function(tree: Tree) -> Iterator[Refusal]:
    """Refuse any function other than the one named after the policy."""
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
    """Refuse mutable defaults, which one call could change for the next."""
    for param, line in tree.of(cst.Param):
        if param.default is not None and not is_literal(param.default):
            yield Refusal(
                line, f"gives {param.name.value} a default that is not a literal", "use None, a number or ()"
            )


def annotations(tree: Tree) -> Iterator[Refusal]:
    """Refuse annotations that compute, because they run at import."""
    for node, line in tree.of(cst.Annotation):
        if not _is_type(node.annotation):
            yield Refusal(line, "has an annotation that computes", "name a type")


def _is_type(node: cst.BaseExpression) -> bool:
    """Return whether an annotation is a type, a union of types or a type with parameters."""
    if isinstance(node, cst.BinaryOperation):
        return isinstance(node.operator, cst.BitOr) and _is_type(node.left) and _is_type(node.right)
    if isinstance(node, cst.Subscript):
        parts = [each.slice for each in node.slice]
        return _is_type(node.value) and all(
            isinstance(part, cst.Index) and part.star is None and _is_type(part.value) for part in parts
        )
    return isinstance(node, cst.Name | cst.Attribute | cst.SimpleString | cst.Ellipsis)


MODULE_RULES: Final = (
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
