"""Install the built wheel on every available Python and use it: ``python -m tests.smoke dist/*.whl``.

The base install must answer, guard and roll back with its four dependencies. With the extra ``compiler``, a
workspace is created and planned. Sizes and import times are printed and checked.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
VERSIONS: Final = ("3.11", "3.12", "3.13", "3.14")
BASE_PACKAGES: Final = {"poet-policy-compiler", "numpy", "scipy", "msgspec", "filelock"}
MAX_BASE_MB: Final = 185
MAX_WHEEL_MB: Final = 4
MAX_IMPORT_S: Final = 0.2  # more than bare Python; the median of `IMPORTS` runs
IMPORTS: Final = 9

ANSWERS: Final = """
import numpy as np
from generated import detect_drift
from poet_runtime.drift.table import detect_drift_table

random = np.random.default_rng(0)
reference, same, other = random.normal(size=2000), random.normal(size=500), random.normal(3.0, size=500)
assert detect_drift(other, reference, feature="age").drifted
assert not detect_drift(same, reference, feature="age").drifted
assert detect_drift(["a"] * 300 + ["b"] * 20, ["a", "b"] * 500, feature="plan").drifted
table = detect_drift_table(
    detect_drift, {"age": other, "income": same}, {"age": reference, "income": reference}
)
assert table["age"].drifted and not table["income"].drifted
"""

GUARD: Final = """
import hashlib
from pathlib import Path
import msgspec
from generated import detect_drift
from poet_runtime.files import atomic_write, to_json
from poet_runtime.registry import VersionEntry, read_document, rollback

folder = Path("generated")
entry = read_document(folder).policies["detect_drift"]
good = entry.active
module = (folder / f"detect_drift_v{good}.py").read_text(encoding="utf-8")
broken = module.replace(f"VERSION: Final = {good}", "VERSION: Final = 9")
broken = broken.replace("    samples = ", "    raise OSError\\n    samples = ", 1)
assert broken.count("raise OSError") == 1 and "VERSION: Final = 9" in broken
(folder / "detect_drift_v9.py").write_text(broken, encoding="utf-8")
(folder / "detect_drift_v9.json").write_text("{}", encoding="utf-8")
version = VersionEntry(
    module="detect_drift_v9.py",
    sha256=hashlib.sha256((folder / "detect_drift_v9.py").read_bytes()).hexdigest(),
    manifest_sha256=hashlib.sha256(b"{}").hexdigest(),
)
entry = msgspec.structs.replace(entry, active=9, previous=good, versions={**entry.versions, "9": version})
document = read_document(folder)
policies = {**document.policies, "detect_drift": entry}
document = msgspec.structs.replace(document, generation=document.generation + 1, policies=policies)
atomic_write(folder / "registry.json", to_json(document))
for _ in range(20):
    assert detect_drift([1.0] * 50, [1.0, 2.0] * 100).policy_version == good
entry = read_document(folder).policies["detect_drift"]
assert entry.active == good and entry.quarantined(9), entry
assert rollback(folder, "detect_drift", who="user/ana", why="a test", at="2026-01-01T00:00:00+00:00") == 1
assert read_document(folder).policies["detect_drift"].active == 1 != good
"""


def main(wheel: Path) -> None:
    """Check the wheel on every available Python."""
    size = wheel.stat().st_size / 1e6
    print(f"{wheel.name}: {size:.2f} MB")
    assert size <= MAX_WHEEL_MB, f"the wheel has {size:.1f} MB, at most {MAX_WHEEL_MB}"
    found = list(_pythons())
    assert found, f"none of Python {', '.join(VERSIONS)} is installed"
    for version, python in found:
        with tempfile.TemporaryDirectory() as folder:
            _check(version, python, wheel.resolve(), Path(folder))


def _check(version: str, python: str, wheel: Path, folder: Path) -> None:
    start = time.perf_counter()
    _run(python, "-m", "venv", folder / "venv", cwd=folder)
    own = folder / "venv" / "bin" / "python"
    _pip(own, str(wheel))
    shutil.copytree(ROOT / "generated", folder / "generated")
    packages = _packages(own)
    megabytes = _megabytes(folder / "venv")
    _run(own, "-W", "error", "-c", ANSWERS, cwd=folder)
    _run(own, "-c", GUARD, cwd=folder)
    _refused_without_the_extra(own, folder)
    wall, cpu = _import_times(own, folder)
    print(
        f"{version}: base {len(packages)} packages, {megabytes:.0f} MB, "
        f"import {1000 * wall:.0f} ms (median; {1000 * cpu:.0f} ms of the CPU at best)",
        flush=True,
    )
    assert packages == BASE_PACKAGES, f"the base install has {sorted(packages)}"
    assert megabytes <= MAX_BASE_MB, f"the base install has {megabytes:.0f} MB, at most {MAX_BASE_MB}"
    # on a busy machine, wall time includes the work of other processes
    assert min(wall, cpu) <= MAX_IMPORT_S, f"the import takes {1000 * min(wall, cpu):.0f} ms"
    _pip(own, f"{wheel}[compiler]")
    poet = folder / "venv" / "bin" / "poet"
    _run(poet, "init", "monitors", cwd=folder)
    _run(poet, "--workspace", "monitors", "plan", cwd=folder)
    _run(poet, "--workspace", "monitors", "compile", "--check", cwd=folder)
    taken = time.perf_counter() - start
    print(f"{version}: with the compiler, a workspace was created and planned; {taken:.0f} s", flush=True)


def _refused_without_the_extra(python: Path, folder: Path) -> None:
    poet = str(python.parent / "poet")
    for status, command in ((1, [str(python), "-c", "from poet import Workspace"]), (2, [poet, "status"])):
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert ended.returncode == status, ended.stderr
        assert 'pip install "poet-policy-compiler[compiler]"' in ended.stderr, ended.stderr


def _import_times(python: Path, folder: Path) -> tuple[float, float]:
    """Return the seconds that importing a generated module adds: median wall time and least CPU time."""

    def measured(code: str) -> tuple[float, float]:
        walls, cpus = zip(*(_timed(python, code, folder) for _ in range(IMPORTS)), strict=True)
        return sorted(walls)[IMPORTS // 2], min(cpus)

    bare, imported = measured("pass"), measured("import generated.detect_drift_v2")
    return imported[0] - bare[0], imported[1] - bare[1]


def _timed(python: Path, code: str, folder: Path) -> tuple[float, float]:
    before, start = os.times(), time.perf_counter()
    _run(python, "-c", code, cwd=folder)
    taken, after = time.perf_counter() - start, os.times()
    user, system = after.children_user - before.children_user, after.children_system - before.children_system
    return taken, user + system


def _pythons() -> Iterator[tuple[str, str]]:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in VERSIONS:
        installed = sorted(pyenv.glob(f"{version}.*/bin/python{version}"))
        candidates: list[str | None] = [shutil.which(f"python{version}"), *map(str, installed)]
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        for python in filter(None, candidates):
            ended = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
            if ended.stdout.strip() == version:
                yield version, str(python)
                break


def _pip(python: Path, what: str) -> None:
    constraint = ROOT / "requirements.lock"
    _run(python, "-m", "pip", "install", "--quiet", "--constraint", constraint, what, cwd=ROOT)


def _packages(python: Path) -> set[str]:
    listed = _run(python, "-m", "pip", "list", "--format", "json", cwd=ROOT)
    return {each["name"] for each in json.loads(listed)} - {"pip", "setuptools"}


def _megabytes(venv: Path) -> float:
    (packages,) = venv.glob("lib/python*/site-packages")
    tools = ("pip", "setuptools", "_distutils", "pkg_")
    own = [path for path in packages.iterdir() if not path.name.startswith(tools)]
    files = [file for path in own for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(f.stat().st_size for f in files if f.is_file() and "__pycache__" not in f.parts) / 1e6


def _run(*command: str | Path, cwd: Path) -> str:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=environment)
    output = f"{' '.join(map(str, command))[:200]}\n{ended.stdout[-2000:]}{ended.stderr[-4000:]}"
    assert ended.returncode == 0, output
    return ended.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
