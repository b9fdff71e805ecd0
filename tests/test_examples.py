"""Tests that run the ``>>>`` examples in docstrings and on pages and compare their output."""

import ast
import doctest
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from docs.reference import public_names

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "compiler").rglob("*.py"))
PAGES = [
    page
    for page in sorted((ROOT / "docs").rglob("*.md"))
    if page.parent.name != "reference"  # generated from docstrings
]
WITH_EXAMPLES = (  # modules in which every public function has an example
    "poet.stats",
    "poet.events.units",
    "poet_runtime.context",
    "poet_runtime.drift",
    "poet_runtime.drift.table",
    "poet_runtime.strategy",
)
NOT_CALLED_DIRECTLY = {
    "score_all",
    "Criterion",
    "Measure",
    "Reading",
    "Samples",
    "Reference",
    "Usd",
    "Seconds",
    "Instant",
}
BLOCK = re.compile(r"^```pycon\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FINDER = doctest.DocTestFinder(exclude_empty=True)


def modules() -> list[str]:
    """Return the modules that have examples, without importing any module."""
    found = [
        ".".join(path.relative_to(ROOT / "compiler").with_suffix("").parts)
        for path in SOURCES
        if ">>> " in path.read_text(encoding="utf-8")
    ]
    return [name.removesuffix(".__init__") for name in found]


def run(tests: list[doctest.DocTest]) -> int:
    """Run examples and return their number; the first failure raises an error."""
    runner = doctest.DebugRunner(optionflags=doctest.ELLIPSIS)
    for test in tests:
        try:
            runner.run(test)
        except doctest.DocTestFailure as failure:
            pytest.fail(
                f"{test.name}: >>> {failure.example.source}expected {failure.example.want}got {failure.got}"
            )
        except doctest.UnexpectedException as failure:
            raise failure.exc_info[1] from None
    return sum(len(test.examples) for test in tests)


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_are_correct(name: str) -> None:
    """Each docstring runs separately, because readers copy a single one."""
    module: ModuleType = importlib.import_module(name)
    assert run([test for test in FINDER.find(module, globs={}) if test.examples]) > 0


def test_examples_on_pages_are_correct() -> None:
    """Each page is one session. `tests/test_site.py` lists the tests that run blocks without a prompt."""
    parser = doctest.DocTestParser()
    sessions = {page: "\n".join(BLOCK.findall(page.read_text(encoding="utf-8"))) for page in PAGES}
    tests = [
        parser.get_doctest(text, {}, str(page.relative_to(ROOT)), str(page), 0)
        for page, text in sessions.items()
        if text
    ]
    assert run(tests) > 0


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_public_functions_have_examples(name: str) -> None:
    """Exceptions are listed above."""
    module = importlib.import_module(name)
    for public in set(public_names(module)) - NOT_CALLED_DIRECTLY:
        value = getattr(module, public)
        if inspect.isroutine(value) or inspect.isclass(value):  # not aliases of types
            assert ">>> " in (inspect.getdoc(value) or ""), f"{name}.{public}"


def test_examples_are_in_docstrings() -> None:
    """An example in a comment or in other text would never run."""
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        if ">>> " not in text:
            continue
        documented = [
            ast.get_docstring(node, clean=False) or ""
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        ]
        assert sum(each.count(">>> ") for each in documented) == text.count(">>> "), path
