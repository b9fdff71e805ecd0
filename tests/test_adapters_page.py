"""Tests that run the examples of docs/adapters.md."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.workspaces import first_workspace

PAGE = (Path(__file__).parents[1] / "docs" / "adapters.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
OPTIONAL = ("mlflow", "opentelemetry")


def needs(block: str) -> str:
    """Return the optional library that a block uses, or an empty string."""
    return next((name for name in OPTIONAL if name in block), "")


@pytest.mark.parametrize("block", BLOCKS, ids=[needs(each) or str(n) for n, each in enumerate(BLOCKS)])
def test_a_block_runs_in_a_workspace(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Printed output contains the ids that feedback can cite."""
    if (library := needs(block)) and find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    monkeypatch.chdir(first_workspace(tmp_path / "shop"))
    if library == "mlflow":
        run_with_mlflow(block, tmp_path)
        return
    exec(compile(block, "docs/adapters.md", "exec"), {"__name__": "__main__"})  # noqa: S102 -- our own page
    if "print" in block:
        assert re.search(r"[0-9a-f]{8}-", capsys.readouterr().out)


def run_with_mlflow(block: str, folder: Path) -> None:
    """Run a block in a separate process, because MLflow prints warnings and remembers its store."""
    ended = subprocess.run(
        # MLflow's skinny package lacks SQLAlchemy, so the store is in files
        [sys.executable, "-c", block.replace("sqlite:///mlflow.db", (folder / "runs").as_uri())],
        env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_the_page_names_every_adapter() -> None:
    """Every adapter is documented."""
    folder = Path(__file__).parents[1] / "compiler" / "poet" / "integrations"
    modules = [path.stem for path in folder.glob("[a-z]*.py")]
    assert [name for name in modules if f"`{name}`" not in PAGE] == []
    assert len(BLOCKS) == 5
