"""What everything is called in an export: as it was, unless two things have one name."""

import builtins
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from poet.export._reach import Reached
from poet.export._source import Library, Meaning, Source

__all__ = ["Names", "name_all"]

RESULTS = "poet.runtime.results"  # what callers see: these keep their names


@dataclass(frozen=True, slots=True)
class Names:
    """The name of each thing, and the definitions that only say again what stands above in the same words."""

    of: dict[Meaning, str]
    echoes: frozenset[Meaning]


def name_all(library: Library, reached: Reached) -> Names:
    """Name everything that is reached; the version's own names and the results' come first."""
    echoed = _echoes(library, reached)
    taken = set(dir(builtins)) | _identifiers(library, reached)
    asked = _imported_as(library, reached)
    names: dict[Meaning, str] = {}
    used: set[str] = set()
    own = {library.meaning(library.first.name, name) for name in library.first.imports}
    for meaning in sorted(
        reached.meanings - echoed.keys(), key=lambda each: (_rank(library, own, each), each)
    ):
        name = asked.get(meaning, meaning.name)
        if name in used or (meaning.is_inlined and hasattr(builtins, name)):
            name = _longer(name, meaning)
            while name in taken or name in used:
                name += "_"
        used.add(name)
        names[meaning] = name
    names |= {echo: names[said] for echo, said in echoed.items()}
    return Names(names, frozenset(echoed))


def _rank(library: Library, own: set[Meaning], meaning: Meaning) -> int:
    if meaning.module in (library.first.name, RESULTS):
        return 0
    if meaning in own:
        return 1
    return 3 if meaning.is_inlined else 2


def _longer(name: str, meaning: Meaning) -> str:
    """Call a thing after its module as well, in the case that it is written in."""
    module = meaning.module.rpartition(".")[2].strip("_")
    if name.isupper():
        return f"{name}_OF_{module.upper()}"
    if name[0].isupper():
        return f"{name}Of{module.title().replace('_', '')}"
    return f"{name}_of_{module}"


def _imported_as(library: Library, reached: Reached) -> dict[Meaning, str]:
    """Give the names under which modules are imported that stay imports: `np`."""
    return {
        meaning: name
        for module in sorted(reached.places)
        for name, meaning in library.source(module).imports.items()
        if not meaning.is_inlined
    }


def _identifiers(library: Library, reached: Reached) -> set[str]:
    """Give every name that anybody uses for anything: a new one must be none of them."""
    nodes = (node for module in reached.places for _, node in library.source(module).nodes)
    return {node.value for node in nodes if isinstance(node, cst.Name)}


def _echoes(library: Library, reached: Reached) -> dict[Meaning, Meaning]:
    """Find constants and aliases of types that an earlier module has in the same words."""
    said: dict[object, Meaning] = {}
    found: dict[Meaning, Meaning] = {}
    for module in reached.order:
        source = library.source(module)
        for meaning in sorted(each for each in reached.meanings if each.module == module and each.is_inlined):
            words = _words(library, source, meaning)
            if words is not None:
                first = said.setdefault(words, meaning)
                if first != meaning:
                    found[meaning] = first
    return found


def _words(library: Library, source: Source, meaning: Meaning) -> object | None:
    """Give the text of a definition that makes nothing new, with what its names mean; None for others."""
    places = source.definers.get(meaning.name, frozenset())
    top = source.body[min(places)] if len(places) == 1 else None
    if not isinstance(top, cst.SimpleStatementLine) or not isinstance(top.body[0], cst.Assign):
        return None
    if not all(isinstance(node, _MAKES_NOTHING) for node in _parts(top.body[0].value)):
        return None
    means = frozenset(library.meaning(source.name, use.partition(".")[0]) for use in source.uses[min(places)])
    if any(each.is_inlined for each in means):
        return None
    return source.wrapper.module.code_for_node(top.body[0]), means


_MAKES_NOTHING = (
    cst.Attribute, cst.BaseNumber, cst.BaseSlice, cst.Dot, cst.LeftSquareBracket, cst.Name,
    cst.RightSquareBracket, cst.SimpleString, cst.SimpleWhitespace, cst.Subscript, cst.SubscriptElement,
    cst.Comma, cst.MaybeSentinel,
)  # fmt: skip


def _parts(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _parts(child)
