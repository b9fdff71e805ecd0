"""Documents and lines to standard output, everything else to standard error."""

import json
import sys
from collections.abc import Iterable
from typing import Any

import click

__all__ = ["note", "note_broken_packages", "show"]

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


def note_broken_packages() -> None:
    """Say which packages bring a policy or an event type that is left out, and why."""
    from poet.events import PAYLOADS  # noqa: PLC0415 -- `poet --help` must not import the compiler
    from poet.policies import broken_policies  # noqa: PLC0415

    for problem in (*broken_policies().values(), *PAYLOADS.problems):
        note(f"poet: left out: {problem}")
