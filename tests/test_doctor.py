"""Tests of `poet doctor`: it finds damage that is done on purpose, and changes nothing."""

import json
import os
from collections.abc import Callable
from email.message import Message
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

from poet import Workspace
from poet.build.kernel_sandbox import Kernel
from poet.cli.app import app
from poet.cli.health_checks import (
    Finding,
    examine,
    examine_clock,
    examine_libraries,
    examine_sandbox,
    shortcomings,
)
from tests.modules import forget_source
from tests.workspaces import first_workspace

NOW = 1_790_000_000.0


def found(folder: Path) -> dict[str, Finding]:
    """Return the findings by the name of their check."""
    return {each.check: each for each in examine(folder, now=NOW)}


@pytest.fixture(name="shop")
def _shop(tmp_path: Path) -> Path:
    folder = first_workspace(tmp_path / "shop")
    with Workspace.open(folder, clock=lambda: NOW) as workspace:
        workspace.emit("drift.validation", {"execution_id": "x", "was_real_drift": True}, durable=True)
    return folder


def test_a_healthy_workspace_has_no_problem_and_is_not_changed(shop: Path) -> None:
    """The checks write no file."""
    before = {path: path.stat().st_mtime_ns for path in shop.rglob("*") if path.is_file()}
    findings = found(shop)
    assert [each for each in findings.values() if each.severity == "problem"] == []
    assert findings["log"].says == "1 events, position 1"
    assert findings["detect_drift"].says == "version 1 of 1 active, digests as published"
    assert {f"extra {name}" for name in ("serve", "bundle", "postgres")} <= findings.keys()
    after = {path: path.stat().st_mtime_ns for path in shop.rglob("*") if path.is_file()}
    assert {p: t for p, t in after.items() if "sqlite3-" not in p.name} == {
        p: t for p, t in before.items() if "sqlite3-" not in p.name
    }


def edit_module(shop: Path) -> None:
    """Change a published version."""
    with (shop / "generated" / "detect_drift_v1.py").open("a") as file:
        file.write("# by hand\n")


def edit_old_module(shop: Path) -> None:
    """Change a version whose manifest contains no source."""
    forget_source(shop / "generated", "detect_drift")
    edit_module(shop)


def edit_manifest(shop: Path) -> None:
    """Change the manifest of a version."""
    with (shop / "generated" / "detect_drift_v1.json").open("a") as file:
        file.write(" ")


def damage_log(shop: Path) -> None:
    """Overwrite the middle of the log."""
    file = shop / "feedback_log" / "log.sqlite3"
    content = bytearray(file.read_bytes())
    content[4096:8192] = b"x" * 4096
    file.write_bytes(content)


def misspell_setting(shop: Path) -> None:
    """Write a setting that POET does not know."""
    (shop / "poet.toml").write_text("stat = 'ks'\n")


def truncate_registry(shop: Path) -> None:
    """Truncate the registry."""
    (shop / "generated" / "registry.json").write_text('{"format": 1')


def move_folder(shop: Path) -> None:
    """Move a folder away."""
    (shop / "generated").rename(shop / "elsewhere")


@pytest.mark.parametrize(
    ("damage", "check", "message"),
    [
        (edit_old_module, "detect_drift", "detect_drift_v1.py was changed after it was published"),
        (edit_manifest, "detect_drift", "detect_drift_v1.json was changed after it was published"),
        (damage_log, "log", ""),
        (misspell_setting, "poet.toml", "stat"),
        (truncate_registry, "registry", "is not a registry"),
        (move_folder, "generated/", "is not a folder"),
    ],
)
def test_damage_is_a_problem_with_a_next_step(
    shop: Path, damage: Callable[[Path], None], check: str, message: str
) -> None:
    """The check that fails is named."""
    damage(shop)
    finding = found(shop)[check]
    assert finding.severity == "problem"
    assert message in finding.says
    assert finding.next_step


def test_an_edited_module_is_a_warning_with_its_path(shop: Path) -> None:
    """The published source still runs, and the user decides about the file."""
    edit_module(shop)
    finding = found(shop)["detect_drift"]
    path = shop / "generated" / "detect_drift_v1.py"
    assert finding.severity == "warning"
    assert f"{path} was edited after it was published; the published source runs" in finding.says
    assert finding.next_step.startswith("`poet compile` makes the edit a rule")
    path.write_bytes(path.read_bytes().replace(b"# by hand\n", b"").replace(b"\n", b"\r\n"))
    assert "differs from the published file only in its line endings" in found(shop)["detect_drift"].says
    path.unlink()
    assert f"{path} is missing; the published source runs" in found(shop)["detect_drift"].says


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_a_problem(shop: Path) -> None:
    """It is found before an event is lost."""
    (shop / "feedback_log").chmod(0o500)
    assert found(shop)["feedback_log/"].severity == "problem"


def test_future_and_refused_events_are_warnings(shop: Path) -> None:
    """Future times make evidence fade wrongly, and refused events are not in the log."""
    with Workspace.open(shop) as workspace:
        data = {"execution_id": "y", "was_real_drift": True}
        workspace.emit("drift.validation", data, source="user/bo", time=NOW + 7200, durable=True)
    (shop / "feedback_log" / "dead-letters.jsonl").write_text("{}\n")
    findings = found(shop)
    assert (
        findings["event times"].says == "drift.validation of user/bo is dated 2.0 hours ahead of this clock"
    )
    assert findings["event times"].severity == findings["dead letters"].severity == "warning"


LINUX = Kernel("linux", landlock=6, has_seccomp=True, has_resource_limits=True)


@pytest.mark.parametrize(
    ("kernel", "lacking"),
    [
        (LINUX, []),
        (LINUX._replace(landlock=0), ["file writes"]),
        (LINUX._replace(has_seccomp=False), ["network", "processes", "signals"]),
        (
            Kernel("darwin", has_resource_limits=True),
            ["file writes", "network", "processes", "signals", "memory"],
        ),
        (Kernel("win32"), ["file writes", "network", "processes", "signals", "memory", "CPU time"]),
    ],
)
def test_an_unenforced_limit_of_the_sandbox_is_a_warning(kernel: Kernel, lacking: list[str]) -> None:
    """Each capability has its own finding, and the next step names a system that enforces it."""
    findings = {each.check.removeprefix("sandbox, "): each for each in examine_sandbox(kernel)}
    assert [*findings] == ["file writes", "network", "processes", "signals", "memory", "CPU time"]
    assert [name for name, each in findings.items() if each.severity == "warning"] == lacking
    assert all("Linux" in findings[name].next_step for name in lacking)


def test_findings_name_the_kernel_features_in_use() -> None:
    """With an older Landlock, a policy that forks could signal other processes."""
    new, old = (
        {each.check: each.says for each in examine_sandbox(LINUX._replace(landlock=n))} for n in (6, 3)
    )
    assert new["sandbox, file writes"].startswith("Landlock 6: ")
    assert new["sandbox, network"].startswith("seccomp: ")
    assert new["sandbox, memory"].startswith("rlimit: ")
    assert "audit hook only" not in new["sandbox, signals"]
    assert "for policies that fork, the audit hook only" in old["sandbox, signals"]


def test_a_clock_of_1970_is_a_problem() -> None:
    """With such a clock, old evidence would never fade."""
    assert examine_clock(0.0).severity == "problem"


def test_missing_and_unsuitable_libraries_are_found() -> None:
    """The message states what is installed."""
    requirements = [Requirement("numpy<1"), Requirement("no-such-library>=1"), Requirement("click>=8")]
    missing, absent = shortcomings(requirements)
    assert missing.startswith("numpy is 2")
    assert absent == "no-such-library is not installed"


def test_an_extra_is_reported_by_its_own_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """An extra counts as installed by the libraries that the compiler does not need."""
    requirements = [
        "numpy>=2",
        "click>=8; extra == 'compiler'",
        "no-such-library; extra == 'compiler'",
        "poet-policy-compiler[compiler]; extra == 'serve'",
        "click>=8; extra == 'serve'",
        "no-such-server>=1; extra == 'serve'",
    ]
    described = Message()
    for extra in ("compiler", "serve"):
        described["Provides-Extra"] = extra
    monkeypatch.setattr(metadata, "requires", lambda _: requirements)
    monkeypatch.setattr(metadata, "metadata", lambda _: described)
    libraries, serve = examine_libraries()
    assert (libraries.severity, libraries.says) == ("problem", "no-such-library is not installed")
    assert libraries.next_step.endswith("'poet-policy-compiler[compiler]'")
    assert (serve.check, serve.severity) == ("extra serve", "ok")
    assert serve.says.startswith("not installed")


def test_a_problem_gives_exit_status_1(shop: Path, tmp_path: Path) -> None:
    """With --json, one document has all findings. Without a workspace, the next step is `poet init`."""
    done = CliRunner().invoke(app, ["--workspace", str(shop), "doctor", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["healthy"]) == (0, True)
    done = CliRunner().invoke(app, ["--workspace", str(tmp_path), "doctor"])
    assert done.exit_code == 1
    assert f"next: run `poet init {tmp_path}` first" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 problem, ")
