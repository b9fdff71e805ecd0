"""Write the site's sources: these pages, and a reference made of the code.

    python docs/reference.py build/docs

Nothing of the reference is kept in the repository, so it cannot fall behind.
"""

import importlib
import inspect
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import msgspec

from poet.build.render import render
from poet.cli.app import app
from poet.events import PAYLOADS
from poet.server.openapi import openapi
from poet.spec import policies
from poet.workspace.configuration import initial_text

__all__ = ["API", "pages", "write"]

HERE = Path(__file__).parent
ROOT = HERE.parent
API = (
    "poet",
    "poet.monitor",
    "poet.events",
    "poet.log",
    "poet.summaries",
    "poet.spec.decisions",
    "poet.learning",
    "poet.stats",
    "poet.build",
    "poet.build",
    "poet.build",
    "poet.build",
    "poet_runtime.registry",
    "poet.build",
    "poet.review",
    "poet_runtime.drift",
    "poet_runtime.results",
    "poet_runtime.drift.table",
    "poet.integrations.evidently_reports",
    "poet.integrations.nannyml_results",
    "poet.integrations.mlflow_versions",
    "poet.integrations.opentelemetry_signals",
    "poet.integrations.dana_events",
    "poet_runtime.plugins",
    "poet_runtime.errors",
)


def write(folder: Path) -> None:
    """Put the pages and the reference into a folder, anew."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copy(ROOT / "CHANGELOG.md", folder / "changelog.md")
    for path in folder.rglob("*.md"):
        path.write_text(_inside(path.read_text(encoding="utf-8"), path, folder), encoding="utf-8")
    (folder / "reference").mkdir()
    for name, text in pages().items():
        (folder / "reference" / f"{name}.md").write_text(text, encoding="utf-8")


def _inside(text: str, path: Path, folder: Path) -> str:
    """Name files of the repository that are no pages instead of linking to them."""

    def kept(found: re.Match[str]) -> str:
        target = found[2].partition("#")[0]
        is_page = (
            not target or "://" in target or (path.parent / target).resolve().is_relative_to(folder.resolve())
        )
        return found[0] if is_page else found[1]

    return re.sub(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)", kept, text)


def pages() -> dict[str, str]:
    """Give the pages of the reference by name."""
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
    for each in sorted(group.commands):
        command = group.commands[each]
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
    yield "# The six policies\n"
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
        for public in sorted(module.__all__):
            yield from _name(module, public)


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
    text = re.sub(r"\b(?:typing|poet|msgspec|builtins|collections\.abc)(?:\.\w+)*\.", "", text)
    return re.sub(r", Meta\([^()]*\)", "", text).replace("|", "or").replace("\n", " ")


def _fenced(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
