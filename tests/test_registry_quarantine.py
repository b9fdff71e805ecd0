"""Tests that rejected versions are not offered again and that tampered ones are refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from poet import Workspace
from poet.build.publish import publish
from poet.review.changes import plan_document
from poet.review.document import JudgedCanary
from poet.review.status import canary_document, status_document
from poet.review.text import plan_lines, status_lines
from poet.spec.decisions import Decisions
from poet.workspace.pipeline import Plan, plan
from poet_runtime.errors import PublishError, RegistryError
from poet_runtime.registry import Registry, Timers, activate, on_trial, read_document, release
from poet_runtime.registry.changes import withdraw
from tests.handmade import write_version
from tests.modules import WINDOW, published, validated
from tests.policies.detect_drift.test_learner import KS, false_alarms_of_ks, summarised
from tests.workspaces import first_workspace

PROVENANCE: dict[str, Any] = {"who": "user/ana", "why": "a test", "at": "2026-01-01T00:00:00+00:00"}
DRIFT = "detect_drift"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Open a workspace with version 1 of every policy."""
    with Workspace.open(first_workspace(tmp_path / "w")) as opened:
        yield opened


def learned(workspace: Workspace) -> Plan:
    """Plan `detect_drift` from sixty labels that change it."""
    summaries = summarised(false_alarms_of_ks(60))
    return plan(workspace.generated, summaries, workspace.configuration.learn, [DRIFT])


def published_as(workspace: Workspace, decisions: Decisions) -> None:
    """Publish decisions without validation."""
    from poet.build.check import check
    from poet.build.gates import Gate, ValidatedModule, ValidationReport
    from poet.build.render import render

    report = ValidationReport(policy=DRIFT, gates=(Gate(name="import", passed=True),))
    publish([ValidatedModule(check(render(decisions)), report)], workspace.generated, **PROVENANCE)


def rejected(workspace: Workspace) -> None:
    """Publish the learned decisions as version 2, and withdraw it like a guard."""
    (planned,) = learned(workspace).policies
    assert planned.is_change
    published_as(workspace, planned.decisions)
    entry = read_document(workspace.generated).policies[DRIFT]
    withdraw(
        workspace.generated, DRIFT, 2, sha256=entry.versions["2"].sha256, to=1, why="KeyError: 'age'",
        at=PROVENANCE["at"], patience_s=1.0,
    )  # fmt: skip


def test_a_rejected_version_is_not_offered_again(workspace: Workspace) -> None:
    """The same decisions under the next number are the same version. The plan has the next step."""
    rejected(workspace)
    found = learned(workspace)
    assert found.changes == ()
    text = "\n".join(plan_lines(plan_document(found)))
    assert "No changes: what was learned is not offered again" in text
    assert "detect_drift: version 1 stays: it would be version 2 again, which is quarantined by guard" in text
    assert "KeyError: 'age'; `poet release detect_drift 2`" in text
    assert [each.is_change for each in plan_document(found).policies] == [False]
    release(workspace.generated, DRIFT, 2, **PROVENANCE)
    (again,) = learned(workspace).changes
    assert again.decisions.version == 3


def test_a_version_that_was_slow_is_not_offered_again_until_it_is_activated(workspace: Workspace) -> None:
    """The version is not quarantined, so `poet activate` needs no flag."""
    (planned,) = learned(workspace).changes
    published_as(workspace, planned.decisions)
    sha256 = read_document(workspace.generated).policies[DRIFT].versions["2"].sha256
    withdraw(
        workspace.generated, DRIFT, 2, sha256=sha256, to=1, why="took 2 s", at=PROVENANCE["at"],
        patience_s=1.0, is_slow=True,
    )  # fmt: skip
    found = learned(workspace)
    assert found.changes == ()
    since = f"set aside as slow by guard since {PROVENANCE['at']}: took 2 s"
    text = "\n".join(plan_lines(plan_document(found)))
    assert f"it would be version 2 again, which is {since}; `poet activate detect_drift 2` lets it" in text
    workspace.registry.refresh()
    text = "\n".join(status_lines(status_document(workspace, found)))
    assert f"SLOW version 2, set aside by guard since {PROVENANCE['at']}: took 2 s" in text
    workspace.activate(DRIFT, 2)
    entry = read_document(workspace.generated).policies[DRIFT]
    assert (entry.active, entry.quarantine, entry.slow) == (2, (), ())


def test_a_slow_first_read_of_a_column_does_not_withdraw_a_version(workspace: Workspace) -> None:
    """The policy is `detect_drift`, and the columns become arrays on first use."""
    published_as(workspace, msgspec.structs.replace(KS, version=2, revises=1))
    wall_s = [0.0]
    draw = np.random.default_rng(0)

    class Lazy:
        """A column on a network, whose first read takes 1.3 s."""

        def __init__(self) -> None:
            self.values, self.is_cold = draw.normal(size=500), True

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            wall_s[0] += 1.3 * self.is_cold
            self.is_cold = False
            return self.values

    registry = Registry(workspace.generated, timers=Timers(wall=lambda: wall_s[0], cpu=lambda: wall_s[0]))
    detect_drift, reference = registry.policy(DRIFT), draw.normal(size=2000)
    answers = [detect_drift(Lazy(), reference, feature="a") for _ in range(12)]
    assert [answer.policy_version for answer in answers] == [2] * 12
    assert wall_s[0] == pytest.approx(12 * 1.3)
    assert registry.status()[DRIFT]["guard"] == []


def test_other_decisions_are_still_offered(workspace: Workspace) -> None:
    """A rejected version does not block others."""
    published_as(workspace, msgspec.structs.replace(KS, version=2, revises=1))
    sha256 = read_document(workspace.generated).policies[DRIFT].versions["2"].sha256
    withdraw(
        workspace.generated, DRIFT, 2, sha256=sha256, to=1, why="no", at=PROVENANCE["at"], patience_s=1.0
    )
    (planned,) = learned(workspace).changes
    assert planned.decisions.version == 3


def test_a_version_on_trial_is_not_published_again(workspace: Workspace) -> None:
    """Every compile would learn it again while the old version answers."""
    (planned,) = learned(workspace).changes
    published_as(workspace, planned.decisions)
    activate(workspace.generated, DRIFT, 1, **PROVENANCE)
    on_trial(workspace.generated, DRIFT, 2, mode="canary", share=0.1, **PROVENANCE)
    assert "on trial as a canary" in learned(workspace).policies[0].refused


def test_the_version_that_answered_is_recorded(workspace: Workspace) -> None:
    """If the new version fails, the execution belongs to the old one, and so does its feedback."""
    generated = workspace.generated
    source = "VERSION = 2\n\n\ndef detect_drift(current, reference, *, feature=''):\n    raise OSError\n"
    broken = write_version(generated, DRIFT, 2, source=source)
    document = read_document(generated)
    entry = document.policies[DRIFT]
    entry = msgspec.structs.replace(entry, active=2, previous=1, versions=entry.versions | {"2": broken})
    after = msgspec.structs.replace(document, policies={DRIFT: entry})
    (generated / "registry.json").write_bytes(msgspec.json.encode(after))
    result = workspace.policy(DRIFT)([1.0, 2.0] * 30, [1.0, 2.0] * 30, feature="age")
    workspace.flush()
    (stored,) = workspace.log.read()
    data: Any = stored.event.data
    assert (result.policy_version, data.version, data.execution_id) == (1, 1, result.execution_id)


def test_the_same_bytes_are_refused(tmp_path: Path) -> None:
    """The version is recognized by its digest."""
    published(tmp_path, 1, 2)
    sha256 = read_document(tmp_path).policies[WINDOW].versions["2"].sha256
    withdraw(tmp_path, WINDOW, 2, sha256=sha256, to=1, why="no", at=PROVENANCE["at"], patience_s=1.0)
    with pytest.raises(PublishError, match=f"`poet release {WINDOW} 2` lets it be offered again"):
        publish([validated(2)], tmp_path, **PROVENANCE)


def test_a_registry_with_an_active_quarantined_version_is_ignored(tmp_path: Path) -> None:
    """Merging two branches by hand can create one."""
    published(tmp_path, 1, 2)
    sha256 = read_document(tmp_path).policies[WINDOW].versions["2"].sha256
    withdraw(tmp_path, WINDOW, 2, sha256=sha256, to=1, why="it failed", at=PROVENANCE["at"], patience_s=1.0)
    document = read_document(tmp_path)
    entry = msgspec.structs.replace(document.policies[WINDOW], active=2, previous=1)
    merged = msgspec.structs.replace(document, policies={WINDOW: entry})
    (tmp_path / "registry.json").write_bytes(msgspec.json.encode(merged))
    status = Registry(tmp_path).status()[WINDOW]
    assert (status["active"], status["answering"]) == (2, 1)
    assert "quarantined since" in status["refused"]


def test_the_status_shows_quarantine_canary_and_shadow(workspace: Workspace) -> None:
    """The status has the reason of each."""
    rejected(workspace)
    published_as(workspace, msgspec.structs.replace(KS, version=3, revises=1))
    activate(workspace.generated, DRIFT, 1, **PROVENANCE)
    on_trial(workspace.generated, DRIFT, 3, mode="canary", share=0.25, **PROVENANCE)
    on_trial(workspace.generated, DRIFT, 2, mode="shadow", share=1.0, **PROVENANCE)
    detect_drift = workspace.policy(DRIFT)
    detect_drift([1.0, 2.0, 3.0] * 20, [1.0, 2.0, 3.0] * 20, feature="age")
    text = "\n".join(status_lines(status_document(workspace, learned(workspace))))
    assert f"QUARANTINED version 2 by guard since {PROVENANCE['at']}: KeyError: 'age'" in text
    assert "shadow detect_drift v2: 1 compared, 0 differ, 0 failed" in text
    assert (
        f"canary detect_drift v3: inconclusive; answers for 25% of the features since {PROVENANCE['at']}"
        in text
    )
    assert "0 labeled, 0 of them differ" in text
    canary = canary_document(workspace, DRIFT)
    assert isinstance(canary, JudgedCanary)
    assert canary.answered_by_canary + canary.answered_by_champion == 1
    assert canary_document(workspace, "generate_alerts") is None


def test_a_tampered_manifest_is_refused_and_reported(workspace: Workspace) -> None:
    """The module may be unchanged, but its proof is not. Nothing is learned from it."""
    published_as(workspace, msgspec.structs.replace(KS, version=2, revises=1))
    manifest = workspace.generated / "detect_drift_v2.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"gates"', b'"gates" '))
    status = workspace.registry.status()[DRIFT]
    assert (status["active"], status["answering"]) == (2, 1)
    assert "detect_drift_v2.json is not the manifest that was published" in status["refused"]
    found = plan(workspace.generated, summarised(false_alarms_of_ks(60)), workspace.configuration.learn)
    assert "is not the manifest that was published" in found.skipped[DRIFT]
    text = "\n".join(status_lines(status_document(workspace, found)))
    assert "REFUSED, version 1 answers instead" in text
    assert "detect_drift_v2.json is not the manifest that was published" in text
    with pytest.raises(PublishError, match="is not the manifest that was published"):
        learned(workspace)
    with pytest.raises(PublishError, match=r"v2\.json is not the manifest .*then try again"):
        activate(workspace.generated, DRIFT, 2, **PROVENANCE)


def test_a_missing_manifest_is_refused(tmp_path: Path) -> None:
    """Every published module has a manifest."""
    published(tmp_path, 1)
    (tmp_path / f"{WINDOW}_v1.json").unlink()
    with pytest.raises(RegistryError, match=r"cannot be read .*restore it from version control"):
        Registry(tmp_path).policy(WINDOW)
