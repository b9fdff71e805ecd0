"""Tests of the base install, which has four libraries and no compiler and gives the same answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
POLICIES = sorted(path.parent for path in (ROOT / "tests" / "policies").glob("*/golden"))
NEEDED = 'pip install "poet-policy-compiler[compiler]"'


def run(*words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run Python in a separate process."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return subprocess.run(
        [sys.executable, "-W", "error", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )


def run_in_base(code: str, *, also: tuple[str, ...] = ("poet",), cwd: Path = ROOT) -> str:
    """Run code where only the base install and ``also`` can be imported; return what it printed."""
    begin = (
        f"import sys; from tests.answers import BaseInstall; sys.meta_path.insert(0, BaseInstall(*{also!r}))"
    )
    ended = run("-c", f"{begin}\n{code}", cwd=cwd)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.strip()


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_the_base_install_gives_the_same_answers(tmp_path: Path, policy: Path) -> None:
    """For every golden module, hundreds of calls give the same answers and errors, to the last digit."""
    modules = sorted(policy.glob("golden/*/*.py"))
    found = {}
    for how in ("all", "base"):
        out = tmp_path / f"{how}.json"
        ended = run("-m", "tests.answers", how, out, *modules)
        assert (ended.returncode, ended.stderr) == (0, "")
        found[how] = json.loads(out.read_text(encoding="utf-8"))
    assert found["base"] == found["all"]
    assert len(found["all"]) == len(modules) > 1
    assert all(len(each) > 50 for each in found["all"].values())
    assert any(len(set(each)) > 1 for each in found["all"].values())


@pytest.mark.parametrize("name", ["ibis", "jinja2", "poet", "pyarrow", "tests_of_no_package"])
def test_the_import_hook_refuses_other_packages(name: str) -> None:
    """The comparison of answers depends on this."""
    code = f"""
try:
    import {name}
except ModuleNotFoundError as error:
    print(error.name)
import filelock, msgspec, numpy, poet_runtime, scipy
"""
    assert run_in_base(code, also=()) == name


@pytest.mark.parametrize(
    "use",
    [
        "from poet import Workspace",
        "from poet import Report",
        "from poet import SmartMonitor; SmartMonitor().detect_drift([1.0], [1.0])",
        "from poet.monitor.connection import connect; connect('.')",
    ],
)
def test_a_use_of_the_compiler_names_the_extra(use: str) -> None:
    """The message is one sentence. The error is a `PoetError` and an `ImportError`."""
    code = f"""
from poet import PoetError
try:
    {use}
except ImportError as error:
    assert isinstance(error, PoetError)
    print(error)
"""
    output = run_in_base(code)
    assert output.startswith("POET's compiler needs ")
    assert output.endswith(f", which is not installed; {NEEDED}")
    assert "\n" not in output


@pytest.mark.parametrize("also", [("poet",), ("poet", "click")], ids=" and ".join)
@pytest.mark.parametrize("command", ["status", "plan", "--help"])
def test_the_command_names_the_extra(tmp_path: Path, command: str, also: tuple[str, ...]) -> None:
    """The exit status is 2, even if click is installed for other packages."""
    code = f"""
import contextlib, io
from poet.cli import main
sys.argv[1:] = [{command!r}]
with contextlib.redirect_stderr(io.StringIO()) as output, contextlib.redirect_stdout(io.StringIO()):
    try:
        main()
    except SystemExit as end:
        status = end.code
print(status, output.getvalue().strip())
"""
    output = run_in_base(code, also=also, cwd=tmp_path)
    if command == "--help" and "click" in also:
        assert output == "0"
    else:
        assert output.startswith("2 poet: POET's compiler needs ")
        assert output.endswith(f"which is not installed; {NEEDED}")
        assert "\n" not in output


def test_another_missing_module_is_an_ordinary_import_error() -> None:
    """A module of POET that does not exist is a mistake of the caller."""
    code = """
from poet_runtime.errors import needs_compiler
try:
    with needs_compiler():
        import poet.no_such_module
except Exception as error:
    print(type(error).__name__, error.name)
"""
    assert run_in_base(code) == "ModuleNotFoundError poet.no_such_module"


def test_runtime_plugins_are_loaded(tmp_path: Path) -> None:
    """An entry point of the group ``poet_runtime`` is loaded without the compiler."""
    (tmp_path / "acme_retries.py").write_text(
        "from poet_runtime.policies.policy import RuntimePolicy\n"
        "RETRY = RuntimePolicy(name='retry', brief=lambda answer: f'retry {answer} times')\n",
        encoding="utf-8",
    )
    metadata = tmp_path / "acme_retries-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-retries\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[poet_runtime]\nretry = acme_retries:RETRY\n")
    code = f"""
sys.path.insert(0, {str(tmp_path)!r})
from poet_runtime.policies.policy import runtime_policy
print(runtime_policy("retry").brief(3))
"""
    assert run_in_base(code, also=("acme_retries",)) == "retry 3 times"


def test_the_runtime_never_imports_the_compiler() -> None:
    """Every module of `poet_runtime` can be imported without `poet`."""
    code = """
import importlib, pkgutil, poet_runtime
names = [each.name for each in pkgutil.walk_packages(poet_runtime.__path__, "poet_runtime.")]
for name in names:
    importlib.import_module(name)
print(len(names) > 30, [each for each in sys.modules if each.partition(".")[0] == "poet"])
"""
    assert run_in_base(code, also=()) == "True []"
