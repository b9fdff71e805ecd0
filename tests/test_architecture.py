"""Data flows one way: no stage imports one downstream of it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "compiler" / "poet"
PURE = {"errors", "decisions"}
MAY_IMPORT = {
    "plugins": set(),
    "events": {"plugins"},
    "log": {"events"},
    "summaries": {"events", "log"},
    "decisions": set(),
    "runtime": set(),
    "compare": {"decisions", "runtime"},
    "policies": {"decisions", "plugins"},
    "learn": {"decisions", "summaries", "policies", "learn", "compare"},
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
    return names - {stage, "errors", "background"}


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
