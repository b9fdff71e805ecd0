"""Tests that docs/benchmarks.md contains only the saved results."""

import json
from pathlib import Path

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
