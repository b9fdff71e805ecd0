"""Exports: one file that answers like the version, for places without POET."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from poet.check import check
from poet.decisions import Decisions
from poet.errors import ExportError
from poet.export import standalone
from poet.publish import publish
from poet.registry import PolicyEntry, RegistryDocument, VersionEntry, read_document
from poet.render import render
from poet.validate import Gate, ValidatedModule, ValidationReport
from tests import exported
from tests.workspaces import GENERATED

GOLDEN = Path(__file__).parent / "golden"
KINDS = ("scenario", "start", "start_calibrated")  # once a policy; more of the same say the same
CASES = sorted(path.parent for path in GOLDEN.glob("*/*/decisions.json") if path.parent.name in KINDS)


def published_case(case: Path, generated: Path) -> tuple[str, int]:
    """Publish a golden case; gives its policy and number."""
    decisions = msgspec.json.decode((case / "decisions.json").read_bytes(), type=Decisions)
    report = ValidationReport(policy=decisions.policy, gates=(Gate(name="import", passed=True),))
    module = ValidatedModule(check(render(decisions)), report)
    publish([module], generated, who="user/ana", why="", at="2026-01-01T00:00:00+00:00")
    return decisions.policy, decisions.version


def answers(how: str, folder: Path, name: str) -> list[str]:
    """Ask a module everything there is to ask, in a process of its own."""
    run = [sys.executable, "-W", "error", exported.__file__, how, str(folder), name]
    ended = subprocess.run(run, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    found: list[str] = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_an_export_answers_like_the_version_without_poet(tmp_path: Path, case: Path) -> None:
    """Every golden version, hundreds of questions: the same answers and errors, to the last digit."""
    policy, number = published_case(case, tmp_path / "generated")
    name = f"{policy}_v{number}"
    (tmp_path / "alone").mkdir()
    text = standalone(tmp_path / "generated", policy, number=number)
    (tmp_path / "alone" / f"{name}.py").write_text(text, encoding="utf-8")
    expected = answers("poet", tmp_path / "generated", name)
    assert answers("alone", tmp_path / "alone", name) == expected
    assert len(expected) > 50
    assert len(set(expected)) > 1 or case.name == "start"


def test_an_export_comes_back_in_time_from_a_monitor_that_does_not(tmp_path: Path) -> None:
    """Its processes are the version's: what hangs is killed, what dies is told, a sample is tried."""
    from tests.recovery_rules import deadline, decisions_of, fallback

    decisions = decisions_of(
        deadline(rows=(1, 10_000), features=(1, 10), seconds=1.0, per_rows=0.0, per_features=0.0),
        fallback("timeout", strategies=("sampled",), rows=10),
    )
    report = ValidationReport(policy=decisions.policy, gates=(Gate(name="import", passed=True),))
    module = ValidatedModule(check(render(decisions)), report)
    publish([module], tmp_path, who="user/ana", why="", at="2026-01-01T00:00:00+00:00")
    (tmp_path / "alone.py").write_text(standalone(tmp_path, "monitor_with_recovery"), encoding="utf-8")
    program = """
import os, sys, time
sys.modules["poet"] = None
import alone

def hangs(data):
    time.sleep(60.0 if len(data["a"]) > 10 else 0.0)
    return len(data["a"])

for monitor in (hangs, lambda data: os._exit(3), lambda data: alone.DriftResult(
    drifted=False, score=0.0, threshold=1.0, test="")):
    found = alone.monitor_with_recovery({"a": [1.0] * 100}, monitor=monitor)
    print(found.strategy, found.timed_out, found.error, found.results == 10, type(found.results).__name__)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=50
    )
    assert ended.stdout.splitlines() == [
        "sampled True timeout True int",
        "failed False crash False NoneType",
        "full False  False DriftResult",
    ]


@pytest.mark.parametrize("policy", ["adaptive_monitoring_strategy", "detect_drift", "generate_alerts"])
def test_an_export_can_be_read(policy: str) -> None:
    """No directives for linters, no import of poet; it says what it is and ends with the version's text."""
    entry = read_document(GENERATED).policies[policy]
    text = standalone(GENERATED, policy)
    module = (GENERATED / f"{policy}_v{entry.active}.py").read_text(encoding="utf-8")
    head = text.split('"""')[1]
    assert entry.versions[str(entry.active)].sha256 in head
    assert f"version {entry.active}" in head
    assert "next compile" not in head
    assert text.endswith(module[module.index("VERSION = ") :])
    for trace in ("import poet", "from poet", "noqa", "type: ignore", "\n\n\n\n"):
        assert trace not in text


def test_the_same_version_gives_the_same_bytes() -> None:
    """Whatever the order in which sets are walked."""
    code = (
        "import hashlib; from pathlib import Path; from poet.export import standalone; "
        f"print(hashlib.sha256(standalone(Path({str(GENERATED)!r}), 'generate_alerts').encode()).hexdigest())"
    )
    own = hashlib.sha256(standalone(GENERATED, "generate_alerts").encode()).hexdigest()
    for seed in ("1", "2"):
        ended = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        )
        assert ended.stdout.strip() == own


def test_only_what_is_reached_is_written() -> None:
    """A policy of constants brings none of the statistics."""
    text = standalone(GENERATED, "adaptive_monitoring_strategy")
    assert "numpy" not in text.replace("needs numpy and scipy", "").replace("Needs numpy and scipy", "")
    assert "class MonitoringStrategy" in text
    assert "class DriftResult" not in text
    assert "def field(" not in text


def handmade(folder: Path, source: str, policy: str = "own") -> Path:
    """Publish any source as version 1, as a plug-in's template might have given it."""
    folder.mkdir()
    (folder / f"{policy}_v1.py").write_text(source, encoding="utf-8")
    digest = hashlib.sha256(source.encode()).hexdigest()
    (folder / f"{policy}_v1.json").write_bytes(b"{}")
    told = hashlib.sha256(b"{}").hexdigest()
    entry = VersionEntry(module=f"{policy}_v1.py", sha256=digest, manifest_sha256=told)
    document = RegistryDocument(
        generation=1, policies={policy: PolicyEntry(active=1, previous=None, versions={"1": entry})}
    )
    (folder / "registry.json").write_bytes(msgspec.json.encode(document))
    return folder


def test_a_version_that_needs_another_package_is_refused(tmp_path: Path) -> None:
    """By name, whether it is imported at the top or inside."""
    for number, source in enumerate((
        "import pandas as pd\n\nVERSION = 1\n\n\ndef own():\n    return pd.NA\n",
        "VERSION = 1\n\n\ndef own():\n    import pandas\n\n    return pandas.NA\n",
    )):  # fmt: skip
        generated = handmade(tmp_path / str(number), source)
        with pytest.raises(
            ExportError, match="own needs pandas, which is neither numpy, scipy nor Python's own"
        ):
            standalone(generated, "own")


def test_a_name_that_the_runtime_lacks_is_refused(tmp_path: Path) -> None:
    """Made for another release."""
    source = "from poet.runtime.alerts import no_such\n\nVERSION = 1\n\n\ndef own():\n    return no_such()\n"
    with pytest.raises(ExportError, match=r"poet\.runtime\.alerts has no no_such"):
        standalone(handmade(tmp_path / "generated", source), "own")


def test_clashing_names_are_told_apart(tmp_path: Path) -> None:
    """A version's own names stay; what is taken over is called after its module as well."""
    source = '''"""Own."""

from poet.runtime.context import field as get
from poet.runtime.results import AlertPlan, MonitoringStrategy
from poet.runtime.strategy import rate

__all__ = ["own"]

VERSION = 1
field = "business_impact"
math = 2


def own(context, *, names=()):
    """Use every name for something else as well."""
    _number = math
    return [get(context, field), rate(context), names, _number, AlertPlan(), MonitoringStrategy.__name__]
'''
    generated = handmade(tmp_path / "generated", source)
    text = standalone(generated, "own")
    assert "def field_of_context(context: Any, name: str, default: Any = None) -> Any:" in text
    assert "import math as math_of_math" in text
    answer = subprocess.run(
        [
            sys.executable,
            "-c",
            text + "\nprint(own({'business_impact': 'x', 'historical_drift_rate': 2}, names=[1]))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    expected = (
        "['x', 2.0, [1], 2, AlertPlan(alerts=(), suppressed=(), thresholds={}, policy_version=0), "
        "'MonitoringStrategy']\n"
    )
    assert answer.stdout == expected


def test_what_is_not_published_is_refused(tmp_path: Path) -> None:
    """Unknown policies and versions, and an edited file."""
    with pytest.raises(ExportError, match="no policy 'guess' is published; published are adaptive"):
        standalone(GENERATED, "guess")
    with pytest.raises(ExportError, match="detect_drift has no version 9; published are 1, 2"):
        standalone(GENERATED, "detect_drift", number=9)
    generated = handmade(tmp_path / "generated", "VERSION = 1\n")
    (generated / "own_v1.py").write_text("VERSION = 2\n")
    with pytest.raises(ExportError, match=r"own_v1\.py is not the module that was published"):
        standalone(generated, "own")
    copied = shutil.copytree(GENERATED, tmp_path / "edited")
    (copied / "generate_alerts_v1.py").write_text("# edited\n")
    assert standalone(copied, "generate_alerts") == standalone(GENERATED, "generate_alerts")
