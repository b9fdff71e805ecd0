"""`poet doctor`: what it finds where something was broken on purpose, and that it changes nothing."""

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
    """Give the findings by what was looked at."""
    return {each.check: each for each in examine(folder, now=NOW)}


@pytest.fixture(name="shop")
def _shop(tmp_path: Path) -> Path:
    folder = first_workspace(tmp_path / "shop")
    with Workspace.open(folder, clock=lambda: NOW) as workspace:
        workspace.emit("drift.validation", {"execution_id": "x", "was_real_drift": True}, durable=True)
    return folder


def test_a_workspace_that_is_well_has_no_problem_and_stays_as_it_is(shop: Path) -> None:
    """No file is written by looking."""
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
    """Change a version whose manifest keeps no source."""
    forget_source(shop / "generated", "detect_drift")
    edit_module(shop)


def edit_manifest(shop: Path) -> None:
    """Change what vouches for a version."""
    with (shop / "generated" / "detect_drift_v1.json").open("a") as file:
        file.write(" ")


def damage_log(shop: Path) -> None:
    """Write over the log's middle."""
    file = shop / "feedback_log" / "log.sqlite3"
    content = bytearray(file.read_bytes())
    content[4096:8192] = b"x" * 4096
    file.write_bytes(content)


def misspell_setting(shop: Path) -> None:
    """Say what POET does not know."""
    (shop / "poet.toml").write_text("stat = 'ks'\n")


def lose_registry(shop: Path) -> None:
    """Leave half of the registry."""
    (shop / "generated" / "registry.json").write_text('{"format": 1')


def lose_folder(shop: Path) -> None:
    """Move a folder away."""
    (shop / "generated").rename(shop / "moved")


@pytest.mark.parametrize(
    ("harm", "check", "says"),
    [
        (edit_old_module, "detect_drift", "detect_drift_v1.py was changed after it was published"),
        (edit_manifest, "detect_drift", "detect_drift_v1.json was changed after it was published"),
        (damage_log, "log", ""),
        (misspell_setting, "poet.toml", "stat"),
        (lose_registry, "registry", "is not a registry"),
        (lose_folder, "generated/", "is not a folder"),
    ],
)
def test_what_is_broken_is_a_problem_with_a_next_step(
    shop: Path, harm: Callable[[Path], None], check: str, says: str
) -> None:
    """Each by its name."""
    harm(shop)
    finding = found(shop)[check]
    assert finding.severity == "problem"
    assert says in finding.says
    assert finding.next_step


def test_an_edited_module_is_a_warning_with_its_path(shop: Path) -> None:
    """Production goes on by what was published; the file is somebody's to see to."""
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
    """Before an event is lost in it."""
    (shop / "feedback_log").chmod(0o500)
    assert found(shop)["feedback_log/"].severity == "problem"


def test_events_from_a_clock_ahead_and_refused_ones_are_warned_of(shop: Path) -> None:
    """They make evidence fade wrongly, or are not there at all."""
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
def test_what_this_system_does_not_enforce_is_a_warning_with_what_would(
    kernel: Kernel, lacking: list[str]
) -> None:
    """Each capability of the sandbox on a line of its own."""
    findings = {each.check.removeprefix("sandbox, "): each for each in examine_sandbox(kernel)}
    assert [*findings] == ["file writes", "network", "processes", "signals", "memory", "CPU time"]
    assert [name for name, each in findings.items() if each.severity == "warning"] == lacking
    assert all("Linux" in findings[name].next_step for name in lacking)


def test_the_means_name_what_the_kernel_has() -> None:
    """An older Landlock lets a policy that forks signal others; the finding says so."""
    new, old = (
        {each.check: each.says for each in examine_sandbox(LINUX._replace(landlock=n))} for n in (6, 3)
    )
    assert new["sandbox, file writes"].startswith("Landlock 6: ")
    assert new["sandbox, network"].startswith("seccomp: ")
    assert new["sandbox, memory"].startswith("rlimit: ")
    assert "audit hook only" not in new["sandbox, signals"]
    assert "for policies that fork, the audit hook only" in old["sandbox, signals"]


def test_a_clock_of_1970_is_a_problem() -> None:
    """Old evidence would never fade."""
    assert examine_clock(0.0).severity == "problem"


def test_libraries_are_missing_or_of_a_wrong_version() -> None:
    """Each with what was asked for."""
    wanted = [Requirement("numpy<1"), Requirement("no-such-library>=1"), Requirement("click>=8")]
    missing, absent = shortcomings(wanted)
    assert missing.startswith("numpy is 2")
    assert absent == "no-such-library is not installed"


def test_an_extra_is_reported_by_its_own_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command itself needs the compiler. What an extra asks for besides tells whether it is here."""
    asked = [
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
    monkeypatch.setattr(metadata, "requires", lambda _: asked)
    monkeypatch.setattr(metadata, "metadata", lambda _: described)
    libraries, serve = examine_libraries()
    assert (libraries.severity, libraries.says) == ("problem", "no-such-library is not installed")
    assert libraries.next_step.endswith("'poet-policy-compiler[compiler]'")
    assert (serve.check, serve.severity) == ("extra serve", "ok")
    assert serve.says.startswith("not installed")


def test_the_exit_status_is_1_where_there_is_a_problem(shop: Path, tmp_path: Path) -> None:
    """With --json one document says all; where there is no workspace it says what to run."""
    done = CliRunner().invoke(app, ["--workspace", str(shop), "doctor", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["healthy"]) == (0, True)
    done = CliRunner().invoke(app, ["--workspace", str(tmp_path), "doctor"])
    assert done.exit_code == 1
    assert f"next: run `poet init {tmp_path}` first" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 problem, ")
