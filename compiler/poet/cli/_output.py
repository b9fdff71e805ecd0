"""Documents and lines to standard output, everything else to standard error."""

import json
import sys
from collections.abc import Iterable
from typing import Any

import click

__all__ = ["note", "show"]

COLOURS = {"+": "green", "-": "red", "?": "yellow", "@": "cyan"}


def show(*, as_json: bool, document: Any, lines: Iterable[str]) -> None:
    """Print one JSON document, or lines, coloured by their first sign where a terminal is watching."""
    if as_json:
        click.echo(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True, default=str))
        return
    for line in lines:
        colour = COLOURS.get(line[:1])
        click.echo(click.style(line, fg=colour) if colour else line)


def note(text: str) -> None:
    """Say something that is no result."""
    click.echo(text, err=True)
    sys.stderr.flush()
