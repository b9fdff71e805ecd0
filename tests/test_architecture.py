"""Tests that packages import each other exactly as `docs/architecture.md` says."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from poet_runtime.policies.policy import BUILT_IN
from tests.structure import Structure, exceeded, read_structure

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
POLICIES = "poet.policies."
ENGINES = (
    "poet.build",
    "poet.learning",
    "poet.review",
    "poet.spec",
    "poet.stats",
    "poet.summaries",
    "poet.log",
    "poet.server",
    "poet_runtime.registry",
)
COMPILER_LIBRARIES = (
    "click",
    "duckdb",
    "hypothesis",
    "ibis",
    "jinja2",
    "libcst",
    "pandas",
    "pyarrow",
    "rich",
    "statsmodels",
)


@pytest.fixture(scope="module")
def structure() -> Structure:
    """Return the packages and their imports, read from the sources."""
    return read_structure(ROOT / "compiler")


def documented() -> dict[str, frozenset[str]]:
    """Return the imports that the table of the page allows for each package.

    The row ``poet.policies.<policy>`` stands for all built-in policies.
    """
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `poet")
    ]
    return {cells[0].strip("`"): _names(cells[2]) for cells in rows}


def _names(cell: str) -> frozenset[str]:
    return frozenset(name.strip(" `") for name in cell.split(",") if name.strip(" `-"))


def _folded(package: str) -> str:
    return f"{POLICIES}<policy>" if package.startswith(POLICIES) else package


def test_the_table_lists_every_package_and_no_other(structure: Structure) -> None:
    """A new package needs a row, and the row of a removed package must be removed."""
    assert set(documented()) == {_folded(package) for package in structure.imports}


def test_a_package_imports_exactly_what_the_table_says(structure: Structure) -> None:
    """An import that is missing in the table fails, and so does an entry that is not used."""
    found: dict[str, set[str]] = {}
    for package, imports in structure.imports.items():
        found.setdefault(_folded(package), set()).update(map(_folded, imports))
    assert {package: frozenset(imports) for package, imports in found.items()} == documented()


def test_no_policy_imports_another(structure: Structure) -> None:
    """Each policy can be read, changed and removed independently."""
    for package, imports in structure.imports.items():
        if package.startswith(POLICIES):
            assert not [other for other in imports if other.startswith(POLICIES)], package


def test_engines_name_no_policy(structure: Structure) -> None:
    """They use `PolicySpec` and `RuntimePolicy`, so a new policy does not change them."""
    for path in structure.lengths:
        if ".".join(path.relative_to(ROOT / "compiler").parts[:-1]) in ENGINES:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                word = node.value if isinstance(node, ast.Constant) else getattr(node, "id", None)
                assert word not in BUILT_IN, f"{path} names {word}"


def test_every_file_that_the_page_names_exists() -> None:
    """Paths are relative to the root or to ``compiler/``."""
    section = PAGE.read_text(encoding="utf-8").split("## Where to look")[1].split("\n## ")[0]
    named = [name for name in re.findall(r"`([\w./-]+)`", section) if "/" in name.strip("/")]
    assert len(named) > 50
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "compiler" / name).exists(), name


def test_packages_have_no_cycle_and_the_structure_is_bounded(structure: Structure) -> None:
    """A change that exceeds a limit needs a good reason to raise it."""
    assert list(exceeded(structure)) == []


def test_a_structure_beyond_the_limits_is_reported() -> None:
    """The structure has a cycle, too many packages and a file of one line."""
    chain = {f"p{k}": frozenset({f"p{k + 1}"}) for k in range(40)} | {"p40": frozenset({"p39"})}
    messages = list(exceeded(Structure(chain, {Path("a.py"): 1})))
    assert [re.sub(r"\d+", "N", each.partition(",")[0]) for each in messages] == [
        "N packages",
        "N layers",
        "N cycles",
        "a median file of N lines",
    ]


def test_a_private_module_is_imported_only_in_its_package(structure: Structure) -> None:
    """Names with a leading underscore are private to their package."""
    for path in structure.lengths:
        inside = ".".join(path.relative_to(ROOT / "compiler").parts[:-1])
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and "._" in node.module:
                assert node.module.rpartition("._")[0] == inside, f"{path} imports {node.module}"


@pytest.mark.parametrize(
    "module",
    [
        "poet_runtime.drift",
        "poet_runtime.drift.table",
        "poet_runtime.recovery",
        "poet_runtime.registry",
        "generated.detect_drift_v2",
        "generated.generate_alerts_v1",
        "generated.monitor_with_recovery_v1",
    ],
)
def test_production_imports_neither_compiler_nor_data_frames(module: str) -> None:
    """A generated module loads little more than numpy; scipy is loaded with the first p-value."""
    code = (
        f"import sys, {module}; "
        f"print([name for name in {('poet', 'scipy', *COMPILER_LIBRARIES)!r} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=ROOT)
    assert ended.stdout.strip() == "[]"


def test_the_figures_can_be_printed() -> None:
    """``python -m tests.structure`` prints the numbers that these tests check."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.structure"], capture_output=True, check=True, text=True, cwd=ROOT
    )
    assert "0 cycles" in ended.stdout
    assert "packages" in ended.stdout
