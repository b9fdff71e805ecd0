"""Tests that a workspace from before the change of names works with every command and is upgraded."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

import poet_runtime.results
from poet.build.publish import check_generated
from poet.build.render import render
from poet.log import open_log
from poet.summaries import seal
from poet.workspace.pipeline import apply, summaries_until
from poet.workspace.plan import verify
from poet.workspace.workspace import Workspace
from poet_runtime import former_names
from poet_runtime.errors import PublishError, RegistryError
from poet_runtime.registry import Registry, read_document
from poet_runtime.registry.shadow import read_tallies
from tests.answers import QUESTIONS, told
from tests.test_upgrade import RENDERED, SAID, contents, manifest, run, unpacked

ARCHIVE = Path(__file__).parent / "data" / "workspace_0_1_names.tar.xz"
DRIFT, ALERTS = "detect_drift", "generate_alerts"
CHANGED = ("detect_drift_v2", "detect_drift_v3", "generate_alerts_v1", "generate_alerts_v2")
SAME = (
    "adaptive_monitoring_strategy_v1",
    "calculate_adaptive_window_v1",
    "calculate_feature_importance_v1",
    "detect_drift_v1",
    "monitor_with_recovery_v1",
)
PINNED, VETOED, PENDING = "numeric", "candidate-numeric-seasonal", "useless-latency_p50"
NAMES = {
    "own_q90": "null_q90",
    "own_max": "null_max",
    "own_mean": "null_mean",
    "own_sd": "null_sd",
    "roughness": "mean_absolute_difference",
    "deseasonalised": "deseasonalized",
}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the unpacked old workspace, for tests that do not change its versions."""
    return unpacked(tmp_path_factory.mktemp("before") / "workspace", ARCHIVE)


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an upgraded copy of the old workspace, for tests that only add to it."""
    folder = unpacked(tmp_path_factory.mktemp("upgraded") / "workspace", ARCHIVE)
    done = run(folder, "upgrade")
    assert done.exit_code == 0
    assert re.findall(r"\+ (\w+) version (\d)", done.stdout) == [tuple(each.split("_v")) for each in CHANGED]
    return folder


def split(name: str) -> tuple[str, int]:
    """Return the policy and the number of a version."""
    policy, _, number = name.rpartition("_v")
    return policy, int(number)


@pytest.mark.parametrize("name", CHANGED)
def test_the_error_of_an_outdated_module_names_the_upgrade(before: Path, name: str) -> None:
    """The error is raised when the module is loaded or verified, and not by a call of a monitor."""
    policy, number = split(name)
    with pytest.raises(RegistryError, match=rf"{name}\.py cannot be loaded.*run `poet upgrade`"):
        Registry(before / "generated").version(policy, number)
    verified = run(before, "verify", policy, str(number))
    assert isinstance(verified.exception, PublishError)
    assert re.search(rf"{name}\.py .*this release.*; run `poet upgrade`", str(verified.exception))


def test_everything_else_works_before_the_upgrade(before: Path) -> None:
    """Commands read the old files, and name the two policies that need the upgrade."""
    kept = contents(before / "generated")
    status = run(before, "status")
    assert status.exit_code == 0
    assert "REFUSED, no version answers" in status.stdout
    assert "it uses the name 'agree', which this release replaced" in status.stdout
    assert "40 compared, 10 differ (1 fewer alerts, 9 more alerts), 0 failed" in status.stdout
    findings = json.loads(run(before, "doctor", "--json").stdout)["findings"]
    assert {each["check"] for each in findings if "`poet upgrade`" in each["next_step"]} == {DRIFT, ALERTS}
    with Workspace.open(before) as workspace:
        plan = workspace.plan()
        assert len(plan.policies) == 4
        assert not plan.changes
        assert plan.skipped.keys() == {DRIFT, ALERTS}
        assert all("run `poet upgrade`" in why for why in plan.skipped.values())
    report = run(before, "report", "--points", "1", "--out", str(before / "report.html"))
    assert report.exit_code == 0
    assert "deseasonalized Wasserstein" in (before / "report.html").read_text(encoding="utf-8")
    assert run(before, "upgrade", "--check").exit_code == 1
    assert contents(before / "generated") == kept


def test_decisions_are_equal_after_the_mapping(before: Path, upgraded: Path) -> None:
    """Every field of every manifest is equal, and modules that run are not changed."""
    old, new = before / "generated", upgraded / "generated"
    for name in CHANGED:
        was, now = former_names.manifest(manifest(old, name)), manifest(new, name)
        assert {key: value for key, value in now.items() if key not in RENDERED} == {
            key: value for key, value in was.items() if key not in RENDERED
        }
        assert former_names.in_module((new / f"{name}.py").read_bytes()) == ""
    for name in SAME:
        for suffix in (".py", ".json"):
            assert (old / f"{name}{suffix}").read_bytes() == (new / f"{name}{suffix}").read_bytes()
    active = {policy: entry.active for policy, entry in read_document(old).policies.items()}
    assert {policy: entry.active for policy, entry in read_document(new).policies.items()} == active
    assert check_generated(new, render) == []
    assert run(upgraded, "upgrade", "--check").exit_code == 0


@pytest.mark.parametrize("name", [each for each in (*CHANGED, *SAME) if split(each)[0] in (DRIFT, ALERTS)])
def test_answers_are_the_same_after_the_upgrade(upgraded: Path, name: str) -> None:
    """They equal the recorded answers of the old release, except for the names of statistics."""
    policy, number = split(name)
    words = re.compile("|".join(NAMES))
    was = [
        words.sub(lambda found: NAMES[found[0]], answer)
        for answer in json.loads((upgraded / "answers.json").read_bytes())[name]
    ]
    now = Registry(upgraded / "generated").version(policy, number)
    assert [told(now, question) for question in QUESTIONS[policy](poet_runtime.results)] == was
    assert len(was) > 100


def test_the_log_gives_the_same_versions_again(upgraded: Path) -> None:
    """Old events are sealed in new columns and lead to the bytes of the upgraded versions."""
    segments = upgraded / "feedback_log" / "segments"
    assert json.loads((segments / "segments.json").read_bytes())["format"] == 1
    with open_log(upgraded / "feedback_log") as log:
        seal(log, segments)
    assert json.loads((segments / "segments.json").read_bytes())["format"] == 2
    known = cache(summaries_until(segments))
    for policy, number in map(split, (*CHANGED, *SAME)):
        assert verify(upgraded / "generated", policy, number, known, render) == ""


def test_pins_and_vetoes_stay_in_force(upgraded: Path, tmp_path: Path) -> None:
    """Versions contain two of them, and the next compile applies the third."""
    shown = json.loads(run(upgraded, "pins", "--json").stdout)
    assert [(each["action"], each["rule"]) for each in shown] == [
        ("pin", PINNED),
        ("veto", VETOED),
        ("veto", PENDING),
    ]
    with Workspace.open(upgraded) as workspace:
        plan = workspace.plan()
        assert [each.policy for each in plan.changes] == [ALERTS]
        assert not plan.skipped
        rules = {each.policy: {rule.id: rule for rule in each.decisions.rules} for each in plan.policies}
        assert rules[DRIFT][PINNED].status == "pinned"
        assert rules[DRIFT][PINNED].parameters["criteria"][0]["threshold"] == 1.9  # type: ignore[index]
        assert rules[ALERTS][PENDING].status == "vetoed"
        (published,) = apply(
            plan.changes, upgraded / "generated", templates=None, why="a test", max_examples=1, **SAID
        )
        assert (published.policy, published.number) == (ALERTS, 3)
    report = run(upgraded, "report", "--points", "1", "--out", str(tmp_path / "report.html"))
    assert report.exit_code == 0
    assert report.stderr == ""


def test_counts_of_the_shadow_are_kept(upgraded: Path) -> None:
    """The module of the shadow is unchanged, so its counts continue."""
    (tally,) = read_tallies(upgraded / "feedback_log").values()
    assert (tally.compared, tally.fewer_alerts, tally.more_alerts, tally.failed) == (40, 1, 9, 0)
    entry = read_document(upgraded / "generated").policies[DRIFT]
    assert entry.shadow is not None
    assert (tally.version, tally.sha256) == (entry.shadow.version, entry.versions["1"].sha256)
