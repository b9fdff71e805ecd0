"""A module of Python as statements that bind names and use names: what an export takes apart."""

import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import libcst as cst
from libcst.metadata import GlobalScope, ImportAssignment, MetadataWrapper, Scope, ScopeProvider

from poet.errors import ExportError

__all__ = ["INLINED", "Library", "Meaning", "Source", "dotted"]

INLINED = ("poet.runtime", "poet.background", "poet.errors")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True, order=True)
class Meaning:
    """What a name stands for: something a module defines, or the module itself where `name` is empty."""

    module: str
    name: str

    @property
    def is_inlined(self) -> bool:
        """Whether its text goes into the export, rather than an import of it."""
        return is_inlined(self.module)


def is_inlined(module: str) -> bool:
    """Tell what goes into an export from what an export imports."""
    return any(module == root or module.startswith(f"{root}.") for root in INLINED)


def dotted(node: cst.BaseExpression | None) -> str:
    """Write a dotted name down."""
    if isinstance(node, cst.Attribute):
        return f"{dotted(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""


class Source:
    """A module, parsed; places are those of its top-level statements."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)  # fresh: nobody's nodes
        self.body = self.wrapper.module.body
        self.scopes: frozenset[Scope] = frozenset(
            scope for scope in self.wrapper.resolve(ScopeProvider).values() if scope is not None
        )
        self.nodes = [(place, node) for place, top in enumerate(self.body) for node in _all_of(top)]
        self._place = {id(node): place for place, node in self.nodes}

    @property
    def docstring(self) -> str:
        """What the module says of itself."""
        return self.wrapper.module.get_docstring() or ""

    @cached_property
    def imports(self) -> Mapping[str, Meaning]:
        """What the imports at the top of the module bind."""
        found: dict[str, Meaning] = {}
        for top in self.body:
            for statement in top.body if isinstance(top, cst.SimpleStatementLine) else ():
                found |= _imported(statement, self.name)
        return found

    @cached_property
    def lazy(self) -> Mapping[int, Mapping[str, Meaning]]:
        """What imports inside functions bind, by place; of what is inlined only."""
        found: dict[int, dict[str, Meaning]] = {}
        for _, node in self._lazy_imports():
            found.setdefault(self._place[id(node)], {}).update(_imported(node, self.name))
        return found

    @cached_property
    def definers(self) -> Mapping[str, frozenset[int]]:
        """The places at which a name is bound by anything but an import."""
        found: dict[str, set[int]] = {}
        for name, node in self.bound():
            found.setdefault(name, set()).add(self._place[id(node)])
        return {name: frozenset(places) for name, places in found.items()}

    @cached_property
    def effects(self) -> frozenset[int]:
        """The places of statements that bind nothing and do something."""
        bound = frozenset().union(*self.definers.values())
        return frozenset(
            place for place, top in enumerate(self.body) if place not in bound and not _is_silent(top)
        )

    @cached_property
    def uses(self) -> Mapping[int, frozenset[str]]:
        """The names of the module, and attributes of modules, that a statement uses: `ks`, `distances.ks`."""
        found: dict[int, set[str]] = {place: set() for place in range(len(self.body))}
        for name, node in self.references():
            found[self._place[id(node)]].add(name)
        known = self.definers.keys() | self.imports.keys()
        for place, node in self.nodes:
            if isinstance(node, cst.Annotation):
                found[place].update(known & _named_in_text(node))
        parents = {id(node.value): node for _, node in self.nodes if isinstance(node, cst.Attribute)}
        for name, node in self.references():
            if self._is_inlined_module(name):
                attribute = parents.get(id(node))
                if attribute is None:
                    raise ExportError(
                        f"{self.name} hands the module {name} on; only its contents can be inlined"
                    )
                found[self._place[id(node)]].discard(name)
                found[self._place[id(node)]].add(f"{name}.{attribute.attr.value}")
        return {place: frozenset(names) for place, names in found.items()}

    def bound(self) -> Iterator[tuple[str, cst.CSTNode]]:
        """Give every node that binds a name at the top of the module, imports apart."""
        for assignment in self._global.assignments:
            node = getattr(assignment, "node", None)
            if isinstance(node, cst.CSTNode) and not isinstance(assignment, ImportAssignment):
                yield assignment.name, node

    def references(self) -> Iterator[tuple[str, cst.CSTNode]]:
        """Give every node that stands for a name bound at the top of the module."""
        for assignment in self._global.assignments:
            for access in assignment.references:
                if id(access.node) in self._place:
                    yield assignment.name, access.node

    def lazy_references(self) -> Iterator[tuple[Meaning, cst.CSTNode]]:
        """Give every node that stands for a name which an import inside a function binds."""
        for scope, node in self._lazy_imports():
            meanings = _imported(node, self.name)
            for assignment in scope.assignments:
                if getattr(assignment, "node", None) is node:
                    for access in assignment.references:
                        yield meanings[assignment.name], access.node

    @cached_property
    def _global(self) -> Scope:
        return next(scope for scope in self.scopes if isinstance(scope, GlobalScope))

    def _lazy_imports(self) -> Iterator[tuple[Scope, cst.ImportFrom]]:
        for scope in self.scopes:
            if isinstance(scope, GlobalScope):
                continue
            seen: set[int] = set()
            for assignment in scope.assignments:
                node = getattr(assignment, "node", None)
                is_ours = isinstance(node, cst.ImportFrom) and is_inlined(dotted(node.module))
                if isinstance(assignment, ImportAssignment) and is_ours and id(node) not in seen:
                    seen.add(id(node))
                    yield scope, cst.ensure_type(node, cst.ImportFrom)

    def _is_inlined_module(self, name: str) -> bool:
        meaning = self.imports.get(name)
        return (
            meaning is not None and meaning.is_inlined and find_text(f"{meaning.module}.{meaning.name}") != ""
        )


class Library:
    """The modules that an export is made of."""

    def __init__(self, first: Source) -> None:
        self.first = first

    def source(self, name: str) -> Source:
        """Give a module.

        Raises
        ------
        ExportError
            It has no text to inline.
        """
        return self.first if name == self.first.name else _inlined(name)

    def meaning(self, module: str, name: str) -> Meaning:
        """Follow a name to where it is defined.

        Raises
        ------
        ExportError
            Nobody defines it.
        """
        if not is_inlined(module) and module != self.first.name:
            return Meaning(module, name)
        source = self.source(module)
        if name in source.definers:
            return Meaning(module, name)
        if name in source.imports:
            target = source.imports[name]
            return self.meaning(target.module, target.name) if target.name else target
        if find_text(f"{module}.{name}"):
            return Meaning(f"{module}.{name}", "")
        raise ExportError(f"{module} has no {name}; the version was made for another release of poet")


@cache
def _inlined(name: str) -> Source:
    """Read a module of ours; it stays as it is while this program runs, so once is enough."""
    text = find_text(name)
    if not text:
        raise ExportError(f"{name} has no source to inline; install poet from a wheel or a checkout")
    return Source(name, text)


def find_text(name: str) -> str:
    """Read a module's source; empty where there is none."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return ""
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return ""
    return Path(spec.origin).read_text(encoding="utf-8")


def _all_of(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _all_of(child)


def _imported(statement: cst.CSTNode, module: str) -> dict[str, Meaning]:
    found: dict[str, Meaning] = {}
    if isinstance(statement, cst.ImportFrom):
        if statement.relative or isinstance(statement.names, cst.ImportStar):
            raise ExportError(f"{module} imports by * or from beside itself; name what it needs in full")
        for alias in statement.names:
            name = dotted(alias.name)
            found[alias.evaluated_alias or name] = Meaning(dotted(statement.module), name)
    elif isinstance(statement, cst.Import):
        for alias in statement.names:
            name = dotted(alias.name)
            if "." in name and alias.evaluated_alias is None:
                raise ExportError(f"{module} imports {name} without another name; give it one")
            found[alias.evaluated_alias or name] = Meaning(name, "")
    return found


def _is_silent(top: cst.CSTNode) -> bool:
    """Tell docstrings and imports from statements that do something."""
    if not isinstance(top, cst.SimpleStatementLine):
        return False
    return all(
        isinstance(each, cst.Import | cst.ImportFrom | cst.Pass)
        or (isinstance(each, cst.Expr) and isinstance(each.value, cst.SimpleString | cst.ConcatenatedString))
        for each in top.body
    )


def _named_in_text(annotation: cst.Annotation) -> set[str]:
    """Give the names in those parts of an annotation that are written as text."""
    texts = [str(node.evaluated_value) for node in _all_of(annotation) if isinstance(node, cst.SimpleString)]
    return {name for text in texts for name in _IDENTIFIER.findall(text)}
