"""Tests of trials: a canary answers for its share of features, and a shadow never answers."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poet_runtime.errors import PublishError, RegistryError
from poet_runtime.registry import (
    Registry,
    activate,
    is_on_canary,
    on_trial,
    read_document,
    read_journal,
    rollback,
)
from poet_runtime.registry.shadow import LARGEST
from tests.handmade import write_registry, write_version

PROVENANCE: dict[str, Any] = {"who": "user/ana", "why": "a test", "at": "2026-01-01T00:00:00+00:00"}
CALLED = "def detect(current, *, feature='', context=None) -> int:\n    {body}\n"
FEATURES = [f"feature {number}" for number in range(400)]


def published(generated: Path, *bodies: str, active: int = 1, policy: str = "detect") -> Path:
    """Publish a version of `detect`, or of another policy, for each body."""
    generated.mkdir(parents=True, exist_ok=True)
    versions = {
        policy: {
            str(number): write_version(
                generated,
                policy,
                number,
                source=f"VERSION = {number}\n{CALLED.format(body=body)}".replace(
                    "def detect(", f"def {policy}("
                ),
            )
            for number, body in enumerate(bodies, start=1)
        }
    }
    write_registry(generated, {policy: active}, versions)
    return generated


def with_log(folder: Path) -> Path:
    """Return the folder of versions next to a folder for the log."""
    (folder / "feedback_log").mkdir(parents=True)
    return folder / "generated"


def test_a_canary_answers_for_a_fixed_share_of_features(tmp_path: Path) -> None:
    """Another process makes the same choice."""
    published(tmp_path, "return 1", "return 2")
    on_trial(tmp_path, "detect", 2, mode="canary", share=0.25, **PROVENANCE)
    detect = Registry(tmp_path).policy("detect")
    answers = [detect(0, feature=feature) for feature in FEATURES]
    assert 60 <= answers.count(2) <= 140
    assert [detect(0, feature=feature) for feature in FEATURES] == answers
    code = (
        "import sys, json; from pathlib import Path; from poet_runtime.registry import Registry\n"
        "detect = Registry(Path(sys.argv[1])).policy('detect')\n"
        "print([detect(0, feature=f'feature {n}') for n in range(400)])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=True, text=True
    )
    assert json.loads(ended.stdout) == answers


def test_the_choice_depends_on_feature_and_model(
    tmp_path: Path,
) -> None:
    """A feature of two models may be on two sides. Without a name, the champion answers."""
    published(tmp_path, "return 1", "return 2")
    on_trial(tmp_path, "detect", 2, mode="canary", share=0.5, **PROVENANCE)
    detect = Registry(tmp_path).policy("detect")
    sides = {detect(0, feature="age", context={"model": f"model {number}"}) for number in range(50)}
    assert sides == {1, 2}
    assert {detect(0), detect(0, context={"tier": "gold"})} == {1}
    assert detect(0, feature=np.array(["age"])) == 1
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        detect()


def test_each_canary_chooses_other_features() -> None:
    """Consecutive canaries do not affect the same features."""
    first, second = (
        [is_on_canary("detect", version, feature, "", 0.5) for feature in FEATURES] for version in (2, 3)
    )
    assert 100 < sum(one != other for one, other in zip(first, second, strict=True)) < 300


def test_answers_are_recorded_with_the_version_that_gave_them(tmp_path: Path) -> None:
    """The hook gets the answer of the chosen side."""
    published(tmp_path, "return VERSION", "return VERSION")
    on_trial(tmp_path, "detect", 2, mode="canary", share=0.5, **PROVENANCE)
    seen: dict[str, tuple[int, int]] = {}

    def hook(_policy: str, arguments: Any, result: int, version: int) -> int:
        seen[arguments["feature"]] = result, version
        return result

    detect = Registry(tmp_path, on_result=hook).policy("detect")
    for feature in FEATURES:
        detect(0, feature=feature)
    expected = {f: 2 if is_on_canary("detect", 2, f, "", 0.5) else 1 for f in FEATURES}
    assert seen == {feature: (number, number) for feature, number in expected.items()}


def test_a_failing_canary_ends_and_the_champion_answers(tmp_path: Path) -> None:
    """The version is quarantined, and the champion stays active."""
    published(tmp_path, "return 1", "raise OSError('no')")
    on_trial(tmp_path, "detect", 2, mode="canary", share=0.5, **PROVENANCE)
    detect = Registry(tmp_path).policy("detect")
    assert {detect(0, feature=feature) for feature in FEATURES} == {1}
    entry = read_document(tmp_path).policies["detect"]
    assert (entry.active, entry.canary) == (1, None)
    assert entry.quarantined(2) is not None
    assert [(move.mode, move.to) for move in read_journal(tmp_path)] == [
        ("canary", 2),
        ("canary ends", 2),
        ("quarantine", 2),
    ]
    with pytest.raises(PublishError, match="quarantined by guard"):
        on_trial(tmp_path, "detect", 2, mode="canary", share=0.5, **PROVENANCE)


def test_activating_ends_a_trial_and_rolling_back_ends_a_canary_only(tmp_path: Path) -> None:
    """A rollback undoes the last change."""
    published(tmp_path, "return 1", "return 2", "return 3")
    activate(tmp_path, "detect", 2, **PROVENANCE)
    on_trial(tmp_path, "detect", 3, mode="canary", share=0.5, **PROVENANCE)
    assert rollback(tmp_path, "detect", **PROVENANCE) == 2
    assert read_document(tmp_path).policies["detect"].canary is None
    on_trial(tmp_path, "detect", 3, mode="shadow", share=1.0, **PROVENANCE)
    assert rollback(tmp_path, "detect", **PROVENANCE) == 1
    assert read_document(tmp_path).policies["detect"].shadow is None
    assert [move.mode for move in read_journal(tmp_path)] == [
        "active",
        "canary",
        "canary ends",
        "shadow",
        "active",
        "shadow ends",
    ]


@pytest.mark.parametrize(
    ("mode", "number", "share", "reason"),
    [
        ("canary", 1, 0.5, "is already active"),
        ("canary", 9, 0.5, "has no version 9; published are 1, 2"),
        ("canary", 2, 1.0, "strictly between 0 and 1, got 1"),
        ("shadow", 2, 1.5, "above 0 and at most 1, got 1.5"),
        ("shadow", 2, float("nan"), "got nan"),
    ],
)
def test_an_invalid_trial_is_refused(
    tmp_path: Path, mode: Any, number: int, share: float, reason: str
) -> None:
    """The error has the reason, and nothing changes."""
    published(tmp_path, "return 1", "return 2")
    with pytest.raises(PublishError, match=reason):
        on_trial(tmp_path, "detect", number, mode=mode, share=share, **PROVENANCE)
    assert read_document(tmp_path).generation == 0


def test_a_policy_without_features_cannot_have_a_canary(tmp_path: Path) -> None:
    """The canary would never answer, and no one would notice."""
    write_registry(tmp_path, {"one": 1}, {"one": {"1": write_version(tmp_path, "one", 1)}})
    with pytest.raises(RegistryError, match="`poet shadow one N` compares"):
        Registry(tmp_path).require_sides("one")


def test_a_tampered_trial_in_the_registry_is_refused(tmp_path: Path) -> None:
    """The answers do not change."""
    published(tmp_path, "return 1", "return 2")
    on_trial(tmp_path, "detect", 2, mode="canary", share=0.5, **PROVENANCE)
    registry = Registry(tmp_path)
    registry.refresh()
    path = tmp_path / "registry.json"
    path.write_bytes(path.read_bytes().replace(b'"share": 0.5', b'"share": 50'))
    status = registry.status()["detect"]
    assert status["answering"] == 1
    assert "version 2 on trial with share 50" in status["refused"]


@pytest.mark.parametrize("mode", ["canary", "shadow"])
def test_a_tampered_version_on_trial_is_refused_with_the_reason(tmp_path: Path, mode: Any) -> None:
    """The active version answers. The trial continues after the file is restored."""
    published(tmp_path, "return 1", "return 2")
    on_trial(tmp_path, "detect", 2, mode=mode, share=0.5, **PROVENANCE)
    module = tmp_path / "detect_v2.py"
    content = module.read_bytes()
    module.write_bytes(content + b"#")
    registry = Registry(tmp_path)
    detect = registry.policy("detect")
    assert {detect(0, feature=feature) for feature in FEATURES} == {1}
    status = registry.status()["detect"]
    assert status["refused"] == ""
    assert "an edited version never runs" in status["refused_beside"][mode]
    module.write_bytes(content)
    registry.refresh()
    assert registry.status()["detect"]["refused_beside"] == {}


def shadowed(folder: Path, *bodies: str, share: float = 1.0, policy: str = "detect") -> Registry:
    """Publish versions 1 and 2, and run version 2 as a shadow."""
    generated = published(with_log(folder), *bodies, policy=policy)
    on_trial(generated, policy, 2, mode="shadow", share=share, **PROVENANCE)
    return Registry(generated)


def test_a_shadow_never_answers_and_its_differences_are_counted(tmp_path: Path) -> None:
    """Differences are counted by direction with witnesses, and another process adds to the counts."""
    answer = "R(drifted={}, score=1.0, threshold=0.5, test='ks')"
    result = f"from poet_runtime.results import DriftResult as R; return {answer}"
    bodies = result.format("current > 2"), result.format("current > 4 or current < 0")
    registry = shadowed(tmp_path, *bodies, policy="detect_drift")
    detect = registry.policy("detect_drift")
    answers = [detect(number, feature="age").drifted for number in range(-1, 7)]
    assert answers == [number > 2 for number in range(-1, 7)]
    (tally,) = registry.tallies()
    assert str(tally) == "8 compared, 3 differ (2 fewer alerts, 1 more alerts), 0 failed"
    assert {witness.feature for witness in tally.witnesses} == {"age"}
    other = Registry(registry.generated)
    other.policy("detect_drift")(3)
    (tally,) = other.tallies()
    assert (tally.compared, tally.fewer_alerts) == (9, 3)


def test_a_shadow_that_fails_or_is_slow_costs_the_caller_nothing(tmp_path: Path) -> None:
    """The exceptions of the shadow are counted."""
    registry = shadowed(tmp_path, "return 1", "import time; time.sleep(0.2); raise OSError('boom')")
    detect = registry.policy("detect")
    start = time.perf_counter()
    assert [detect(0) for _ in range(3)] == [1, 1, 1]
    assert time.perf_counter() - start < 0.15
    (tally,) = registry.tallies()
    assert (tally.compared, tally.failed) == (0, 3)
    assert "OSError: boom" in tally.witnesses[0].shadow


def test_a_shadow_sees_the_arguments_as_they_were(tmp_path: Path) -> None:
    """The caller reuses its buffers immediately."""
    registry = shadowed(tmp_path, "return int(current.sum())", "return int(current.sum())")
    detect, buffer = registry.policy("detect"), np.zeros(1000)
    for number in range(20):
        buffer[:] = number
        detect(buffer)
    (tally,) = registry.tallies()
    assert (tally.compared, tally.differ) == (20, 0)


@pytest.mark.parametrize(
    "argument",
    [lambda: None, np.zeros(LARGEST), list(range(5000)), iter([1, 2]), object()],
    ids=["function", "large", "long", "iterator", "unknown"],
)
def test_calls_that_cannot_be_repeated_are_skipped_and_counted(tmp_path: Path, argument: object) -> None:
    """A monitor of the caller must not run a second time."""
    registry = shadowed(tmp_path, "return 1", "return 2")
    assert registry.policy("detect")(argument) == 1
    (tally,) = registry.tallies()
    assert (tally.compared, tally.skipped) == (0, 1)


def test_a_shadow_runs_on_its_share(tmp_path: Path) -> None:
    """The choice is random, so a loop over ten features does not always select the same one."""
    registry = shadowed(tmp_path, "return 1", "return 1", share=0.1)
    detect = registry.policy("detect")
    for _ in range(600):
        detect(0)
    (tally,) = registry.tallies()
    assert 25 <= tally.compared + tally.skipped <= 110


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_its_own_shadow_thread(tmp_path: Path) -> None:
    """The child does not write the counts of its parent."""
    registry = shadowed(tmp_path, "return 1", "return 2")
    detect = registry.policy("detect")
    detect(0)
    child = os.fork()
    if child == 0:
        detect(0)
        registry.flush()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    (tally,) = registry.tallies()
    assert tally.compared == 2


def test_counts_are_kept_if_the_file_cannot_be_written(tmp_path: Path) -> None:
    """The counts are written later."""
    registry = shadowed(tmp_path, "return 1", "return 2")
    path = tmp_path / "feedback_log" / "shadow.jsonl"
    path.mkdir()
    registry.policy("detect")(0)
    registry.flush()
    path.rmdir()
    (tally,) = registry.tallies()
    assert (tally.compared, path.exists()) == (1, True)


def test_old_registries_are_read_and_written_without_new_fields(tmp_path: Path) -> None:
    """Without trials and quarantine, the file has its former content."""
    published(tmp_path, "return 1", "return 2")
    activate(tmp_path, "detect", 2, **PROVENANCE)
    document = json.loads((tmp_path / "registry.json").read_text())
    assert set(document["policies"]["detect"]) == {"active", "previous", "versions"}
