"""One file that needs numpy and scipy alone: a version, and what it reaches of `poet.runtime`.

Whole top-level statements are taken over as they stand, module by module, each module after those it
imports, so what was defined before its use is so still. Of two different things with one name the second is
called after its module as well. Scopes are told apart by libcst, so a local variable or a keyword of that
name stays what it is.
"""

import hashlib
import sys
from collections.abc import Iterator
from importlib.metadata import version as release_of
from pathlib import Path

import libcst as cst
from libcst import matchers

from poet.errors import ExportError, RegistryError
from poet.export._names import Names, name_all
from poet.export._reach import Reached, reach
from poet.export._rewrite import rewritten
from poet.export._source import Library, Source
from poet.registry import PublishedVersion, read_document, read_published

__all__ = ["published", "standalone"]

_OF_A_WORKSPACE = "Written by poet from feedback;"  # an edit of an export teaches nobody
_THIRD = ("numpy", "scipy")


def standalone(generated: Path, policy: str, *, number: int | None = None) -> str:
    """Write a published version as one file without POET; it answers like the version.

    Parameters
    ----------
    generated
        The folder of versions.
    policy
        Its name.
    number
        Which version; the active one by default.

    Raises
    ------
    ExportError
        There is no such version, its file is not the one that was published, or it needs more than numpy
        and scipy: says what.
    """
    number, version = published(generated, policy, number)
    sha256, text = hashlib.sha256(version.source).hexdigest(), version.source.decode()
    library = Library(Source(f"{policy}_v{number}", text))
    reached = reach(library)
    names = name_all(library, reached)
    parts = [_head(library.first, policy, number, sha256), *_imports(reached, names)]
    for module in reached.order:
        parts += _section(library, library.source(module), reached, names)
    written = "\n".join(parts).rstrip("\n") + "\n"
    _refuse_other_needs(written, policy)
    return written


def published(generated: Path, policy: str, number: int | None) -> tuple[int, PublishedVersion]:
    """Return the number of a version, by default the active one, and what was published of it.

    Raises
    ------
    ExportError
        There is no such version, or what was published of it cannot be read.
    """
    policies = read_document(generated).policies
    if policy not in policies:
        known = ", ".join(sorted(policies)) or "none"
        raise ExportError(f"no policy {policy!r} is published; published are {known}")
    entry = policies[policy]
    wanted = entry.active if number is None else number
    if str(wanted) not in entry.versions:
        known = ", ".join(sorted(entry.versions, key=int))
        raise ExportError(f"{policy} has no version {wanted}; published are {known}")
    try:
        return wanted, read_published(generated, entry.versions[str(wanted)])
    except RegistryError as error:
        raise ExportError(str(error)) from error


def _head(source: Source, policy: str, number: int, sha256: str) -> str:
    told = [line for line in source.docstring.strip().splitlines() if not line.startswith(_OF_A_WORKSPACE)]
    text = "\n".join([
        *told,
        "",
        f"Exported by poet {release_of('poet-policy-compiler')} from {policy} version {number}, sha256",
        f"{sha256}.",
        "Needs numpy and scipy alone and answers as the version does; nothing is recorded or learned here.",
    ])  # fmt: skip
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{escaped}\n"""\n'


def _imports(reached: Reached, names: Names) -> Iterator[str]:
    third: set[str] = set()
    standard: set[str] = set()
    by_module: dict[str, list[str]] = {}
    for meaning, name in names.of.items():
        if meaning.is_inlined or meaning.module in reached.places:
            continue
        if meaning.name:
            told = meaning.name if name == meaning.name else f"{meaning.name} as {name}"
            by_module.setdefault(meaning.module, []).append(told)
        else:
            told = "" if name == meaning.module else f" as {name}"
            (third if _is_third(meaning.module) else standard).add(f"import {meaning.module}{told}")
    for module, words in by_module.items():
        line = f"from {module} import {', '.join(sorted(words))}"
        (third if _is_third(module) else standard).add(line)
    for lines in (standard, third):
        if lines:
            yield "\n".join(sorted(lines, key=lambda line: (line.startswith("from"), line))) + "\n"


def _is_third(module: str) -> bool:
    return module.partition(".")[0] not in sys.stdlib_module_names


def _section(library: Library, source: Source, reached: Reached, names: Names) -> Iterator[str]:
    echoes = {name for name in source.definers if _is_echo(source, name, names)}
    dropped = {place for name in echoes for place in source.definers[name]}
    if source is not library.first:
        dropped |= source.definers.get("__all__", frozenset())
    places = sorted(reached.places.get(source.name, set()) - dropped)
    if not places:
        return
    if source is not library.first:
        yield f"\n# {source.name}\n# {_told(source)}\n"
    body = rewritten(library, source, names.of)
    is_wide = False  # whether the statement before asks for two blank lines
    for place in places:
        text = source.wrapper.module.code_for_node(body[place])
        is_long = isinstance(body[place], cst.FunctionDef | cst.ClassDef)
        is_first = place == places[0]
        blank = int(is_long) if is_first else 2 if is_long or is_wide else int(text.startswith("\n"))
        yield "\n" * blank + text.strip("\n")
        is_wide = is_long
    yield ""


def _is_echo(source: Source, name: str, names: Names) -> bool:
    return any(each.module == source.name and each.name == name for each in names.echoes)


def _told(source: Source) -> str:
    """Give a module's docstring as comments, but for what is indented: drawings and examples of use."""
    paragraphs = [
        paragraph for paragraph in source.docstring.strip().split("\n\n") if not paragraph.startswith(" ")
    ]
    return "\n#\n# ".join(paragraph.replace("\n", "\n# ") for paragraph in paragraphs)


def _refuse_other_needs(written: str, policy: str) -> None:
    module = cst.parse_module(written)
    for node in matchers.findall(module, matchers.Import() | matchers.ImportFrom()):
        named = [alias.name for alias in node.names] if isinstance(node, cst.Import) else []
        if isinstance(node, cst.ImportFrom) and node.module is not None:
            named.append(node.module)
        for name in named:
            root = module.code_for_node(name).partition(".")[0]
            if root not in sys.stdlib_module_names and root not in _THIRD:
                raise ExportError(
                    f"{policy} needs {root}, which is neither numpy, scipy nor Python's own; "
                    "run it from a workspace or a bundle instead"
                )
