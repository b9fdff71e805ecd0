"""Tests of the report: it works offline, is reproducible and is accessible."""

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from poet import Workspace
from poet.cli.app import app
from poet.log import import_files
from poet.review.changes import diff_document
from poet.review.document import Entry, PlanDocument
from poet.review.html import report_page, review_page
from poet.review.plots import Range, Series, curves, ranges
from poet.review.report import report_document
from poet.spec.decisions import Interval, Rule
from poet.workspace.configuration import initial_text
from tests.browsed import CHROMIUM, LOG, axe_violations, chromium
from tests.builders import planned
from tests.workspaces import GENERATED

COUNT = 3  # log positions at which the learners run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with this repository's versions and the feedback they were learned from."""
    place = tmp_path_factory.mktemp("report") / "shop"
    shutil.copytree(GENERATED, place / "generated", ignore=shutil.ignore_patterns("__pycache__"))
    (place / "poet.toml").write_text(initial_text(start="ks"), encoding="utf-8")
    with Workspace.open(place) as workspace:
        import_files([LOG], workspace.log, dead_letters=place / "dead.jsonl")
    return place


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    """Return the report of the workspace, and check that its progress is reported."""
    progress: list[tuple[int, int]] = []
    with Workspace.open(folder) as workspace:
        found = report_document(
            workspace, count=COUNT, tell=lambda _what, done, of: progress.append((done, of))
        )
    assert progress == sorted(progress)
    assert progress[-1][0] == progress[-1][1]
    return report_page(found)


def test_a_report_is_self_contained(page: str) -> None:
    """It has no script and no address, and its content security policy forbids both."""
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)=[\"'](?!#)", page)
    assert "url(" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'; style-src 'sha256-" in page


def test_a_report_shows_versions_rules_and_evidence(page: str) -> None:
    """It plots the evidence as the log grew, and shows what a compile would change."""
    assert '<h2 id="detect_drift">detect_drift <span class="quiet">v2</span></h2>' in page
    assert "Evidence of detect_drift as the log grew" in page
    assert "Learning curve: false alarms among judged alerts" in page
    assert "Replay: precision before and after" in page
    assert "What a compile would change" in page
    assert "+Version 2, revises version 1." in page
    assert page.count("<svg") == page.count('role="img"') == page.count("Numbers of this plot") >= 6


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_a_report_is_accessible(page: str, tmp_path: Path) -> None:
    """Axe finds nothing in light or dark mode, the page fits a phone and loads nothing."""
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    with chromium(viewport={"width": 1180, "height": 760}, offline=True) as browser:
        requested: list[str] = []
        browser.on("request", lambda request: requested.append(request.url))
        for scheme in ("light", "dark"):
            browser.emulate_media(color_scheme=scheme)
            browser.goto(file.as_uri())
            assert axe_violations(browser) == []
        browser.set_viewport_size({"width": 360, "height": 740})
        assert browser.evaluate("document.documentElement.scrollWidth") <= 360
        assert set(requested) == {file.as_uri()}
        assert [message for message in browser.complaints if "axe" not in message] == []


def test_the_same_log_gives_the_same_report(folder: Path, page: str, tmp_path: Path) -> None:
    """The command writes the bytes that the function returned; neither time nor chance matters."""
    out = tmp_path / "report.html"
    arguments = ["--workspace", str(folder), "report", "--points", str(COUNT), "--out", str(out)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "events, 7 versions" in done.output
    assert out.read_text(encoding="utf-8") == page


def test_a_difference_is_shown_as_a_page(folder: Path) -> None:
    """Hostile text is escaped."""
    text = review_page(diff_document(folder / "generated", "detect_drift", 1, 2))
    assert "detect_drift: version 1 → 2, 1 changed rule" in text
    rule = Rule(id="rule", kind="decide", status="candidate", reason="<script>alert(1)</script>\x1b")
    entries = (Entry(rule=rule, words="<b>", was="&amp;"),)
    section = planned("detect_drift", changes=entries, source=("+<i>",))
    text = review_page(PlanDocument(verdict="<u>", policies=(section,), skipped={"x": "<s>"}))
    assert not re.findall(r"<(?:script|u|i|s)>", text)
    assert "<b>&lt;b&gt;</b>" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b" in text


def test_axes_have_round_numbers_and_include_every_point() -> None:
    """Scales are linear or logarithmic, with one or many points and huge e-values."""
    plot = curves(
        "t",
        [Series("e", [(10.0, 0.65), (500.0, 1e34), (900.0, float("1e300"))])],
        x_label="events",
        y_label="e",
        is_log_y=True,
    )
    assert plot is not None
    assert [name for _, name in plot.x_ticks] == ["0", "200", "400", "600", "800", "1 000"]
    assert all(0.0 <= x <= plot.width and 0.0 <= y <= plot.height for x, y in plot.curves[0].dots)
    assert plot.columns == ("events", "e")
    alone = curves("t", [Series("one", [(3.0, 7.0)])], x_label="x", y_label="y")
    assert alone is not None
    assert curves("t", [], x_label="x", y_label="y") is None
    one = Interval(what="w", estimate=-0.5, low=-1.0, high=2.0, n=4)
    found = ranges("t", [Range("r", one)], x_label="w")
    assert found is not None
    assert found.zero is not None
    assert found.rows == (("r", "now", "-0.5", "-1", "2", "4"),)
    assert ranges("t", [], x_label="w") is None
