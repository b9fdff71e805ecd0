"""Tables and paragraphs in Markdown."""

import textwrap
from collections.abc import Iterable, Sequence

__all__ = ["paragraph", "table"]

WIDTH = 110


def paragraph(text: str) -> list[str]:
    """Return the lines of a paragraph and an empty line."""
    return [*textwrap.wrap(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False), ""]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; characters that would end a cell are replaced."""
    lines = [_line(head), "| " + " | ".join("---" for _ in head) + " |"]
    return lines + [_line(row) for row in rows]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "/").split()) for cell in cells) + " |"
