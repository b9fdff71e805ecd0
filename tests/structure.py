"""Print the structure of the source tree: packages, layers, import edges, cycles, files and their lengths.

Run it as ``python -m tests.structure [FOLDER]``; the folder holds the import packages, ``compiler`` by
default. It exits with status 1 if a limit is exceeded. `tests/test_architecture.py` compares the same graph
with the table in ``docs/architecture.md``.

A package is a folder that holds ``.py`` files. The folders below ``policies/<policy>`` count as one package,
because nothing outside that policy imports them. A module that lies directly in the top folder belongs to the
package of that folder. Imports inside functions count like all others.
"""

import ast
import re
import statistics
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[1]
MOST_PACKAGES: Final = 30
MOST_LAYERS: Final = 11
MOST_EDGES: Final = 130
LEAST_MEDIAN: Final = 130  # lines of a file
_POLICY: Final = re.compile(r"(\w+\.policies\.\w+)\..*")


@dataclass(frozen=True, slots=True)
class Structure:
    """The packages of a source tree, the packages that each imports, and the length of each file in lines."""

    imports: Mapping[str, frozenset[str]]
    lengths: Mapping[Path, int]

    @property
    def edges(self) -> int:
        """The number of pairs of packages of which the first imports the second."""
        return sum(map(len, self.imports.values()))

    @property
    def cycles(self) -> tuple[frozenset[str], ...]:
        """The groups of packages that import each other, directly or through others."""
        reached = {package: self._reached(package) for package in self.imports}
        groups = {
            frozenset({package, *(other for other in reached[package] if package in reached[other])})
            for package in self.imports
            if package in reached[package]
        }
        return tuple(sorted(groups, key=sorted))

    @property
    def layers(self) -> tuple[frozenset[str], ...]:
        """The packages by layer: each imports from lower layers only. Packages of a cycle share a layer."""
        group = {package: cycle for cycle in self.cycles for package in cycle}
        depth: dict[str, int] = {}

        def measure(package: str) -> int:
            if package not in depth:
                members = group.get(package, frozenset({package}))
                below = {other for each in members for other in self.imports[each]} - members
                layer = 1 + max(map(measure, below), default=0)
                depth.update(dict.fromkeys(members, layer))
            return depth[package]

        count = max(map(measure, self.imports), default=0)
        return tuple(
            frozenset(package for package, layer in depth.items() if layer == k) for k in range(1, count + 1)
        )

    def _reached(self, package: str) -> set[str]:
        found: set[str] = set()
        waiting = [package]
        while waiting:
            new = self.imports[waiting.pop()] - found
            found |= new
            waiting += new
        return found


def read_structure(folder: Path) -> Structure:
    """Return the structure of the import packages in `folder`."""
    files = {_module_name(path, folder): path for path in sorted(folder.rglob("*.py"))}
    imports: dict[str, set[str]] = {package_of(name, files): set() for name in files}
    for name, path in files.items():
        package = package_of(name, files)
        for target in _imported(ast.parse(path.read_text(encoding="utf-8")), files):
            if (other := package_of(target, files)) != package:
                imports[package].add(other)
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in files.values()}
    return Structure({package: frozenset(others) for package, others in sorted(imports.items())}, lengths)


def package_of(module: str, files: Mapping[str, Path]) -> str:
    """Return the package that a module belongs to."""
    package = module if files[module].name == "__init__.py" else module.rpartition(".")[0]
    return _POLICY.sub(r"\1", package)


def _module_name(path: Path, folder: Path) -> str:
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(tree: ast.Module, files: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module in files:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in files else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)


def exceeded(structure: Structure) -> Iterator[str]:
    """Yield a message for each limit that a structure exceeds."""
    for name, found, most in (
        ("packages", len(structure.imports), MOST_PACKAGES),
        ("layers", len(structure.layers), MOST_LAYERS),
        ("edges", structure.edges, MOST_EDGES),
        ("cycles", len(structure.cycles), 0),
    ):
        if found > most:
            yield f"{found} {name}, at most {most}; merge packages or move what they import"
    median = statistics.median(structure.lengths.values())
    if median < LEAST_MEDIAN:
        yield f"a median file of {median:g} lines, at least {LEAST_MEDIAN}; merge small files"


def main(folder: Path) -> int:
    """Print the figures of a source tree and the limits that it exceeds, and return the exit status."""
    structure = read_structure(folder)
    lengths = structure.lengths.values()
    print(f"{len(structure.imports)} packages, {len(structure.layers)} layers, {structure.edges} edges")
    print(f"{len(structure.cycles)} cycles")
    for cycle in structure.cycles:
        print(f"  {', '.join(sorted(cycle))}")
    print(f"{len(lengths)} files, {sum(lengths)} lines, median {statistics.median(lengths):g} lines a file")
    for number, layer in reversed(list(enumerate(structure.layers, 1))):
        print(f"{number:3} {' '.join(sorted(layer))}")
    messages = list(exceeded(structure))
    for message in messages:
        print(f"limit exceeded: {message}", file=sys.stderr)
    return bool(messages)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "compiler"))
