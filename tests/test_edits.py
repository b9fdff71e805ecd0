"""Manual edits of generated modules become pins or vetoes, or are rejected with file and reason."""

import json
import re
from pathlib import Path
from typing import Literal

import pytest

from poet.build.render import render
from poet.spec.decisions import Decisions, decode
from poet.workspace.edits import Edit, find_edits
from poet.workspace.overrides import Override, amend, append, current_overrides, read_overrides
from poet.workspace.workspace import Workspace
from poet_runtime.errors import EditError, LearnError, ValidationError
from tests.names import DRIFT, WINDOW
from tests.regenerate_golden import golden
from tests.test_cli import run
from tests.workspaces import first_workspace


def decisions_of(policy: str) -> Decisions:
    """Return the decisions of a policy's scenario."""
    return decode((golden(policy) / "scenario" / "decisions.json").read_bytes())


def read_edits(tmp_path: Path, policy: str, *changes: tuple[str, str]) -> tuple[Edit, ...]:
    """Edit the module of a scenario and return the edits found."""
    published = render(decisions_of(policy)).source
    source = published
    for old, new in changes:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    path = tmp_path / f"{policy}_v2.py"
    path.write_text(source, encoding="utf-8")
    return find_edits(path, published.encode(), decisions_of(policy), lambda each: render(each).source)


NOISE = {"false_alarms_per_day": 15, "window_size": 100, "feature": "click_rate"}


def test_an_edit_shows_the_constant_or_the_field_that_changed(tmp_path: Path) -> None:
    """A plan prints this text."""
    (edit,) = read_edits(tmp_path, DRIFT, ("NUMERIC_KS_P: Final = 0.05", "NUMERIC_KS_P: Final = 0.001"))
    assert str(edit) == "numeric was edited, NUMERIC_KS_P 0.05 → 0.001: it becomes a pin"
    assert edit.changes == (("NUMERIC_KS_P", 0.05, 0.001),)
    old, new = (
        "if samples.is_seasonal and not",
        'if feature in ("age", "income") and samples.is_seasonal and not',
    )
    (edit,) = read_edits(tmp_path, DRIFT, (old, new))
    assert str(edit) == 'numeric-seasonal was edited, features None → ("age", "income"): it becomes a pin'
    (edit,) = read_edits(tmp_path, DRIFT, ('p_value("ks")', 'p_value("mann_whitney")'))
    assert str(edit) == ('numeric was edited, criteria[0].statistic "ks" → "mann_whitney": it becomes a pin')


KS_P = "NUMERIC_KS_P: Final = 0.05"
REFUSED = {
    "a new constant": (KS_P, f"{KS_P}\nCUP = 4", "CUP is not used"),
    "a value of another type": (KS_P, 'NUMERIC_KS_P = "low"', 'rule numeric cannot have "low"'),
    "not a finite number": (KS_P, "NUMERIC_KS_P = 1e999", "expected a finite number"),
    "only a comment": ("# Preset: two-sample", "# Mine: two-sample", "only names, comments or spacing"),
    "half a letter": ('p_value("ks")', 'p_value("\\ud800")', "half of a surrogate pair"),
    "no Python": (KS_P, "NUMERIC_KS_P = = 1", r"line \d+, `NUMERIC_KS_P = = 1`: .* be read as Python"),
    "other code": ('p_value("ks") <', 'p_value("ks") <=', r"line \d+, .*; the compiler writes `.*\) < "),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_edit_that_is_not_an_override_is_rejected(tmp_path: Path, what: str) -> None:
    """The error names the file, the problem and the next step."""
    old, new, says = REFUSED[what]
    with pytest.raises(EditError, match=says) as raised:
        read_edits(tmp_path, DRIFT, (old, new))
    assert "detect_drift_v2.py was edited by hand" in str(raised.value)
    assert "git checkout" in str(raised.value)


def test_the_last_override_of_a_rule_counts(tmp_path: Path) -> None:
    """Overrides are appended, and a repeated override is stored once."""

    def override(action: Literal["pin", "release"], when: str) -> Override:
        values: dict[str, object] | None = {"window": 700} if action == "pin" else None
        return Override(
            policy=WINDOW, rule="fast", action=action, parameters=values, who="user/ana", when=when
        )

    first = override("pin", "1")
    append(tmp_path, [first, first])
    append(tmp_path, [override("pin", "2")])
    assert read_overrides(tmp_path) == (first,)
    append(tmp_path, [override("release", "3")])
    assert [each.action for each in read_overrides(tmp_path)] == ["pin", "release"]
    assert current_overrides(read_overrides(tmp_path))[WINDOW, "fast"].action == "release"
    amended = amend(amend(decisions_of(WINDOW), [first]), read_overrides(tmp_path))
    assert next(rule for rule in amended.rules if rule.id == "fast").status == "adopted"


def test_the_overrides_file_of_an_earlier_release_is_read(tmp_path: Path) -> None:
    """The next override rewrites it with the names of this release."""
    entry = {"policy": WINDOW, "rule": "held-fast", "word": "veto", "kind": "band", "condition": None}
    entry |= {"parameters": None, "who": "user/ana", "when": "1", "why": ""}
    path = tmp_path / "pins.json"
    path.write_text(json.dumps({"format": 1, "words": [entry]}), encoding="utf-8")
    (stored,) = read_overrides(tmp_path)
    assert (stored.action, stored.rule) == ("veto", "candidate-fast")
    released = Override(policy=WINDOW, rule="fast", action="release", who="user/ana", when="2")
    append(tmp_path, [released])
    del entry["word"]
    document = json.loads(path.read_bytes())
    assert document.keys() == {"format", "overrides"}
    assert document["format"] == 2
    assert document["overrides"][0] == entry | {"action": "veto", "rule": "candidate-fast"}
    assert document["overrides"][1]["action"] == "release"


def test_a_damaged_overrides_file_is_an_error(tmp_path: Path) -> None:
    """The error names the file and the next step."""
    (tmp_path / "pins.json").write_text("[]", encoding="utf-8")
    with pytest.raises(EditError, match=r"pins\.json is not a file of pins and vetoes.*version control"):
        read_overrides(tmp_path)


def test_an_edit_is_part_of_every_later_version(tmp_path: Path) -> None:
    """The edited file is restored, and the log records the adjusted threshold."""
    with Workspace.open(first_workspace(tmp_path / "shop")) as workspace:
        path = workspace.generated / "detect_drift_v1.py"
        published = path.read_bytes()
        path.write_bytes(published.replace(b"NUMERIC_KS_P: Final = 0.05", b"NUMERIC_KS_P: Final = 0.001"))
        plan = workspace.plan(["detect_drift"])
        assert [str(edit) for edit in plan.policies[0].edits] == [
            "numeric was edited, NUMERIC_KS_P 0.05 → 0.001: it becomes a pin"
        ]
        assert path.read_bytes() != published  # a plan writes nothing
        assert not (workspace.generated / "pins.json").exists()
        report = workspace.compile(["detect_drift"])
        assert report.versions == {"detect_drift": 2}
        assert path.read_bytes() == published
        source = (workspace.generated / "detect_drift_v2.py").read_text(encoding="utf-8")
        assert re.search(r"# Pinned by user/.*\nNUMERIC_KS_P: Final = 0.001\n", source)
        assert not workspace.check()
        workspace.flush()
        assert workspace.log.count_by_type()["threshold.adjustment"] == 1
        assert not workspace.plan(["detect_drift"]).changes
        override = read_overrides(workspace.generated)[0]
        assert (override.action, override.rule) == ("pin", "numeric")


BRANCH = b"""    if feature in {"age", "income"}:
        return samples.result(
            samples.p_value("ks") < 0.02,
            rule="people",
        )
"""


def test_a_branch_that_a_person_writes_is_part_of_every_later_version(tmp_path: Path) -> None:
    """It is a pinned rule that did not exist; released and vetoed, it is gone."""
    with Workspace.open(first_workspace(tmp_path / "shop")) as workspace:
        path = workspace.generated / "detect_drift_v1.py"
        first = b"    if samples.is_categorical:"
        path.write_bytes(path.read_bytes().replace(first, BRANCH + first))
        plan = workspace.plan(["detect_drift"])
        assert [str(edit) for edit in plan.policies[0].edits] == ["people was added: it becomes a pin"]
        assert workspace.compile(["detect_drift"]).versions == {"detect_drift": 2}
        source = (workspace.generated / "detect_drift_v2.py").read_text(encoding="utf-8")
        assert 'frozenset({"age", "income"})' in source
        assert 'rule="people"' in source
        assert "Pinned by user/" in source
        assert not workspace.check()
        assert not workspace.plan(["detect_drift"]).changes
        workspace.veto_rule("detect_drift", "people")
        assert workspace.compile(["detect_drift"]).versions == {"detect_drift": 3}
        source = (workspace.generated / "detect_drift_v3.py").read_text(encoding="utf-8")
        assert "people" not in source


def test_an_edit_that_violates_the_contract_is_rejected(tmp_path: Path) -> None:
    """Nothing is published, no override is stored, and the edited file is unchanged."""
    with Workspace.open(first_workspace(tmp_path / "shop")) as workspace:
        path = workspace.generated / "detect_drift_v1.py"
        edited = path.read_bytes().replace(b"NUMERIC_KS_P: Final = 0.05", b"NUMERIC_KS_P: Final = 1e-300")
        path.write_bytes(edited)
        with pytest.raises(ValidationError, match="shift of three standard deviations"):
            workspace.compile(["detect_drift"])
        assert path.read_bytes() == edited
        assert not (workspace.generated / "pins.json").exists()
        assert workspace.registry.versions("detect_drift") == (1,)
        kept = workspace.path / "feedback_log" / "counterexamples" / "detect_drift"
        assert list(kept.glob("*.json"))  # tried first on every later candidate


def test_rules_can_be_pinned_vetoed_and_released(tmp_path: Path) -> None:
    """A pinned value is in the next version.

    After a release, evidence decides again. Unknown names are errors.
    """
    with Workspace.open(first_workspace(tmp_path / "shop")) as workspace:
        workspace.pin_rule(WINDOW, "window", values={"window": 3000}, why="our batches are small")
        assert workspace.compile([WINDOW]).versions == {WINDOW: 2}
        source = (workspace.generated / f"{WINDOW}_v2.py").read_text(encoding="utf-8")
        assert re.search(r"# Pinned by user/.*\nWINDOW: Final = 3000\b", source)
        assert "our batches are small" in source
        assert not workspace.verify(WINDOW, 2)
        workspace.release_rule(WINDOW, "window")
        assert not workspace.overrides()
        assert workspace.compile([WINDOW]).versions == {
            WINDOW: 3
        }  # evidence decides again, and there is none
        assert "WINDOW: Final = 5000" in (workspace.generated / f"{WINDOW}_v3.py").read_text(encoding="utf-8")
        workspace.veto_rule(WINDOW, "fast")
        assert [each.action for each in workspace.overrides()] == ["veto"]
        with pytest.raises(EditError, match="has no rule 'no such'; it has bounds, window"):
            workspace.pin_rule(WINDOW, "no such")
        with pytest.raises(EditError, match="has no parameter 'size'; it has window"):
            workspace.pin_rule(WINDOW, "window", values={"size": 3})
        with pytest.raises(EditError, match="cannot have these values"):
            workspace.pin_rule(WINDOW, "window", values={"window": "many"})
        with pytest.raises(
            EditError, match="bounds of calculate_adaptive_window is neither pinned nor vetoed"
        ):
            workspace.release_rule(WINDOW, "bounds")
        assert not workspace.check()


def test_a_saved_plan_is_applied_exactly_or_not_at_all(tmp_path: Path) -> None:
    """A change of the log, the versions, the templates or the overrides makes the plan stale."""
    path = tmp_path / "plan.json"
    with Workspace.open(first_workspace(tmp_path / "shop")) as workspace:
        workspace.pin_rule(WINDOW, "window", values={"window": 3000})
        path.write_bytes(workspace.saved(workspace.plan([WINDOW])))
        workspace.pin_rule(WINDOW, "window", values={"window": 4000})
        with pytest.raises(LearnError, match="the pins and vetoes, or the plan itself were changed"):
            workspace.compile(plan_file=path)
        path.write_bytes(workspace.saved(workspace.plan([WINDOW])))
        workspace.emit("drift.noise_issue", NOISE, source="user/ana", durable=True)
        with pytest.raises(LearnError, match="it was made for log position 0, the log is at 1"):
            workspace.compile(plan_file=path)
        path.write_bytes(workspace.saved(workspace.plan([WINDOW])))
        path.write_bytes(path.read_bytes().replace(b'"window": 4000', b'"window": 9000'))
        with pytest.raises(LearnError, match="the plan itself"):
            workspace.compile(plan_file=path)
        path.write_bytes(workspace.saved(workspace.plan([WINDOW])))
        assert workspace.compile(plan_file=path).versions == {WINDOW: 2}
        with pytest.raises(LearnError, match="version 1 was active, now 2 is"):
            workspace.compile(plan_file=path)
        path.write_text("{}", encoding="utf-8")
        with pytest.raises(LearnError, match=r"plan\.json is not a saved plan.*poet plan --out"):
            workspace.compile(plan_file=path)


def test_verify_reports_another_log_and_another_module(tmp_path: Path) -> None:
    """Relearning a version from the same log and templates gives the same bytes."""
    with Workspace.open(first_workspace(tmp_path / "shop")) as workspace:
        assert not workspace.verify(WINDOW, 1)
        workspace.pin_rule(WINDOW, "window", values={"window": 3000})
        workspace.compile([WINDOW])
        module = workspace.generated / f"{WINDOW}_v2.py"
        module.write_text(module.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")
        assert "-# more" in workspace.verify(WINDOW, 2)
        manifest = workspace.generated / f"{WINDOW}_v2.json"
        text = manifest.read_text(encoding="utf-8")
        manifest.write_text(re.sub(r'"log_prefix": "[^"]*"', '"log_prefix": "feed"', text), encoding="utf-8")
        assert "is not the one that version 2 was learned from" in workspace.verify(WINDOW, 2)


def test_the_commands_of_the_review_page_run(tmp_path: Path) -> None:
    """The commands are those of `docs/review.md`: pin, plan, compile, pins, verify, veto and release."""
    folder = first_workspace(tmp_path / "shop")

    def poet(*words: str) -> str:
        code, out, errors = run(folder, *words)
        assert code == 0, errors
        return out

    poet("pin", WINDOW, "window", "window=3000", "--why", "our batches are small")
    assert f"{WINDOW} window: pin, user/" in poet("pins")
    assert "window 3000" in poet("plan", WINDOW, "--out", "plan.json")
    assert f"published {WINDOW} version 2, active now" in poet("compile", "--plan-file", "plan.json")
    code, _, errors = run(folder, "compile", "--plan-file", "plan.json")
    assert code == 2
    assert "version 1 was active, now 2 is" in errors
    assert "relearned and rendered to the same bytes" in poet("verify", WINDOW, "2")
    diff = poet("diff", WINDOW)
    assert "looser, on every input: uses fewer points" in diff
    poet("release", WINDOW, "window")
    poet("veto", "generate_alerts", "useless-latency_p50")
    assert json.loads(poet("--json", "pins"))[0]["action"] == "veto"
    assert run(folder, "pin", WINDOW, "window", "window")[0] == 2
    (folder / "generated" / f"{WINDOW}_v2.py").write_text("# gone\n", encoding="utf-8")
    assert run(folder, "verify", WINDOW, "2")[0] == 1
