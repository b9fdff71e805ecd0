"""Tests that equal decisions give equal bytes for every Python, hash seed, locale, time zone and folder."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = """
import sys
from pathlib import Path
from poet.spec.decisions import decode
from poet.build.render import render
for path in sorted(Path(sys.argv[1]).glob("*/golden/*/decisions.json")):
    sys.stdout.buffer.write(render(decode(path.read_bytes())).source.encode())
"""
PYTHONS = [
    *os.environ.get("POET_PYTHONS", "").split(),
    *sorted(map(str, (ROOT / ".venv").glob("python3.*/bin/python"))),  # as `make test` makes them
]


def digest(python: str, folder: Path, **environment: str) -> str:
    """Return the digest of all golden modules, rendered in another process."""
    ended = subprocess.run(
        [python, "-c", CODE, str(ROOT / "tests" / "policies")],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "compiler"), **environment},
        capture_output=True,
        check=True,
    )
    assert len(ended.stdout) > 10_000
    return hashlib.sha256(ended.stdout).hexdigest()


def test_the_environment_does_not_change_the_bytes(tmp_path: Path) -> None:
    """The environments differ in hash seed, locale, time zone and folder."""
    here = digest(sys.executable, ROOT, PYTHONHASHSEED="0")
    for seed in ("1", "4711", "random"):
        assert digest(sys.executable, tmp_path, PYTHONHASHSEED=seed) == here
    assert digest(sys.executable, tmp_path, LC_ALL="C", PYTHONUTF8="0", TZ="Pacific/Apia") == here
    assert digest(sys.executable, tmp_path, PYTHONOPTIMIZE="2") == here


@pytest.mark.parametrize("python", PYTHONS or ["none"])
def test_another_python_gives_the_same_bytes(tmp_path: Path, python: str) -> None:
    """Interpreters with jinja2 and msgspec are tested; ``POET_PYTHONS`` names more."""
    if python == "none":
        pytest.skip("no other Python is installed; POET_PYTHONS names interpreters to try")
    needs = subprocess.run([python, "-c", "import jinja2, msgspec"], capture_output=True, check=False)
    if needs.returncode:
        pytest.skip(f"{python} has no jinja2 and msgspec")
    assert digest(python, tmp_path) == digest(sys.executable, tmp_path)
