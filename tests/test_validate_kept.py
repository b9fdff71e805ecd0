"""Counterexamples are kept and tried first on later candidates."""

from pathlib import Path

import pytest

from poet.errors import ValidationError
from poet.policies import policy
from poet.render import render
from poet.validate import ValidationReport, validate_file

pytestmark = pytest.mark.usefixtures("_forked")

WINDOW = "calculate_adaptive_window"
SOURCE = render(policy(WINDOW).version_1("")).source
BROKEN = SOURCE.replace("    # bounds", "    if data_velocity > 73512.0:\n        return -1\n    # bounds")


def report_on(tmp_path: Path, source: str, *, effort: int = 50) -> ValidationReport:
    """Validate a source with the counterexamples in one folder."""
    path = tmp_path / "candidate.py"
    path.write_text(source, encoding="utf-8")
    return validate_file(
        WINDOW, path, staging=tmp_path / "staging", effort=effort, counterexamples=tmp_path / "kept"
    )


def test_a_counterexample_is_tried_before_the_contract(tmp_path: Path) -> None:
    """An effort of 1 alone would not find it."""
    first = report_on(tmp_path, BROKEN)
    assert first.gates[-1].name == "gives a positive whole number"
    again = report_on(tmp_path, BROKEN, effort=1)
    assert [gate.name for gate in again.gates] == ["import", "signature", "kept counterexamples"]
    assert "velocity=73512.0" in again.gates[-1].counterexample


def test_a_candidate_that_is_right_passes_the_kept_counterexamples(tmp_path: Path) -> None:
    """And the report says how many were tried."""
    report_on(tmp_path, BROKEN)
    report = report_on(tmp_path, SOURCE, effort=5)
    assert report.passed
    assert [gate.examples for gate in report.gates if gate.name == "kept counterexamples"] == [1]


def test_one_counterexample_is_kept_once(tmp_path: Path) -> None:
    """The same file, however often it is found; none when nothing fails."""
    report_on(tmp_path, SOURCE, effort=5)
    assert not (tmp_path / "kept").exists()
    report_on(tmp_path, BROKEN)
    kept = sorted((tmp_path / "kept").rglob("*"))
    report_on(tmp_path, BROKEN)
    assert sorted((tmp_path / "kept").rglob("*")) == kept


def test_the_shown_counterexample_holds_no_blob(tmp_path: Path) -> None:
    """A manifest is read by people."""
    told = report_on(tmp_path, BROKEN).gates[-1].counterexample
    assert "reproduce_failure" not in told
    assert "velocity=" in told


def test_an_unreadable_counterexample_is_an_error(tmp_path: Path) -> None:
    """It names the file and what to do."""
    folder = tmp_path / "kept" / WINDOW
    folder.mkdir(parents=True)
    (folder / "x.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValidationError, match=r"x\.json is not a counterexample .*; delete it"):
        report_on(tmp_path, SOURCE)
