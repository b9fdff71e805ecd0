"""Decisions become source: the second half of the compiler's front."""

from poet.render._rendered import RenderedModule, render
from poet.render._source import literal
from poet.render._templates import template_root

__all__ = ["RenderedModule", "literal", "render", "template_root"]
