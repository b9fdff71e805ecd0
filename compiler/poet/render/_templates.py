"""Where templates are, what they may do, and which of them a module came from."""

import hashlib
from importlib import resources
from pathlib import Path

import jinja2
import jinja2.meta

import poet
from poet.errors import RenderError
from poet.render import _source

__all__ = ["environment", "template_root", "templates_sha256"]


def template_root() -> Path:
    """Give the folder of the built-in templates: the installed package's, else the checkout's."""
    package = Path(poet.__file__).parent
    return packaged if (packaged := package / "templates").is_dir() else package.parents[1] / "templates"


def environment(overrides: Path | None) -> jinja2.Environment:
    """Make an environment in which templates print and cannot compute: no globals, our filters alone.

    A name is a file's, looked up among the built-in templates, or ``package:file``, looked up beside the
    package. In `overrides` both are found by the file's name.
    """
    own = jinja2.FileSystemLoader([template_root()] if overrides is None else [overrides, template_root()])
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [own, jinja2.FunctionLoader(lambda name: _beside_package(name, overrides))]
        ),
        undefined=jinja2.StrictUndefined,
        finalize=_source.only_source,
        autoescape=False,  # noqa: S701 - the target is Python, not HTML; `only_source` guards it
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.clear()
    made.filters.clear()
    for ours in (_source.literal, _source.identifier, _source.constant, _source.comment, _source.fit):
        made.filters[ours.__name__] = ours
    return made


def _beside_package(name: str, overrides: Path | None) -> str | None:
    package, colon, file = name.partition(":")
    if not colon:
        return None
    if overrides is not None and (overrides / file).is_file():
        return (overrides / file).read_text(encoding="utf-8")
    try:
        return resources.files(package).joinpath(file).read_text(encoding="utf-8")
    except (ModuleNotFoundError, FileNotFoundError):
        return None


def templates_sha256(env: jinja2.Environment, name: str) -> str:
    """Digest a template and all it extends or includes, by name and content.

    Raises
    ------
    RenderError
        A template names another one by an expression.
    """
    contents: dict[str, str] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in contents:
            continue
        contents[current] = _content(env, current)
        for other in jinja2.meta.find_referenced_templates(env.parse(contents[current], current)):
            if other is None:
                raise RenderError(
                    f"{current}: extends or includes a template by expression; name it in quotes"
                )
            waiting.append(other)
    digest = hashlib.sha256()
    for template, content in sorted(contents.items()):
        digest.update(f"{template}\0{len(content)}\0{content}".encode())
    return digest.hexdigest()


def _content(env: jinja2.Environment, name: str) -> str:
    if env.loader is None:
        raise jinja2.TemplateNotFound(name)
    content, _, _ = env.loader.get_source(env, name)
    return content
