"""A workspace from before names were changed to the terms of the field: every command works, without loss."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from poet.build.publish import check_generated
from poet.build.render import render
from poet.log import open_log
from poet.summaries import seal
from poet.workspace.pipeline import apply, summaries_until
from poet.workspace.plan import verify
from poet.workspace.workspace import Workspace
from poet_runtime import former_names
from poet_runtime.errors import PublishError, RegistryError
from poet_runtime.registry import Registry, Tally, read_document
from poet_runtime.registry.shadow import read_tallies
from tests.test_upgrade import RENDERED, SAID, contents, manifest, require_recorded_answers, run, unpacked

ARCHIVE = Path(__file__).parent / "data" / "workspace_0_1_names.tar.xz"
DRIFT, ALERTS = "detect_drift", "generate_alerts"
CANNOT_RUN = (
    "calculate_feature_importance_v1",
    "detect_drift_v1",
    "detect_drift_v2",
    "detect_drift_v3",
    "generate_alerts_v1",
    "generate_alerts_v2",
    "monitor_with_recovery_v1",
)
# These modules import no function of the runtime.
CAN_RUN = ("adaptive_monitoring_strategy_v1", "calculate_adaptive_window_v1")
NAMES = tuple(sorted((*CANNOT_RUN, *CAN_RUN)))
PINNED, VETOED, PENDING = "numeric", "candidate-numeric-seasonal", "useless-latency_p50"


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the old workspace, for tests that do not change its versions."""
    return unpacked(tmp_path_factory.mktemp("before") / "workspace", ARCHIVE)


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Upgrade the old workspace, for tests that only add to it."""
    folder = unpacked(tmp_path_factory.mktemp("upgraded") / "workspace", ARCHIVE)
    done = run(folder, "upgrade")
    assert done.exit_code == 0
    rendered = re.findall(r"\+ (\w+) version (\d) was rendered again, decisions unchanged", done.stdout)
    assert [f"{policy}_v{number}" for policy, number in rendered] == list(NAMES)
    return folder


def split(name: str) -> tuple[str, int]:
    """Return the policy and the number of a version."""
    policy, _, number = name.rpartition("_v")
    return policy, int(number)


@pytest.mark.parametrize("name", CANNOT_RUN)
def test_a_module_that_cannot_run_asks_for_the_upgrade(before: Path, name: str) -> None:
    """When it is loaded, verified or validated; not at a call, where a monitor would fail."""
    policy, number = split(name)
    with pytest.raises(RegistryError, match=rf"{name}\.py cannot be loaded.*run `poet upgrade`"):
        Registry(before / "generated").version(policy, number)
    verified = run(before, "verify", policy, str(number))
    assert isinstance(verified.exception, PublishError)
    assert re.search(rf"{name}\.py .*this release.*; run `poet upgrade`", str(verified.exception))


@pytest.mark.parametrize("name", CAN_RUN)
def test_a_module_that_can_run_answers_before_the_upgrade(before: Path, name: str) -> None:
    """Its answers are those of the earlier release; only the bytes of this release's template differ."""
    require_recorded_answers(before / "generated", ARCHIVE, name)
    verified = run(before, "verify", *name.split("_v"))
    assert verified.exit_code == 1
    assert "the decisions of version 1 are equal, but other templates rendered it; run `poet upgrade`" in (
        verified.output
    )


def test_everything_else_works_before_the_upgrade(before: Path) -> None:
    """Commands read the old files, and name the policies that need it."""
    policies = {split(name)[0] for name in CANNOT_RUN}
    kept = contents(before / "generated")
    status = run(before, "status")
    assert status.exit_code == 0
    assert "REFUSED, no version answers" in status.stdout
    assert "it uses the name 'agree', which this release replaced" in status.stdout
    assert "40 compared, 10 differ (1 fewer alerts, 9 more alerts), 0 failed" in status.stdout
    findings = json.loads(run(before, "doctor", "--json").stdout)["findings"]
    needing = {each["check"] for each in findings if "`poet upgrade`" in each["next_step"]}
    assert needing == policies | {"generated/__init__.pyi"}
    with Workspace.open(before) as workspace:
        plan = workspace.plan()
        assert {each.policy for each in plan.policies} == {split(name)[0] for name in CAN_RUN}
        assert not plan.changes
        assert plan.skipped.keys() == policies
        assert all("run `poet upgrade`" in why for why in plan.skipped.values())
    everything = run(before, "compile")
    assert everything.exit_code == 1
    assert everything.stdout.count("run `poet upgrade`") == len(policies)
    report = run(before, "report", "--points", "1", "--out", str(before / "report.html"))
    assert report.exit_code == 0
    assert "deseasonalized Wasserstein" in (before / "report.html").read_text(encoding="utf-8")
    assert run(before, "upgrade", "--check").exit_code == 1
    left = contents(before / "generated")
    del left["__init__.pyi"]  # the types for editors, which a compile writes
    assert left == kept


def test_decisions_are_equal_after_the_mapping(before: Path, upgraded: Path) -> None:
    """Every field of every manifest, also where the old module can run."""
    old, new = before / "generated", upgraded / "generated"
    for name in NAMES:
        was, now = former_names.manifest(manifest(old, name)), manifest(new, name)
        assert {key: value for key, value in now.items() if key not in RENDERED} == {
            key: value for key, value in was.items() if key not in RENDERED
        }
        assert former_names.in_module((new / f"{name}.py").read_bytes()) == ""
    active = {policy: entry.active for policy, entry in read_document(old).policies.items()}
    assert {policy: entry.active for policy, entry in read_document(new).policies.items()} == active
    assert check_generated(new, render) == []
    assert run(upgraded, "upgrade", "--check").exit_code == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_answers_stay(upgraded: Path, name: str) -> None:
    """The earlier release wrote its answers down; only the names of statistics differ."""
    require_recorded_answers(upgraded / "generated", ARCHIVE, name)


def test_the_log_learns_the_same_versions_again(upgraded: Path) -> None:
    """Old events, sealed again in new columns, lead to the bytes of the upgraded versions."""
    segments = upgraded / "feedback_log" / "segments"
    assert json.loads((segments / "segments.json").read_bytes())["format"] == 1
    with open_log(upgraded / "feedback_log") as log:
        seal(log, segments)
    assert json.loads((segments / "segments.json").read_bytes())["format"] == 2
    known = cache(summaries_until(segments))
    for policy, number in map(split, NAMES):
        assert verify(upgraded / "generated", policy, number, known, render) == ""


def test_pins_and_vetoes_are_in_force(upgraded: Path, tmp_path: Path) -> None:
    """Those that a version contains, and one that the next compile applies."""
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


def test_a_shadow_counts_again(before: Path, upgraded: Path) -> None:
    """Counts belong to the digest of a module, which changed. Those of the old module stay in the file."""
    (was,) = read_tallies(upgraded / "feedback_log").values()
    assert (was.compared, was.fewer_alerts, was.more_alerts, was.failed) == (40, 1, 9, 0)
    entries = [read_document(folder / "generated").policies[DRIFT] for folder in (before, upgraded)]
    assert was.sha256 == entries[0].versions["1"].sha256 != entries[1].versions["1"].sha256
    assert entries[1].shadow == entries[0].shadow is not None
    with Workspace.open(upgraded) as workspace:
        workspace.policy(DRIFT)  # loads the registry
        (now,) = workspace.registry.tallies()
    assert now == Tally(
        policy=DRIFT, version=1, sha256=entries[1].versions["1"].sha256, champion=entries[1].active
    )
