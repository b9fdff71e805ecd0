"""`poet upgrade`: the versions of an earlier release, rendered by this one with unchanged decisions."""

import hashlib
import json
import lzma
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

import poet_runtime.results
from poet.build.publish import check_generated
from poet.build.render import render
from poet.cli.app import app
from poet.workspace import upgrade as upgrades
from poet.workspace.pipeline import render_in
from poet.workspace.upgrade import Upgrade, missing_import, upgrade
from poet.workspace.workspace import Workspace
from poet_runtime import former_names
from poet_runtime.errors import PublishError, RegistryError
from poet_runtime.files import lock, to_json
from poet_runtime.registry import (
    UPGRADE_FILE,
    Registry,
    RegistryDocument,
    activate,
    on_trial,
    read_document,
    read_journal,
    read_published,
    release,
)
from poet_runtime.registry.changes import withdraw
from tests.answers import QUESTIONS, told
from tests.test_publish_crash import KilledCommands, copied

ARCHIVE = Path(__file__).parent / "data" / "workspace_0_1.tar.xz"
ANSWERS = ARCHIVE.with_name("answers_0_1.json.xz")
ROOT = Path(__file__).parents[1]
DRIFT, WINDOW = "detect_drift", "calculate_adaptive_window"
SAID: dict[str, Any] = {"who": "user/ana", "at": "2026-12-01T00:00:00+00:00"}
NAMES = (
    "adaptive_monitoring_strategy_v1",
    "calculate_adaptive_window_v1",
    "calculate_feature_importance_v1",
    "detect_drift_v1",
    "detect_drift_v2",
    "generate_alerts_v1",
    "monitor_with_recovery_v1",
)
# Parts of an answer of `detect_drift`: names of tests, fields of scores, all scores, one score.
TEST = re.compile(r"(?<=')\w+(?:/\w+)+(?=')")
MEASURE = re.compile(r"\bown_(?=\w+=)")
SCORES = re.compile(r"scores=mappingproxy\(\{.*?\}\), ")
SCORE = re.compile(r"'([\w/]+)': (Score\([^)]*\))")
# What an upgrade may change of a manifest.
RENDERED = {"source", "source_sha256", "template_sha256", "compiler"}


def unpacked(folder: Path, archive_file: Path = ARCHIVE) -> Path:
    """Unpack an old workspace into a new folder, as its release left it."""
    folder.mkdir()
    with lzma.open(archive_file) as content, tarfile.open(fileobj=content) as archive:
        archive.extractall(folder, filter="data")
    (folder / "templates").mkdir()
    return folder


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Unpack the old workspace."""
    return unpacked(tmp_path / "old")


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Upgrade the old workspace, for tests that only read it or that only add to it."""
    folder = unpacked(tmp_path_factory.mktemp("upgraded") / "workspace")
    assert run(folder, "upgrade").exit_code == 0
    return folder


def run(folder: Path, *words: str) -> Result:
    """Run a command in a workspace."""
    return CliRunner().invoke(app, ["--workspace", str(folder), *words])


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder of versions except its lock."""
    return {
        each.name: each.read_bytes() for each in folder.iterdir() if each.is_file() and each.name != ".lock"
    }


def manifest(generated: Path, name: str) -> dict[str, Any]:
    """Read a manifest as it is on disk, whatever a release knows of it."""
    document: dict[str, Any] = json.loads((generated / f"{name}.json").read_bytes())
    return document


def rewritten(generated: Path, name: str, document: dict[str, Any]) -> None:
    """Replace a manifest, and let the registry name the new one."""
    content = to_json(document)
    (generated / f"{name}.json").write_bytes(content)
    policy, _, number = name.rpartition("_v")

    def with_digest(registry: dict[str, Any]) -> None:
        version = registry["policies"][policy]["versions"][number]
        version["manifest_sha256"] = hashlib.sha256(content).hexdigest()

    edit_registry(generated, with_digest)


def edit_registry(generated: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change the registry as no release would."""
    registry = json.loads((generated / "registry.json").read_bytes())
    edit(registry)
    (generated / "registry.json").write_bytes(to_json(registry))


def upgrade_here(generated: Path) -> Upgrade:
    """Upgrade a folder of versions with the built-in templates."""
    return upgrade(generated, render, **SAID)


def test_an_old_workspace_asks_for_the_upgrade(old: Path) -> None:
    """Status, doctor, plan and compile name the command; no decision is made on modules that cannot run."""
    with pytest.raises(RegistryError, match=r"cannot be loaded.*run `poet upgrade`"):
        Registry(old / "generated").policy(DRIFT)
    status = run(old, "status")
    assert status.exit_code == 0
    assert "run `poet upgrade`" in status.output
    doctor = json.loads(run(old, "doctor", "--json").stdout)
    assert not doctor["healthy"]
    unhealthy = {each["check"]: each for each in doctor["findings"] if "`poet upgrade`" in each["next_step"]}
    policies = {name.rpartition("_v")[0] for name in NAMES} - {WINDOW}  # whose module imports nothing
    assert unhealthy.pop("generated/__init__.pyi")["severity"] == "warning"  # only type checkers read it
    assert unhealthy.keys() == {"generated/__init__.py", *policies}
    assert {each["severity"] for each in unhealthy.values()} == {"problem"}
    for command in ("plan", "compile"):
        done = run(old, command, DRIFT)
        assert isinstance(done.exception, PublishError)
        assert "imports poet.runtime.drift, which this release does not have" in str(done.exception)
        assert "run `poet upgrade`" in str(done.exception)
    everything = run(old, "compile")
    assert everything.exit_code == 1
    assert everything.stdout.count("run `poet upgrade`") == len(policies)


def test_an_inactive_version_of_another_release_is_a_warning(old: Path) -> None:
    """The active one answers."""
    upgrade_here(old / "generated")
    source = (old / "generated" / "detect_drift_v1.py").read_text().replace("poet_runtime", "poet_old")
    assert missing_import(source.encode()) == ""  # of a package that is not POET's
    source = source.replace("poet_old.drift", "poet_runtime.drift_of_old")
    document = manifest(old / "generated", "detect_drift_v1") | {"source": source}
    document["source_sha256"] = hashlib.sha256(source.encode()).hexdigest()

    def with_source(registry: dict[str, Any]) -> None:
        registry["policies"][DRIFT]["versions"]["1"]["sha256"] = document["source_sha256"]

    (old / "generated" / "detect_drift_v1.py").write_text(source)
    edit_registry(old / "generated", with_source)
    rewritten(old / "generated", "detect_drift_v1", document)
    findings = json.loads(run(old, "doctor", "--json").stdout)["findings"]
    (found,) = (each for each in findings if each["check"] == DRIFT)
    assert found["severity"] == "warning"
    assert found["says"].startswith("version 1: imports poet_runtime.drift_of_old")


def test_the_decisions_stay_and_only_the_rendering_changes(old: Path, upgraded: Path) -> None:
    """Number, log position, comparison and validation are those of before, to the last field."""
    before, after = old / "generated", upgraded / "generated"
    for name in NAMES:
        was, now = former_names.manifest(manifest(before, name)), manifest(after, name)
        assert {key: value for key, value in now.items() if key not in RENDERED} == {
            key: value for key, value in was.items() if key not in RENDERED
        }
        assert now["source"] == (after / f"{name}.py").read_text()
        assert "poet.runtime" not in now["source"]
    assert check_generated(after, render) == []
    assert [moved(read_document(each)) for each in (before, after)] == [
        {policy: ((2, 1) if policy == DRIFT else (1, None)) for policy in read_document(after).policies}
    ] * 2


def moved(document: RegistryDocument) -> dict[str, tuple[int, int | None]]:
    """Return the active and the previous version by policy."""
    return {policy: (entry.active, entry.previous) for policy, entry in document.policies.items()}


def test_the_journal_says_why_once(upgraded: Path) -> None:
    """One change of the registry, with a line for each policy; the lines before it stay."""
    moves = read_journal(upgraded / "generated")
    last = [move for move in moves if move.generation == moves[-1].generation]
    assert len(moves) - len(last) == 7
    assert {move.policy for move in last} == {name.rpartition("_v")[0] for name in NAMES}
    assert all(move.from_ == move.to for move in last)
    assert {re.sub(r"\d+\.\d+\.\d+", "N", move.why) for move in last} == {
        "rendered again by release N, decisions unchanged"
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_answers_stay(upgraded: Path, name: str) -> None:
    """They are compared with recorded ones, because no release runs both the old and the new module."""
    require_recorded_answers(upgraded / "generated", ARCHIVE, name)


def require_recorded_answers(generated: Path, archive: Path, name: str) -> None:
    """Check that a version answers every question as the earlier release did.

    One difference is intended: where a criterion of an `or` holds, those after it are not computed, so
    `scores` lacks them. The reported criterion could therefore be another one that holds, but not in these
    questions: score, threshold and test must be equal, as every other field.
    """
    policy, _, number = name.rpartition("_v")
    was = recorded()[archive.name.partition(".")[0]][name]
    version = Registry(generated).version(policy, int(number))
    now = [told(version, question) for question in QUESTIONS[policy](poet_runtime.results)]
    assert len(was) > 100
    assert [SCORES.sub("", answer) for answer in now] == [SCORES.sub("", answer) for answer in was]
    for before, after in zip(was, now, strict=True):
        assert set(SCORE.findall(after)) <= set(SCORE.findall(before))


@cache
def recorded() -> dict[str, dict[str, list[str]]]:
    """Return the answers of the earlier release by archive and version, with present names."""
    with lzma.open(ANSWERS) as file:
        document: dict[str, dict[str, list[str]]] = json.load(file)
    return {
        archive: {name: [with_present_names(each) for each in answers] for name, answers in versions.items()}
        for archive, versions in document.items()
    }


def with_present_names(answer: str) -> str:
    """Return an answer with the present names of tests and of the fields of `Score`."""
    return MEASURE.sub("null_", TEST.sub(lambda found: former_names.test_name(found[0]), answer))


def test_everything_works_afterwards(upgraded: Path) -> None:
    """On the log of the old release: plan, compile, verify, report, and the package of versions."""
    with Workspace.open(upgraded) as workspace:
        assert workspace.log.position() == 514
        plan = workspace.plan()
        assert not plan.skipped
        assert len(plan.policies) == 6
        assert workspace.compile().versions == {}
        for name in NAMES:
            policy, _, number = name.rpartition("_v")
            assert workspace.verify(policy, int(number)) == ""
        assert not workspace.policy(DRIFT)([1.0, 2.0] * 50, [1.0, 2.0] * 50).drifted
        assert workspace.registry.active(DRIFT) == 2
    assert run(upgraded, "report", "--out", str(upgraded / "report.html")).exit_code == 0
    assert json.loads(run(upgraded, "doctor", "--json").stdout)["healthy"]
    code = "from generated import detect_drift; print(detect_drift([1.0] * 9, [1.0] * 9).drifted)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=upgraded, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_a_check_says_what_would_change_and_writes_nothing(old: Path) -> None:
    """In words and as JSON."""
    before = contents(old / "generated")
    done = run(old, "upgrade", "--check", "--json")
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert [f"{each['policy']}_v{each['version']}" for each in document["versions"]] == list(NAMES)
    assert document["files"] == ["__init__.py", ".gitattributes", "__init__.pyi"]
    assert (document["check"], document["skipped"], document["was_interrupted"]) == (True, {}, False)
    spoken = run(old, "upgrade", "--check")
    assert spoken.exit_code == 1
    assert "+ detect_drift version 2 would be rendered again, decisions unchanged" in spoken.stdout
    assert "+ generated/__init__.py would be rewritten" in spoken.stdout
    assert contents(old / "generated") == before


def test_a_second_upgrade_changes_nothing(old: Path) -> None:
    """Neither a byte nor a line of the journal."""
    assert "+ detect_drift version 2 was rendered again" in run(old, "upgrade").stdout
    before = contents(old / "generated")
    again = run(old, "upgrade")
    assert (again.exit_code, again.stdout) == (
        0,
        "every version is up to date with this release\n",
    )
    assert run(old, "upgrade", "--check").exit_code == 0
    assert contents(old / "generated") == before
    assert UPGRADE_FILE not in before


def test_this_repository_is_up_to_date() -> None:
    """Its own versions need no upgrade."""
    found = upgrade(ROOT / "generated", render_in(ROOT / "templates"), is_check=True, **SAID)
    assert found == Upgrade()


@pytest.mark.parametrize("name", ["detect_drift_v2", "detect_drift_v1"])
def test_an_edited_module_is_refused_before_anything_is_written(old: Path, name: str) -> None:
    """Active or not: an upgrade would overwrite the edit."""
    path = old / "generated" / f"{name}.py"
    path.write_text(path.read_text().replace("= 0.05", "= 0.01"))
    before = contents(old / "generated")
    for words in (["upgrade"], ["upgrade", "--check"]):
        done = run(old, *words)
        assert isinstance(done.exception, PublishError)
        assert f"nothing was upgraded:\n  {path} was edited" in str(done.exception)
        assert "compile the edit with the release that wrote it" in str(done.exception)
    assert contents(old / "generated") == before


def test_an_edit_of_a_version_of_this_release_is_none_of_its_business(old: Path) -> None:
    """`poet compile` makes it a rule."""
    upgrade_here(old / "generated")
    path = old / "generated" / "detect_drift_v2.py"
    path.write_text(path.read_text().replace("= 1.7", "= 1.9"))
    before = contents(old / "generated")
    assert upgrade_here(old / "generated") == Upgrade()
    assert contents(old / "generated") == before


def test_line_ends_and_missing_modules_are_no_edits(old: Path, upgraded: Path) -> None:
    """A checkout with other line ends, manifests and all; the result is the same."""
    for path in (old / "generated").glob("*_v*"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (old / "generated" / "detect_drift_v1.py").unlink()
    (old / "generated" / "__init__.py").write_bytes(
        (old / "generated" / "__init__.py").read_bytes().replace(b"\n", b"\r\n")
    )
    assert run(old, "upgrade").exit_code == 0
    told_apart = {"journal.jsonl"}  # which has the time of day
    now, expected = contents(old / "generated"), contents(upgraded / "generated")
    assert {name: now[name] for name in now.keys() - told_apart} == {
        name: expected[name] for name in expected.keys() - told_apart
    }


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            lambda content: content.replace(b'"learned": true', b'"learned": false'),
            "is not the manifest that",
        ),
        (lambda _content: None, "cannot be read"),
    ],
)
def test_a_damaged_manifest_is_refused(old: Path, damage: Callable[[bytes], bytes | None], says: str) -> None:
    """With its path and the next step."""
    path = old / "generated" / "generate_alerts_v1.json"
    after = damage(path.read_bytes())
    if after is None:
        path.unlink()
    else:
        path.write_bytes(after)
    before = contents(old / "generated")
    with pytest.raises(
        PublishError, match=rf"(?s)nothing was upgraded:.*{re.escape(str(path))} {says}"
    ) as caught:
        upgrade_here(old / "generated")
    assert "restore it from version control" in str(caught.value)
    assert contents(old / "generated") == before


def test_a_manifest_of_another_module_is_refused(old: Path) -> None:
    """Although the registry names it."""
    rewritten(old / "generated", "detect_drift_v1", manifest(old / "generated", "detect_drift_v2"))
    with pytest.raises(PublishError, match="is not the manifest of detect_drift version 1; restore it"):
        upgrade_here(old / "generated")


@pytest.mark.parametrize("where", ["", "decisions", "decisions.rules"])
def test_what_this_release_would_drop_is_refused(old: Path, where: str) -> None:
    """A manifest of a later release may say more than this one reads; nothing of it is lost."""
    document = manifest(old / "generated", "detect_drift_v2")
    place: Any = document
    for each in filter(None, where.split(".")):
        place = place[each]
    (place[0] if isinstance(place, list) else place)["a_field_of_later"] = 1
    rewritten(old / "generated", "detect_drift_v2", document)
    with pytest.raises(PublishError, match=r"would not keep .*a_field_of_later; upgrade POET"):
        upgrade_here(old / "generated")


def test_a_policy_that_is_not_installed_is_left_as_it_is(old: Path) -> None:
    """And named; the others are upgraded."""
    generated = old / "generated"
    document = manifest(generated, "detect_drift_v1")
    document["policy"] = document["decisions"]["policy"] = "of_a_plug_in"
    source = (generated / "detect_drift_v1.py").read_bytes()
    (generated / "of_a_plug_in_v1.py").write_bytes(source)

    def with_policy(registry: dict[str, Any]) -> None:
        entry = {
            "module": "of_a_plug_in_v1.py",
            "sha256": hashlib.sha256(source).hexdigest(),
            "manifest_sha256": "",
        }
        registry["policies"]["of_a_plug_in"] = {"active": 1, "previous": None, "versions": {"1": entry}}

    edit_registry(generated, with_policy)
    rewritten(generated, "of_a_plug_in_v1", document)
    before = contents(generated)
    done = run(old, "upgrade")
    assert done.exit_code == 1
    assert "- of_a_plug_in version 1 was skipped: no policy is called 'of_a_plug_in'" in done.stdout
    after = contents(generated)
    assert {name for name in after if after[name] == before.get(name)} == {
        ".gitignore",
        "of_a_plug_in_v1.py",
        "of_a_plug_in_v1.json",
    }
    assert run(old, "upgrade", "--json").exit_code == 1
    assert contents(generated) == after


def test_quarantine_slowness_and_trials_stay(old: Path) -> None:
    """What a guard withdrew must not come back because its digest changed."""
    generated = old / "generated"
    at = {"at": SAID["at"], "patience_s": 1.0}
    sha256 = {
        number: each.sha256 for number, each in read_document(generated).policies[DRIFT].versions.items()
    }
    withdraw(generated, DRIFT, 2, sha256=sha256["2"], to=1, why="it was slow", is_slow=True, **at)
    withdraw(generated, DRIFT, 2, sha256=sha256["2"], to=1, why="it failed", **at)
    on_trial(generated, DRIFT, 2, mode="shadow", share=0.5, why="a test", **SAID)
    before = read_document(generated).policies[DRIFT]
    upgrade_here(generated)
    after = read_document(generated).policies[DRIFT]
    word, slow = after.quarantined(2), after.slowness(2)
    assert word is not None
    assert slow is not None
    assert (word.why, slow.why) == ("it failed", "it was slow")
    assert word.sha256 == slow.sha256 == after.versions["2"].sha256 != sha256["2"]
    assert (after.shadow, after.active, after.previous) == (before.shadow, 1, None)
    with pytest.raises(PublishError, match="version 2 is quarantined by guard"):
        activate(generated, DRIFT, 2, why="a test", **SAID)
    release(generated, DRIFT, 2, why="a test", **SAID)
    activate(generated, DRIFT, 2, why="a test", **SAID)
    assert Registry(generated).active(DRIFT) == 2


def test_files_that_a_person_changed_are_left(old: Path) -> None:
    """Only the package itself is named: without it, `from generated import` may fail."""
    generated = old / "generated"
    for name in (".gitignore", ".gitattributes", "__init__.py"):
        with (generated / name).open("a") as file:
            file.write("# mine\n")
    mine = {name: (generated / name).read_bytes() for name in (".gitignore", ".gitattributes", "__init__.py")}
    found = upgrade_here(generated)
    assert (len(found.versions), found.files) == (7, ("__init__.pyi",))
    assert found.skipped.keys() == {"__init__.py"}
    assert {name: (generated / name).read_bytes() for name in mine} == mine
    (generated / "__init__.py").unlink()
    (generated / ".gitignore").unlink()
    (generated / ".gitattributes").unlink()
    assert upgrade_here(generated).files == ("__init__.py", ".gitignore")


def with_template(old: Path, *replacements: tuple[str, str]) -> None:
    """Add to the workspace its own template of the window policy."""
    text = (ROOT / "templates" / f"{WINDOW}.py.jinja").read_text()
    for before, after in replacements:
        assert before in text
        text = text.replace(before, after)
    (old / "templates" / f"{WINDOW}.py.jinja").write_text(text)


def test_modules_of_a_workspaces_own_template_are_validated(old: Path) -> None:
    """One that keeps its contract is written with the new report; one that breaks it never runs."""
    before = manifest(old / "generated", f"{WINDOW}_v1")
    with_template(old, ("Return the window of a feature, in points", "Return the window of a feature"))
    assert run(old, "upgrade").exit_code == 0
    after = manifest(old / "generated", f"{WINDOW}_v1")
    assert "Return the window of a feature." in after["source"]
    assert after["decisions"] == before["decisions"]
    assert all(gate["passed"] for gate in after["validation"]["gates"])
    kept = contents(old / "generated")
    with_template(old, ("return min(", "return -min("))
    done = run(old, "upgrade")
    assert done.exit_code == 1
    assert f"- {WINDOW} version 1 was skipped:" in done.stdout
    assert contents(old / "generated") == kept


def test_an_upgrade_waits_for_the_lock(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compile or a guard is at work; a check only reads."""
    monkeypatch.setattr(upgrades, "PATIENCE_S", 0.0)
    with lock(old / "generated", timeout_s=1.0):
        with pytest.raises(PublishError, match="lock"):
            upgrade_here(old / "generated")
        assert upgrade(old / "generated", render, is_check=True, **SAID).is_change


def test_a_damaged_note_of_an_upgrade_is_refused(old: Path) -> None:
    """It says which files are trusted."""
    (old / "generated" / UPGRADE_FILE).write_text("{}")
    with pytest.raises(
        PublishError, match=r"upgrade\.json is not the note of an upgrade .*restore the folder"
    ):
        upgrade_here(old / "generated")


# A kill at any step ---------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Reduce the old folder of versions to detect_drift, version 2 in quarantine."""
    generated = unpacked(tmp_path / "workspace") / "generated"
    edit_registry(generated, lambda registry: registry.update(policies={DRIFT: registry["policies"][DRIFT]}))
    for name in NAMES:
        if not name.startswith(DRIFT):
            (generated / f"{name}.py").unlink()
            (generated / f"{name}.json").unlink()
    sha256 = read_document(generated).policies[DRIFT].versions["2"].sha256
    withdraw(generated, DRIFT, 2, sha256=sha256, to=1, why="it failed", at=SAID["at"], patience_s=1.0)
    return generated


def sources(generated: Path) -> Iterator[bytes]:
    """Yield what would run of each version, where anything would."""
    for version in read_document(generated).policies[DRIFT].versions.values():
        try:
            yield read_published(generated, version).source
        except RegistryError as error:
            assert "run `poet upgrade` again" in str(error)  # noqa: PT017 -- anything else may raise too


def is_upgraded(generated: Path, before: Path, after: Path) -> bool:
    """Return whether the registry names the new files, having checked that nothing else could run."""
    document = read_document(generated)
    assert document.policies in (read_document(before).policies, read_document(after).policies)
    known = {
        (folder / f"{DRIFT}_v{number}.py").read_bytes() for folder in (before, after) for number in (1, 2)
    }
    assert set(sources(generated)) <= known
    assert document.policies[DRIFT].quarantined(2) is not None
    return document.policies == read_document(after).policies


def finish(generated: Path, after: Path) -> None:
    """Upgrade again, and check that the files are those of an upgrade which nothing interrupted."""
    upgrade_here(generated)
    assert upgrade_here(generated) == Upgrade()
    now, expected = contents(generated), contents(after)
    uncertain = {"journal.jsonl", "registry.json"}  # the number of the change
    assert {name: now[name] for name in now.keys() - uncertain} == {
        name: expected[name] for name in expected.keys() - uncertain
    }
    assert read_document(generated).policies == read_document(after).policies
    assert check_generated(generated, render) == []


def test_a_kill_at_any_step_is_finished_by_the_next_upgrade(small: Path) -> None:
    """Until the registry is replaced no new file runs, and from then on no old one."""
    after = copied(small, "after")
    upgrade_here(after)
    expected = [move.why for move in read_journal(after)]
    outcomes: list[bool] = []
    states: set[frozenset[tuple[str, bytes]]] = set()
    with KilledCommands() as dying:
        for step in range(1, 1000):
            generated = copied(small, str(step))
            ended = dying.run("upgrade", step, generated)
            if (state := state_of(generated)) not in states:  # a kill at a read leaves what the last one left
                states.add(state)
                outcomes.append(is_upgraded(generated, small, after))
                finish(generated, after)
                assert [move.why for move in read_journal(generated)] == expected
            if ended:
                break
    assert ended
    assert outcomes == sorted(outcomes)
    assert outcomes.count(False) > 20
    assert outcomes.count(True) >= 2


def state_of(generated: Path) -> frozenset[tuple[str, bytes]]:
    """Return the contents of a folder, unfinished files by the names that they would have had."""
    return frozenset(
        (re.sub(r"-[0-9a-f]{8}$", "", name), content) for name, content in contents(generated).items()
    )


def test_a_kill_while_finishing_is_finished_too(small: Path) -> None:
    """Also when the release that finishes renders otherwise than the one that was killed."""
    after = copied(small, "after")
    upgrade_here(after)
    interrupted = 0
    with KilledCommands() as dying:
        for first in range(12, 90, 18):
            once = copied(small, f"{first}")
            dying.run("upgrade", first, once)
            for second in range(6, 90, 12):
                twice = copied(once, f"{first}-{second}")
                ended = dying.run("upgrade-later", second, twice)
                interrupted += (once / UPGRADE_FILE).exists() and not ended
                finish(twice, after)
                shutil.rmtree(twice)
    assert interrupted > 5


def test_an_edit_between_a_kill_and_the_next_upgrade_is_refused(small: Path) -> None:
    """Only what the killed upgrade wrote is accepted; nothing else is done to the folder meanwhile."""
    after = copied(small, "after")
    upgrade_here(after)
    note = {f"{DRIFT}_v1.py": (), f"{DRIFT}_v1.json": ()} | {
        name: (hashlib.sha256(content).hexdigest(),)
        for name, content in contents(after).items()
        if "_v1" in name
    }
    (small / UPGRADE_FILE).write_bytes(msgspec.json.encode({"format": 1, "digests": note}))
    path = small / f"{DRIFT}_v1.json"
    path.write_bytes((after / path.name).read_bytes())
    assert upgrade(small, render, is_check=True, **SAID).was_interrupted
    assert {each.file: each.says for each in check_generated(small, render)}[UPGRADE_FILE] == (
        "an upgrade did not finish; run `poet upgrade` again"
    )
    with pytest.raises(PublishError, match="did not finish; run `poet upgrade` again"):
        activate(small, DRIFT, 1, why="a test", **SAID)
    edited = (after / f"{DRIFT}_v1.py").read_bytes().replace(b"0.05", b"0.01")
    (small / f"{DRIFT}_v1.py").write_bytes(edited)
    with pytest.raises(PublishError, match=r"v1\.py was edited"):
        upgrade_here(small)
    (small / f"{DRIFT}_v1.py").write_bytes((after / f"{DRIFT}_v1.py").read_bytes())
    finish(small, after)


def test_an_interrupted_upgrade_is_said_by_doctor_and_compile(old: Path) -> None:
    """The new files are not taken for an edit."""
    (old / "generated" / UPGRADE_FILE).write_bytes(msgspec.json.encode({"format": 1, "digests": {}}))
    findings = json.loads(run(old, "doctor", "--json").stdout)["findings"]
    assert {"check": "upgrade", "says": "an upgrade did not finish"}.items() <= next(
        each for each in findings if each["check"] == "upgrade"
    ).items()
    done = run(old, "compile", WINDOW)
    assert "did not finish; run `poet upgrade` again" in str(done.exception)
    (old / "generated" / "detect_drift_v1.py").write_text("# an edit\n")
    assert isinstance(run(old, "upgrade").exception, PublishError)


def test_before_an_upgrade_the_status_says_that_no_version_answers(old: Path) -> None:
    """Every module of such a policy is of the earlier release, so there is none to fall back on."""
    told = run(old, "status").output
    assert "REFUSED, no version answers: " in told
    assert "version None" not in told
