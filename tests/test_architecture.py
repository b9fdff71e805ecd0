"""Data flows one way: no stage imports one downstream of it."""

import ast
import re
from pathlib import Path

import pytest

from poet.runtime.policies import BUILT_IN

ROOT = Path(__file__).parents[1] / "compiler" / "poet"
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
PURE = {"errors", "decisions"}
MAY_IMPORT = {
    "plugins": set(),
    "events": {"plugins"},
    "log": {"events"},
    "summaries": {"events", "log"},
    "decisions": set(),
    "runtime": {"plugins"},
    "compare": {"decisions", "runtime"},
    "policies": {"decisions", "plugins", "runtime"},
    "stats": set(),
    "learn": {"decisions", "summaries", "policies", "learn", "compare", "stats"},
    "render": {"decisions", "policies"},
    "check": {"render", "decisions", "policies"},
    "validate": {"check", "compare", "decisions", "policies", "runtime"},
    "publish": {"validate", "render", "compare", "decisions", "registry"},
    "registry": {"runtime"},
    "edits": {"decisions", "policies", "registry"},
    "bundle": {"publish", "registry"},
    "access": set(),
    "inbox": {"events", "log", "runtime"},
    "ingest": {"events", "inbox"},
    "export": {"decisions", "policies", "publish", "registry"},
    "adapters": {"events", "publish", "runtime", "workspace"},
    "doctor": {"configuration", "log", "registry", "validate"},
    "proposals": {"events", "jobs", "pipeline", "registry", "review", "turns", "workspace"},
    "web": {
        "access",
        "decisions",
        "events",
        "inbox",
        "ingest",
        "log",
        "proposals",
        "publish",
        "registry",
        "review",
        "turns",
        "workspace",
    },
}


def imported(stage: str) -> set[str]:
    """Name the parts of poet that a stage imports."""
    path = ROOT / stage
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    names: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("poet"):
                parts = node.module.split(".")
                names |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
            elif isinstance(node, ast.Import):
                names |= {a.name.split(".")[1] for a in node.names if a.name.startswith("poet.")}
    return names - {stage, "errors", "files", "background"}


@pytest.mark.parametrize("stage", MAY_IMPORT)
def test_a_stage_imports_only_what_stands_before_it(stage: str) -> None:
    """The table of docs/architecture.md."""
    assert imported(stage) <= MAY_IMPORT[stage]


@pytest.mark.parametrize(
    "module", ["poet.runtime", "poet.runtime.drift", "poet.registry", "generated.detect_drift_v2"]
)
def test_what_runs_in_production_imports_neither_compiler_nor_data_frames(module: str) -> None:
    """A generated module costs numpy and little more; scipy comes with the first p-value that needs it."""
    import subprocess
    import sys

    heavy = [
        "pandas",
        "scipy",
        "statsmodels",
        "jinja2",
        "libcst",
        "hypothesis",
        "ibis",
        "duckdb",
        "pyarrow",
    ]
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=ROOT.parents[1]
    )
    assert ended.stdout.strip() == "[]"


NAMES_A_POLICY = {  # outside a policy's own modules: who names a built-in policy, and why
    "runtime/policies.py": "the one list of the built-in policies",
    "runtime/table.py": "runs detect_drift over the columns of two tables",
    "runtime/recovery/_default.py": "monitor_with_recovery runs detect_drift's calibrated start by default",
    "runtime/alerts.py": "what generated generate_alerts calls: its messages name the answers it takes",
    "runtime/_columns.py": "a message that recommends detect_drift_table",
    "policies/_drift_rules.py": "part of detect_drift",
    "policies/_drift_starts.py": "part of detect_drift",
    "validate/_alerts_book.py": "part of the contract of generate_alerts",
    "validate/_alerts_table.py": "part of the contract of generate_alerts",
    "validate/_drift_table.py": "part of the contract of detect_drift",
    "validate/_recovery_book.py": "part of the contract of monitor_with_recovery",
    "validate/_recovery_steps.py": "part of the contract of monitor_with_recovery",
    "validate/_recovery_table.py": "part of the contract of monitor_with_recovery",
    "learn/trials.py": "the trial that detect_drift's spec names",
    "monitor/_methods.py": "the types of the methods, for editors; and detect_drift on tables",
    "monitor/_smart.py": "monitoring_with_feedback detects drift",
    "workspace.py": "detect_drift on tables",
    "adapters/_answers.py": "other tools' answers about drift",
    "adapters/spark_tables/__init__.py": "detect_drift on data frames",
    "adapters/spark_tables/_detect.py": "detect_drift on data frames",
    "adapters/spark_tables/_record.py": "detect_drift on data frames",
    "export/_alertmanager.py": "what generate_alerts learned, as Alertmanager's configuration",
    "configuration.py": "a comment in the poet.toml that it writes",
    "cli/_export.py": "an example in a message",
    "cli/_bundle.py": "an example in a message",
    "cli/_setup.py": "the first step that is recommended",
    "demo/_run.py": "a day of detect_drift",
    "demo/show.py": "a day of detect_drift",
}


def names_of_policies(file: Path) -> set[str]:
    """Return the built-in policies that a module's code names; docstrings and comments may."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False):
            node.body[0] = ast.Pass()
    code = ast.unparse(tree)
    return {name for name in BUILT_IN if re.search(rf"(?<![a-z]){name}(?![a-z]|_v)", code)}


def is_of_a_policy(path: Path) -> bool:
    """Return whether a module is one of a policy's own, by its name or its folder's."""
    return not {path.stem, *path.parts}.isdisjoint(BUILT_IN)


def test_engines_name_no_policy() -> None:
    """Whoever needs to know something about a policy asks `PolicySpec` or `RuntimePolicy`."""
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        path = file.relative_to(ROOT)
        if not is_of_a_policy(path) and (names := names_of_policies(file)):
            found[path.as_posix()] = sorted(names)
    assert found.keys() == NAMES_A_POLICY.keys()


def test_the_runtime_parts_of_policies_import_no_compiler() -> None:
    """Production finds them by name."""
    for name in BUILT_IN:
        tree = ast.parse((ROOT / "runtime" / f"{name}.py").read_text(encoding="utf-8"))
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert {each.split(".")[1] for each in modules if each and each.startswith("poet.")} == {"runtime"}
