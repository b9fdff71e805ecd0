"""Counterexamples are stored, and replayed first on later candidates."""

import re
import shutil
from pathlib import Path

import msgspec
import pytest

from poet.build.counterexamples import Counterexample, load, save
from poet.build.gates import ValidationReport
from poet.build.render import render
from poet.build.validate import validate_file
from poet.spec import policy

pytestmark = pytest.mark.usefixtures("_forked")

WINDOW = "calculate_adaptive_window"
SOURCE = render(policy(WINDOW).version_1("")).source
BROKEN = SOURCE.replace("    return ", "    if data_velocity > 73512.0:\n        return -1\n    return ")


def report_on(tmp_path: Path, source: str, *, effort: int = 50) -> ValidationReport:
    """Validate a source with the counterexamples in one folder."""
    path = tmp_path / "candidate.py"
    path.write_text(source, encoding="utf-8")
    return validate_file(
        WINDOW, path, staging=tmp_path / "staging", effort=effort, counterexamples=tmp_path / "kept"
    )


def test_a_counterexample_is_replayed_before_the_contract(tmp_path: Path) -> None:
    """With one example per property, the contract alone would not find it."""
    first = report_on(tmp_path, BROKEN)
    assert first.gates[-1].name == "returns a positive integer"
    again = report_on(tmp_path, BROKEN, effort=1)
    assert [gate.name for gate in again.gates] == ["import", "signature", "stored counterexamples"]
    assert "velocity=73512.0" in again.gates[-1].counterexample


def test_a_counterexample_under_a_former_property_name_is_replayed(tmp_path: Path) -> None:
    """Renaming a property loses no stored counterexample."""
    report_on(tmp_path, BROKEN)
    (found,) = load(tmp_path / "kept", WINDOW)
    former = msgspec.structs.replace(found, gate="gives_a_positive_whole_number")
    shutil.rmtree(tmp_path / "kept")
    save(tmp_path / "kept", (former,))
    last = report_on(tmp_path, BROKEN, effort=1).gates[-1]
    assert last.name == "stored counterexamples"
    assert last.counterexample.startswith("returns a positive integer: ")


def test_a_correct_candidate_passes_stored_counterexamples(tmp_path: Path) -> None:
    """The report has the number of replayed inputs."""
    report_on(tmp_path, BROKEN)
    report = report_on(tmp_path, SOURCE, effort=5)
    assert report.passed
    assert [gate.examples for gate in report.gates if gate.name == "stored counterexamples"] == [1]


def test_a_counterexample_is_stored_once(tmp_path: Path) -> None:
    """The same counterexample has the same file, and without a failure there is none."""
    report_on(tmp_path, SOURCE, effort=5)
    assert not (tmp_path / "kept").exists()
    report_on(tmp_path, BROKEN)
    kept = sorted((tmp_path / "kept").rglob("*"))
    report_on(tmp_path, BROKEN)
    assert sorted((tmp_path / "kept").rglob("*")) == kept


def test_a_reported_counterexample_has_no_blob(tmp_path: Path) -> None:
    """Manifests are read by people."""
    message = report_on(tmp_path, BROKEN).gates[-1].counterexample
    assert "reproduce_failure" not in message
    assert "velocity=" in message


@pytest.mark.parametrize("content", [b"", b'{"policy": "calculate_adap', b"{}", b"[1]", b"\xff\xfe"])
def test_a_damaged_counterexample_is_set_aside_and_the_compile_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    """The warning has the file, the error and the new name. The next compile ignores the file."""
    report_on(tmp_path, BROKEN)
    folder = tmp_path / "kept" / WINDOW
    (folder / "x.json").write_bytes(content)
    assert report_on(tmp_path, BROKEN, effort=1).gates[-1].name == "stored counterexamples"
    (message,) = [record.getMessage() for record in caplog.records if record.name == "poet.build"]
    assert re.search(r"x\.json is not a counterexample \(.+\); .*it is now .*x\.json\.damaged", message)
    assert (folder / "x.json.damaged").read_bytes() == content
    caplog.clear()
    assert [
        gate.examples for gate in report_on(tmp_path, SOURCE, effort=1).gates if "stored" in gate.name
    ] == [1]
    assert caplog.records == []


def test_a_kill_while_a_counterexample_is_stored_leaves_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file gets its name only after it was written completely."""
    found = Counterexample(policy=WINDOW, gate="g", message="t", hypothesis="6", blob="b" * 1000)

    def killed(_handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, (found,))
    monkeypatch.undo()
    assert load(tmp_path, WINDOW) == ()
    save(tmp_path, (found,))
    assert load(tmp_path, WINDOW) == (found,)
