"""Tests that every gate accepts equivalent modules."""

import ast
import importlib
from pathlib import Path

import pytest

from poet.spec import policies
from tests.variants import PASSED, Good, edited, gate_of

EFFORT = 5
POLICIES = [spec.name for spec in policies()]
GOOD: dict[str, tuple[str, Good]] = {
    f"{name} {each.what}": (name, each)
    for name in POLICIES
    for each in importlib.import_module(f"tests.policies.{name}.good_modules").GOOD
}


@pytest.mark.usefixtures("_forked")
@pytest.mark.parametrize("what", GOOD)
def test_a_good_module_is_accepted(tmp_path: Path, what: str) -> None:
    """The dialect, the boundary table, every property and the sandbox accept it."""
    name, good = GOOD[what]
    assert gate_of(edited(name, good), tmp_path, effort=EFFORT) == (PASSED, "")


@pytest.mark.usefixtures("_forked")
@pytest.mark.parametrize("name", POLICIES)
def test_the_golden_module_is_accepted(tmp_path: Path, name: str) -> None:
    """Good and bad modules are edits of it."""
    assert gate_of(edited(name, Good("as it is", ())), tmp_path, effort=EFFORT) == (PASSED, "")


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_has_at_least_five_good_modules(name: str) -> None:
    """Each is a different program from the golden one and from all others."""
    found = [good for own, good in GOOD.values() if own == name]
    assert len(found) == len(importlib.import_module(f"tests.policies.{name}.good_modules").GOOD) >= 5
    trees = {ast.dump(ast.parse(edited(name, good).source)) for good in (Good("as it is", ()), *found)}
    assert len(trees) == len(found) + 1
