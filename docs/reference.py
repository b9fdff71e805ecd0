"""Write the sources of the site: these pages, and a reference generated from the code.

    python docs/reference.py build/docs

The reference is not kept in the repository, so it cannot become outdated.
"""

import ast
import importlib
import inspect
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click
import msgspec

from poet.build.render import render
from poet.cli.app import app
from poet.events import PAYLOADS
from poet.server.openapi import openapi
from poet.spec import policies
from poet.workspace.configuration import initial_text

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


def write(folder: Path) -> None:
    """Write the pages and the reference into a folder; what was there is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copy(ROOT / "CHANGELOG.md", folder / "changelog.md")
    for path in folder.rglob("*.md"):
        path.write_text(_inside(path.read_text(encoding="utf-8"), path, folder), encoding="utf-8")
    (folder / "reference").mkdir()
    for name, text in pages().items():
        (folder / "reference" / f"{name}.md").write_text(text, encoding="utf-8")


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
    settings = initial_text(start="calibrated")
    return {
        "commands": "\n".join(_commands()),
        "configuration": f"# poet.toml\n\nWhat `poet init` writes, all settings.\n\n```toml\n{settings}```\n",
        "events": "\n".join(_events()),
        "policies": "\n".join(_policies()),
        "python": "\n".join(_python()),
        "http": "\n".join(_http()),
    }


def _commands() -> Iterator[str]:
    yield "# The command line\n"
    yield _fenced(app.get_help(click.Context(app, info_name="poet")))
    yield from _of_group(app, "poet")


def _of_group(group: click.Group, name: str) -> Iterator[str]:
    for each, command in group.commands.items():  # in the order of the sections
        yield f"\n## {name} {each}\n"
        yield _fenced(
            command.get_help(click.Context(command, info_name=f"{name} {each}", terminal_width=100))
        )
        if isinstance(command, click.Group):
            yield from _of_group(command, f"{name} {each}")


def _events() -> Iterator[str]:
    yield "# Events\n"
    yield "Each has the envelope of a CloudEvent (`id`, `source`, `time`, `subject`); below is its `data`.\n"
    for name in sorted(PAYLOADS):
        payload = PAYLOADS[name]
        yield f"\n## {name}\n"
        yield f"{_plain(payload)}\n"
        yield "| field | type | |\n| --- | --- | --- |"
        hints = {field.name: field for field in msgspec.structs.fields(payload)}
        for field in hints.values():
            needed = "required" if field.required else ""
            yield f"| `{field.name}` | `{_type(field.type)}` | {needed} |"


def _policies() -> Iterator[str]:
    yield "# The policies\n"
    yield "How every version is called; version 1 is shown as it starts.\n"
    for spec in policies():
        source = render(spec.version_1(spec.starts[0])).source
        yield f"\n## {spec.name}\n"
        yield f"Starts: {', '.join(f'`{start}`' for start in spec.starts)}.\n"
        yield f"```python\n{source}```\n"


def _python() -> Iterator[str]:
    yield "# Python\n"
    for name in API:
        module = importlib.import_module(name)
        yield f"\n## {name}\n"
        yield f"{inspect.cleandoc(module.__doc__ or '').strip()}\n"
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
    if inspect.isclass(value) or inspect.isfunction(value):
        yield f"```python\n{public}{_signature(value)}\n```\n"
        yield f"{_plain(value)}\n"
        for method, found in sorted(vars(value).items()) if inspect.isclass(value) else ():
            function = inspect.unwrap(getattr(found, "__func__", getattr(found, "fget", found)) or found)
            if not method.startswith("_") and inspect.isfunction(function) and function.__doc__:
                brackets = "" if isinstance(found, property) else _signature(function)
                yield f"- `{method}{brackets}`: {inspect.cleandoc(function.__doc__).splitlines()[0]}"
    else:
        yield f"`{_type(type(value))}`\n"


def _http() -> Iterator[str]:
    document = openapi()
    yield "# HTTP\n"
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
        return str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""


def _plain(value: Any) -> str:
    said = getattr(value, "__doc__", None)
    return _fenced(inspect.cleandoc(said)) if isinstance(said, str) else ""


def _type(kind: Any) -> str:
    text = kind.__name__ if isinstance(kind, type) else str(kind)
    text = re.sub(r"\b(?:typing|poet|poet_runtime|msgspec|builtins|collections\.abc)(?:\.\w+)*\.", "", text)
    return re.sub(r", Meta\([^()]*\)", "", text).replace("|", "or").replace("\n", " ")


def _fenced(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
