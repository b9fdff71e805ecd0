"""Write the reference from docstrings, commands and schemas, and the sources of the site.

    python docs/reference.py                    # docs/reference/, which is kept in the repository
    python docs/reference.py --site build/docs  # these pages and the reference, for `make site`

`tests/test_project.py` fails if docs/reference/ does not match the code.
"""

import argparse
import ast
import importlib
import inspect
import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click
import msgspec

from poet.build.compare import Behaviour, ProbeSet
from poet.build.contract import Contract, WorkloadCase
from poet.build.render import render
from poet.cli.app import app
from poet.events import PAYLOADS, Payload
from poet.server.openapi import openapi
from poet.spec import PolicySpec, policies
from poet.workspace.configuration import initial_text
from poet_runtime.policies.policy import RuntimePolicy

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent
API: Final = (
    "poet",
    "poet.monitor",
    "poet.events",
    "poet.events.units",
    "poet.log",
    "poet.summaries",
    "poet.spec",
    "poet.spec.decisions",
    "poet.learning.configuration",
    "poet.learning.costs",
    "poet.learning.e_factors",
    "poet.learning.feedback_rows",
    "poet.learning.hypothesis_tests",
    "poet.learning.labels",
    "poet.learning.rule_updates",
    "poet.stats",
    "poet.build.compare",
    "poet.build.contract",
    "poet.build.probes",
    "poet.distribute",
    "poet.integrations.dana_events",
    "poet.integrations.evidently_reports",
    "poet.integrations.mlflow_versions",
    "poet.integrations.nannyml_results",
    "poet.integrations.opentelemetry_signals",
    "poet.integrations.spark_tables",
    "poet_runtime.results",
    "poet_runtime.errors",
    "poet_runtime.registry",
    "poet_runtime.drift",
    "poet_runtime.drift.sketch",
    "poet_runtime.drift.statistics",
    "poet_runtime.drift.table",
    "poet_runtime.recovery",
    "poet_runtime.policies.policy",
)
ENTRY_POINTS: Final = (
    ("poet.policies", "the policy's name", "a `PolicySpec` with the same name", "the compiler"),
    ("poet_runtime", "the policy's name", "a `RuntimePolicy` with the same name; optional", "production"),
    ("poet.events", "the event type", "a subclass of `Payload`", "everything that reads or writes the log"),
)
PLUGIN_PARTS: Final = (
    ("the policy, in the entry point group `poet.policies`", (PolicySpec,)),
    ("the runtime part, in the entry point group `poet_runtime`", (RuntimePolicy,)),
    ("event types, in the entry point group `poet.events`", (Payload,)),
    ("`CONTRACT` of the module that `PolicySpec.contract` names", (Contract, WorkloadCase)),
    ("`BEHAVIOUR` of the module that `PolicySpec.behaviour` names", (Behaviour, ProbeSet)),
)
_INDEX: Final = """# Reference

This section is for users who know what they look for: each page lists all names of one interface.

`make reference` writes these pages from the code; do not edit them.

| page | holds |
| --- | --- |
| [Command line](cli.md) | every command with its options |
| [poet.toml](configuration.md) | every setting |
| [Events](events.md) | every event type with its fields |
| [Policies](policies.md) | the built-in policies and how they are called |
| [Plug-ins](plugins.md) | entry points, and the objects that a package registers |
| [Python](api.md) | every public module with its names |
| [HTTP](http.md) | every path of the server |
"""
_PLUGINS: Final = """# Plug-ins

This page is for engineers who write a policy or event types in a package of their own: after reading it you
know what a package registers, and every field of each object. [A policy of your own](../own-policy.md) shows
a whole package.

## Entry points

| group | name | object | loaded by |
| --- | --- | --- | --- |"""
_AFTER_ENTRY_POINTS: Final = """
A name may be registered only once. `poet status`, `plan` and `compile` report a package that cannot be
loaded; the others are not affected. Entry points are read once per process.
"""
_IMPORTS: Final = """
## Modules that a package may import

[Python](api.md) lists the names of each module.

| part of the package | modules |
| --- | --- |
| events | `poet.events`, `poet.events.units` |
| policy | `poet.spec`, `poet.spec.decisions` |
| runtime part | `poet_runtime.policies.policy`, and nothing of `poet` |
| learner | the modules of `poet.learning` and `poet.stats`, and `poet.spec.decisions` |
| contract | `poet.build.contract`, `poet.spec.decisions` |
| behaviour | `poet.build.compare`, `poet.build.probes` |
"""
_SECTION: Final = re.compile(r"(Parameters|Attributes|Returns|Yields|Raises)\n-+\n")
_PREFIX: Final = re.compile(
    r"\b(?:typing|pathlib|datetime|poet|poet_runtime|msgspec|builtins|numpy|types|jinja2|click|collections\.abc)"
    r"(?:\.\w+)*\.(?=\w)"
)
_OBJECT: Final = re.compile(
    r"<(?:built-in )?(?:function|class|object) ['\"]?(?:[\w<>]+\.)*(<?\w+>?)['\"]?(?: at 0x\w+)?>"
)


def write_site(folder: Path) -> None:
    """Write the pages and the reference into a folder; what was there is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns("*.py", "__pycache__", "reference")
    shutil.copytree(HERE, folder, ignore=ignored)
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (folder / "changelog.md").write_text(changes.replace("](docs/", "]("), encoding="utf-8")
    write_reference(folder / "reference")
    for path in folder.rglob("*.md"):
        path.write_text(_inside(path.read_text(encoding="utf-8"), path, folder), encoding="utf-8")


def write_reference(folder: Path = HERE / "reference") -> None:
    """Write the pages of the reference into a folder; other pages there are removed."""
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.md"):
        path.unlink()
    for name, text in pages().items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


def _inside(text: str, path: Path, folder: Path) -> str:
    """Replace links to files of the repository that are not pages by their text."""

    def kept(found: re.Match[str]) -> str:
        target = found[2].partition("#")[0]
        is_page = (
            not target or "://" in target or (path.parent / target).resolve().is_relative_to(folder.resolve())
        )
        return found[0] if is_page else found[1]

    return re.sub(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)", kept, text)


def pages() -> dict[str, str]:
    """Return the pages of the reference by name."""
    parts = {
        "index": _index(),
        "cli": _commands(),
        "configuration": _configuration(),
        "events": _events(),
        "policies": _policies(),
        "plugins": _plugins(),
        "api": _python(),
        "http": _http(),
    }
    return {name: _tidied("\n".join(lines)) for name, lines in parts.items()}


def _tidied(text: str) -> str:
    """Return the text with single blank lines outside of code."""
    prose_and_code = re.split(r"(^```.*?^```$)", text, flags=re.DOTALL | re.MULTILINE)
    prose_and_code[::2] = [re.sub(r"\n{3,}", "\n\n", prose) for prose in prose_and_code[::2]]
    return "".join(prose_and_code).rstrip() + "\n"


def _index() -> Iterator[str]:
    yield _INDEX


def _configuration() -> Iterator[str]:
    yield "# poet.toml\n"
    yield "This page is for those who run a workspace: it has every setting, as `poet init` writes it.\n"
    yield f"```toml\n{initial_text(start='calibrated')}```\n"


def _commands() -> Iterator[str]:
    yield "# The command line\n"
    yield "This page is for users of `poet` in a shell: it has the help of every command.\n"
    yield _fenced(_help(app, "poet"))
    yield from _of_group(app, "poet")


def _help(command: click.Command, name: str) -> str:
    """Return the help of a command, as in a terminal of 100 columns, with the settings of the application."""
    context = click.Context(
        command,
        info_name=name,
        terminal_width=100,
        help_option_names=app.context_settings["help_option_names"],
    )
    return command.get_help(context)


def _of_group(group: click.Group, name: str) -> Iterator[str]:
    for each, command in group.commands.items():  # in the order of the sections
        yield f"\n## {name} {each}\n"
        yield _fenced(_help(command, f"{name} {each}"))
        if isinstance(command, click.Group):
            yield from _of_group(command, f"{name} {each}")


def _events() -> Iterator[str]:
    yield "# Events\n"
    yield "This page is for those who send or read events: it has the fields of each type.\n"
    yield "Each has the envelope of a CloudEvent (`id`, `source`, `time`, `subject`); below is its `data`.\n"
    for name in sorted(PAYLOADS):
        payload = PAYLOADS[name]
        yield f"\n## {name}\n"
        yield from _described(payload)
        yield "| field | type | |\n| --- | --- | --- |"
        hints = {field.name: field for field in msgspec.structs.fields(payload)}
        for field in hints.values():
            needed = "required" if field.required else ""
            yield f"| `{field.name}` | `{_type(field.type)}` | {needed} |"


def _policies() -> Iterator[str]:
    yield "# The policies\n"
    yield "This page is for callers of the built-in policies: it has the version 1 of each, as it starts.\n"
    for spec in policies():
        source = render(spec.version_1(spec.starts[0])).source
        yield f"\n## {spec.name}\n"
        yield f"Starts: {', '.join(f'`{start}`' for start in spec.starts)}.\n"
        yield f"```python\n{source}```\n"


def _plugins() -> Iterator[str]:
    yield _PLUGINS
    for group, name, value, reader in ENTRY_POINTS:
        yield f"| `{group}` | {name} | {value} | {reader} |"
    yield _AFTER_ENTRY_POINTS
    for where, kinds in PLUGIN_PARTS:
        for kind in kinds:
            yield f"\n## {kind.__name__}\n"
            yield f"`{kind.__module__}.{kind.__name__}`: {where}.\n"
            yield from _described(kind)
            yield from _fields(kind)
    yield _IMPORTS


def _fields(kind: type) -> Iterator[str]:
    """Yield a table of the fields as the source declares them, with their comments."""
    source = textwrap.dedent(inspect.getsource(kind))
    lines = source.splitlines()
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 -- the source of a class
    declared = [node for node in body.body if isinstance(node, ast.AnnAssign)]
    if declared:
        yield "\n| field | type | default | |\n| --- | --- | --- | --- |"
    for node in declared:
        default = f"`{ast.unparse(node.value)}`" if node.value else "required"
        comment = lines[node.lineno - 1].partition("  # ")[2]
        kind_text = ast.unparse(node.annotation).replace("|", "\\|")
        yield f"| `{ast.unparse(node.target)}` | `{kind_text}` | {default} | {comment} |"


def _python() -> Iterator[str]:
    yield "# Python\n"
    yield "This page is for those who write programs and plug-ins: it has every public module.\n"
    modules = [importlib.import_module(name) for name in API]
    yield "| module | |\n| --- | --- |"
    for module in modules:
        summary = _text(module).partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        yield f"| [`{module.__name__}`](#{module.__name__.replace('.', '')}) | {_escaped(summary)} |"
    for module in modules:
        yield f"\n## {module.__name__}\n"
        yield from _described(module)
        for public in public_names(module):
            yield from _name(module, public)


def public_names(module: ModuleType) -> list[str]:
    """Return what a module exports: its ``__all__``, else its public functions, classes and type aliases."""
    exported = getattr(module, "__all__", None)
    if exported is not None:
        return sorted(exported)
    found: set[str] = set()
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):  # constants and type variables are in capitals
            found |= {
                each.id for each in node.targets if isinstance(each, ast.Name) and not each.id.isupper()
            }
    return sorted(name for name in found if not name.startswith("_"))


def _name(module: ModuleType, public: str) -> Iterator[str]:
    value = getattr(module, public)
    yield f"\n### {module.__name__}.{public}\n"
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        yield f"`{_type(type(value))}`\n"
        return
    yield f"```python\n{public}{_signature(value)}\n```\n"
    yield from _described(value)
    for method, found in sorted(vars(value).items()) if inspect.isclass(value) else ():
        function = inspect.unwrap(getattr(found, "__func__", getattr(found, "fget", found)) or found)
        if not method.startswith("_") and inspect.isfunction(function) and function.__doc__:
            brackets = "" if isinstance(found, property) else _signature(function)
            yield f"- `{method}{brackets}`: {_escaped(_text(function).splitlines()[0])}"


def _http() -> Iterator[str]:
    document = openapi()
    yield "# HTTP\n"
    yield "This page is for those who write clients of `poet serve`: it has every path with its answers.\n"
    yield f"{document['info'].get('description', '')}\n"
    for path, verbs in sorted(document["paths"].items()):
        for verb, operation in verbs.items():
            yield f"\n## {verb.upper()} {path}\n"
            yield f"{operation.get('summary', '')}\n\n{operation.get('description', '')}\n"
            yield "| status | |\n| --- | --- |"
            for status, response in sorted(operation.get("responses", {}).items()):
                yield f"| {status} | {response.get('description', '')} |"


def _signature(value: Any) -> str:
    try:
        written = str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""
    written = _OBJECT.sub(lambda found: "…" if "lambda" in found[0] else found[1], written)
    return _PREFIX.sub("", re.sub(r"\(self(?:, )?|\(cls(?:, )?", "(", written))


def _text(value: Any) -> str:
    """Return an object's own docstring; a class does not have that of its base."""
    found = value.__dict__.get("__doc__") if isinstance(value, type) else getattr(value, "__doc__", None)
    return inspect.cleandoc(found).strip() if isinstance(found, str) else ""


def _described(value: Any) -> Iterator[str]:
    """Yield a docstring as Markdown: sections as lists, examples as code."""
    first, *rest = _SECTION.split(_text(value))
    if first.strip():
        yield _prose(first)
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        yield f"\n**{title}**\n"
        yield from _items(body.splitlines())


def _items(lines: Iterable[str]) -> Iterator[str]:
    """Yield the entries of a section, each as one line; what follows without an indent is the next entry."""
    entry: list[str] = []
    for line in (*lines, "end"):
        if line and not line.startswith(" "):
            if entry:
                name, *meaning = entry
                yield f"- `{name}`: {_escaped(' '.join(meaning))}" if meaning else f"- {_escaped(name)}"
            entry = [line]
        elif line.strip():
            entry.append(line.strip())


def _prose(text: str) -> str:
    blocks = text.strip().split("\n\n")
    return "\n\n".join(map(_block, blocks)) + "\n"


def _block(block: str) -> str:
    if block.startswith(">>>"):
        return f"```pycon\n{block}\n```"
    return block if block.startswith("    ") else _escaped(block)


def _escaped(text: str) -> str:
    """Return prose for Markdown: literals in single backticks, and no markup outside of them."""
    parts = re.split(r"(`+[^`]*`+)", text.replace("``", "`"))
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def _type(kind: Any) -> str:
    text = kind.__name__ if isinstance(kind, type) else str(kind)
    text = re.sub(r", Meta\([^()]*\)", "", _PREFIX.sub("", text))
    return text.replace("|", "or").replace("\n", " ")


def _fenced(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"


def main() -> None:
    """Write the reference, or the sources of the site."""
    parser = argparse.ArgumentParser(description="Write the reference from the code.")
    parser.add_argument(
        "--site", type=Path, metavar="FOLDER", help="write the sources of the site here instead"
    )
    folder = parser.parse_args().site
    if folder is None:
        write_reference()
    else:
        write_site(folder)


if __name__ == "__main__":
    main()
