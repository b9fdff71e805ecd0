"""What a version reaches: statements by module, what they mean, and in which order the modules stand."""

from collections.abc import Iterator
from dataclasses import dataclass

from poet.export._source import Library, Meaning, Source

__all__ = ["Reached", "reach"]


@dataclass(frozen=True, slots=True)
class Reached:
    """Places of statements by module, modules after those they import, and everything that is named."""

    places: dict[str, set[int]]
    order: tuple[str, ...]
    meanings: frozenset[Meaning]


def reach(library: Library) -> Reached:
    """Follow the version's statements to all that they use; the version itself counts whole."""
    first = library.first
    places: dict[str, set[int]] = {}
    meanings: set[Meaning] = set()
    waiting = [(first, place) for place in {*first.effects, *frozenset().union(*first.definers.values())}]
    while waiting:
        source, place = waiting.pop()
        if place in places.setdefault(source.name, set()):
            continue
        places[source.name].add(place)
        for meaning in _named(library, source, place):
            meanings.add(meaning)
            if meaning.name and (meaning.is_inlined or meaning.module == first.name):
                home = library.source(meaning.module)
                # what a module does besides defining, at a fork say, belongs to all of it
                waiting += [(home, each) for each in {*home.definers[meaning.name], *home.effects}]
    return Reached(places, tuple(_in_order(library)), frozenset(meanings))


def _named(library: Library, source: Source, place: int) -> Iterator[Meaning]:
    """Give what a statement binds and uses, each followed to where it is defined."""
    yield from (Meaning(source.name, name) for name, places in source.definers.items() if place in places)
    for use in source.uses[place]:
        name, _, attribute = use.partition(".")
        meaning = library.meaning(source.name, name)
        yield library.meaning(meaning.module, attribute) if attribute else meaning
    for meaning in source.lazy.get(place, {}).values():
        yield library.meaning(meaning.module, meaning.name)


def _in_order(library: Library) -> Iterator[str]:
    seen: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name in seen:
            return
        seen.add(name)
        source = library.source(name)
        lazily = {meaning for imported in source.lazy.values() for meaning in imported.values()}
        for meaning in (*source.imports.values(), *sorted(lazily)):
            if meaning.is_inlined:
                yield from visit(meaning.module)
                if not library.meaning(meaning.module, meaning.name).name:
                    yield from visit(f"{meaning.module}.{meaning.name}")
        yield name

    return visit(library.first.name)
