"""Render decisions with a template to source code, and to the shape that this source must have.

This module also finds templates, restricts what they can do (`environment`), and identifies the templates
that a module was rendered from (`templates_sha256`).
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2
import jinja2.meta
import msgspec

from poet.build import source as _source
from poet.spec import PolicySpec, policy
from poet.spec.decisions import Decisions
from poet_runtime.errors import RenderError


def template_root() -> Path:
    """Return the folder of the built-in templates, in the installed package or else in the checkout."""
    package = Path(__file__).parents[1]
    return packaged if (packaged := package / "templates").is_dir() else package.parents[1] / "templates"


def environment(overrides: Path | None) -> jinja2.Environment:
    """Return an environment in which templates print but cannot compute: no globals, and only our filters.

    A template name is a file name, looked up among the built-in templates, or ``package:file``, looked up in
    the package. In the folder `overrides` both are looked up by file name.
    """
    own = jinja2.FileSystemLoader([template_root()] if overrides is None else [overrides, template_root()])
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [own, jinja2.FunctionLoader(lambda name: _package_template(name, overrides))]
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
    for ours in (
        _source.literal,
        _source.identifier,
        _source.constant,
        _source.in_order_of_use,
        _source.comment,
        _source.fit,
    ):
        made.filters[ours.__name__] = ours
    return made


def _package_template(name: str, overrides: Path | None) -> str | None:
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
    """Return the digest of a template and all that it extends or includes, by name and content.

    Raises
    ------
    RenderError
        A template refers to another one by an expression.
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


@dataclass(frozen=True, slots=True)
class RenderedModule:
    """The source of a module, and its shape: the source with placeholders for all text from feedback."""

    decisions: Decisions
    source: str
    shape: str
    template_sha256: str


def render(decisions: Decisions, *, overrides: Path | None = None) -> RenderedModule:
    """Render decisions with the template of their policy; the folder `overrides` takes precedence.

    Raises
    ------
    RenderError
        The decisions or the template are invalid.
    """
    spec = policy(decisions.policy)
    with _template_errors(spec):
        env = environment(overrides)
        template = env.get_template(spec.template)
        return RenderedModule(
            decisions=decisions,
            source=_render_source(spec, template, decisions),
            shape=_render_source(spec, template, _harmless(decisions, spec.words)),
            template_sha256=templates_sha256(env, spec.template),
        )


def source_renderer(name: str, *, overrides: Path | None = None) -> Callable[[Decisions], str]:
    """Return a function that renders decisions of one policy to source, for searches that render often.

    The template is read once. Both the call and the function raise what `render` raises.
    """
    spec = policy(name)
    with _template_errors(spec):
        template = environment(overrides).get_template(spec.template)

    def source(decisions: Decisions) -> str:
        with _template_errors(spec):
            return _render_source(spec, template, decisions)

    return source


@contextmanager
def _template_errors(spec: PolicySpec) -> Iterator[None]:
    """Raise errors of a template as `RenderError`."""
    try:
        yield
    except jinja2.TemplateNotFound as error:
        raise RenderError(
            f"{spec.name}: no template {error.name!r}; "
            "ship it with its package, or put it in the workspace's templates folder"
        ) from error
    except jinja2.TemplateError as error:
        place = f"{getattr(error, 'name', None) or spec.template}:{getattr(error, 'lineno', '?')}"
        raise RenderError(f"{place}: {error}; correct the template") from error


def _render_source(spec: PolicySpec, template: jinja2.Template, decisions: Decisions) -> str:
    header = {
        "policy": spec.name,
        "template_name": spec.template.rpartition(":")[2],
        "version": decisions.version,
        "revises": decisions.revises,
        "start": decisions.start if decisions.start in spec.starts else spec.starts[0],
        "log_position": decisions.log_position,
    }
    return template.render(header | spec.outline(decisions))


def _harmless(decisions: Decisions, words: frozenset[str]) -> Decisions:
    """Return the decisions with placeholders for all texts other than `words`; equal texts stay equal."""
    seen: dict[str, str] = {}

    def placeholder(text: str) -> str:
        return text if text in words else seen.setdefault(text, f"text_{len(seen)}")

    rules = tuple(
        msgspec.structs.replace(
            rule,
            condition=_replaced(rule.condition, placeholder),
            parameters=_replaced(rule.parameters, placeholder),
            was=placeholder(rule.was),
            reason=placeholder(rule.reason),
        )
        for rule in decisions.rules
    )
    return msgspec.structs.replace(decisions, rules=rules)


def _replaced(value: object, placeholder: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return placeholder(value)
    if isinstance(value, dict):
        return {placeholder(key): _replaced(held, placeholder) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(held, placeholder) for held in value]
    return value
