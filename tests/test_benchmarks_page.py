"""Tests that docs/benchmarks.md contains only the saved results."""

import json
from pathlib import Path

from benchmarks import history
from benchmarks.page import PAGE, page
from benchmarks.peers.pictures import pictures
from benchmarks.results import RESULTS, Row, load, save


def test_the_page_follows_from_the_results() -> None:
    """`python benchmarks/page.py` writes the page, so its numbers are never edited."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_figures_follow_from_the_results() -> None:
    """`python benchmarks/page.py` writes the figures, too."""
    for name, picture in pictures(json.loads((RESULTS / "peers.json").read_text(encoding="utf-8"))).items():
        assert (PAGE.parent / "images" / name).read_text(encoding="utf-8") == picture


def test_no_benchmark_deletes_results_of_another(tmp_path: Path) -> None:
    """Each benchmark has its own file; the page lists benchmarks without results."""
    save(
        "call",
        {"rows": [Row("a call", 3.0, "x", at_least=2.0), Row("an import", 9.0, "ms", at_most=8.0)]},
        folder=tmp_path,
    )
    before = (tmp_path / "call.json").read_bytes()
    save("log", {"rows": []}, folder=tmp_path)
    assert (tmp_path / "call.json").read_bytes() == before
    assert load("serve", folder=tmp_path) is None
    text = page(tmp_path)
    assert "1 of 2 targets met." in text
    assert "| an import | 9.00 ms | <= 8 | no |  |" in text
    assert "Not measured yet: `make peers`." in text


def test_a_saved_measurement_stays_in_the_history(tmp_path: Path) -> None:
    """The newest results replace the earlier ones, and the history has both with commit and machine."""
    for found in (4.0, 3.0):
        save(
            "call",
            {"rows": [Row("a call", found, "ms"), Row("events a second", 100 * found, "")]},
            folder=tmp_path,
        )
    first, second = lines = history.read(tmp_path / "history.jsonl")
    assert [line["figures"]["a call (ms)"] for line in lines] == [4.0, 3.0]
    assert first["machine"]["processors"] == second["machine"]["processors"]
    assert first["commit"] == second["commit"] != ""
    table = history.trend(lines, "call")
    assert "| a call (ms) | 2 | 4 | 4 | 3 | -25.0 % |" in table
    assert "| events a second | 2 | 400 | 400 | 300 | -25.0 % |" in table
    assert "no measurement" in history.trend(lines, "log")


def test_the_history_has_the_results_of_the_page() -> None:
    """The values are equal; their names may have changed since."""
    lines = history.read()
    for path in RESULTS.glob("*.json"):
        figures = history.figures_of(json.loads(path.read_text(encoding="utf-8")))
        kept = [sorted(line["figures"].values()) for line in lines if line["benchmark"] == path.stem]
        assert figures
        assert sorted(round(value, 6) for value in figures.values()) in kept, path.stem
