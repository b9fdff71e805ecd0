"""From decisions and a template to source, and the shape that the source must have."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jinja2
import msgspec

from poet.decisions import Decisions
from poet.errors import RenderError
from poet.policies import PolicySpec, policy
from poet.render._templates import environment, templates_sha256

__all__ = ["RenderedModule", "render"]


@dataclass(frozen=True, slots=True)
class RenderedModule:
    """A module's source, and its shape: what its template gives when all text from feedback is harmless."""

    decisions: Decisions
    source: str
    shape: str
    template_sha256: str


def render(decisions: Decisions, *, overrides: Path | None = None) -> RenderedModule:
    """Render decisions with their policy's template; one in the folder `overrides` comes first.

    Raises
    ------
    RenderError
        The decisions or the template are not usable.
    """
    spec = policy(decisions.policy)
    try:
        env = environment(overrides)
        template = env.get_template(spec.template)
        return RenderedModule(
            decisions=decisions,
            source=_source(spec, template, decisions),
            shape=_source(spec, template, _harmless(decisions, spec.words)),
            template_sha256=templates_sha256(env, spec.template),
        )
    except jinja2.TemplateNotFound as error:
        raise RenderError(
            f"{spec.name}: no template {error.name!r}; "
            "ship it with its package, or put it in the workspace's templates folder"
        ) from error
    except jinja2.TemplateError as error:
        place = f"{getattr(error, 'name', None) or spec.template}:{getattr(error, 'lineno', '?')}"
        raise RenderError(f"{place}: {error}; correct the template") from error


def _source(spec: PolicySpec, template: jinja2.Template, decisions: Decisions) -> str:
    header = {
        "policy": spec.name,
        "version": decisions.version,
        "revises": decisions.revises,
        "start": decisions.start if decisions.start in spec.starts else spec.starts[0],
    }
    return template.render(header | spec.outline(decisions))


def _harmless(decisions: Decisions, words: frozenset[str]) -> Decisions:
    """Give the same decisions with every text that is not the policy's own replaced, equal texts alike."""
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
