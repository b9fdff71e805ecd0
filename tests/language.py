"""Report words that the project does not use: ``python -m tests.language [PATHS]``, `CHECKED` by default.

The check reads what people read: the prose of Markdown pages without code, the comments, docstrings and
messages of Python files, and the text of templates. It exits with status 1 if it finds a listed word, or a
docstring that opens with an unusual verb. A line that contains ``language: keep`` is skipped: use it for text
whose bytes must not change, such as texts of published modules.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
CHECKED: Final = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs",
    "templates",
    "benchmarks",
    "compiler/poet/build",
    "compiler/poet/cli",
    "compiler/poet/distribute",
    "compiler/poet/events",
    "compiler/poet/learning",
    "compiler/poet/log",
    "compiler/poet/monitor",
    "compiler/poet/policies",
    "compiler/poet/review",
    "compiler/poet/server",
    "compiler/poet/spec",
    "compiler/poet/stats",
    "compiler/poet/summaries",
    "compiler/poet/workspace",
    "feedback_log/README.md",
    "tests/[!lrt]*.py",
    "tests/monitors",
    "tests/policies/*/bad_modules.py",
    "tests/policies/*/test_*.py",
    "tests/policies/README.md",
    "tests/run_dana.py",
    "tests/test_*.py",
)
SUFFIXES: Final = {".md", ".py", ".jinja", ".html"}
KEEP: Final = "language: keep"
LISTED: Final = re.compile(
    r"\b(anew|told (?:of|apart)|tells? of|whoever|nobody|beside|bears|grave|dear|as it came|all the same"
    r"|to the byte|says of|(?<!there )is no (?!longer\b|more\b|less\b)\w+|stands (?!for\b|in for\b)\w+"
    r"|stretch(?:es)?|silences?|untaught|contrary voices?|nothing waits|clears the|deseasonalised)\b",
    re.IGNORECASE,
)
OPENING: Final = re.compile(r"\s*(Give|Say|Tell|Hold|Put|Is it|Let|Ask whether)\b")
_CODE: Final = re.compile(r"`[^`\n]*`|\]\([^)]*\)|\{[%{].*?[%}]\}")


def findings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the word of everything in a file that the project does not write."""
    text = path.read_text(encoding="utf-8")
    kept = {number for number, line in enumerate(text.splitlines(), 1) if KEEP in line}
    passages = list(_python(text) if path.suffix == ".py" else _prose(text))
    for number, passage in passages:
        for offset, line in enumerate(passage.splitlines()):
            if number + offset in kept or number in kept:
                continue
            for match in LISTED.finditer(_CODE.sub(" ", line)):
                yield number + offset, match.group()
    if path.suffix == ".py":
        yield from ((n, word) for n, word in _openings(text) if n not in kept)


def _prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a page or template that are not in a code block."""
    is_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif not is_code and not line.startswith("    "):
            yield number, line


def _python(text: str) -> Iterator[tuple[int, str]]:
    """Yield comments and those strings that hold more than one word."""
    strings = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_text = token.type in strings and " " in token.string.strip("\"' ")
        if is_text or token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _openings(text: str) -> Iterator[tuple[int, str]]:
    """Yield the first words of docstrings that open with a word of `OPENING`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match = OPENING.match(ast.get_docstring(node) or "")
            if match:
                yield node.body[0].lineno, f"docstring opens with {match.group(1)!r}"


def files(paths: list[str]) -> Iterator[Path]:
    """Yield the files at and below `paths`: paths or glob patterns relative to the repository."""
    for pattern in paths:
        matches = [ROOT / pattern] if (ROOT / pattern).exists() else sorted(ROOT.glob(pattern))
        if not matches:
            raise SystemExit(f"{pattern}: no such file")
        for each in matches:
            found = sorted(each.rglob("*")) if each.is_dir() else [each]
            yield from (path for path in found if path.suffix in SUFFIXES)


def main(paths: list[str]) -> int:
    """Print what was found, and return the exit status."""
    found = [(path, *finding) for path in files(paths) for finding in findings(path)]
    for path, number, word in found:
        print(f"{path.relative_to(ROOT)}:{number}: {word}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(CHECKED)))
