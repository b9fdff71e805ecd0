"""The documentation: it builds, opens offline, names everything public, and what it shows is run."""

import importlib
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from docs import reference
from poet.cli.app import app
from poet.events import PAYLOADS
from poet.spec import policies
from tests.workspaces import first_workspace

ROOT = Path(__file__).parents[1]
ABOUT = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES = sorted([*ABOUT, *(ROOT / "docs").rglob("*.md")])
RUN = {  # what runs the blocks of a page
    "CONTRIBUTING.md": "tests/test_project.py",
    "README.md": "tests/test_site.py",
    "docs/adapters.md": "tests/test_adapters_page.py",
    "docs/architecture.md": "tests/test_site.py",
    "docs/bundles.md": "tests/test_bundles_page.py",
    "docs/dana.md": "tests/run_dana.py",  # `make dana`: needs the network
    "docs/engines.md": "tests/test_spark.py",
    "docs/monitor.md": "tests/test_monitor_page.py",
    "docs/own-policy.md": "tests/test_own_policy.py",
    "docs/review.md": "tests/test_edits.py",
    "docs/serve.md": "tests/test_serve_page.py",
    "docs/stores.md": "tests/test_stores_page.py",
    "docs/tutorial.md": "tests/test_tutorial.py",
    "docs/validation.md": "tests/test_site.py",
}
FETCHES = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make site` does, strictly: a link that leads nowhere is an error."""
    folder = tmp_path_factory.mktemp("site")
    reference.write_site(folder / "build" / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    done = subprocess.run(
        [Path(sys.executable).with_name("zensical"), "build", "--strict", "--clean"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build" / "site"


class _Fetched(HTMLParser):
    """Gathers what a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the address of a script, a style, an image."""
        said = dict(attrs)
        if tag in FETCHES and said.get("rel") != "canonical":
            self.found.append(said.get(FETCHES[tag]) or "")


def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    """Every page opens from a folder, without a network."""
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(PAGES) - len(ABOUT)
    for page in pages:
        parser = _Fetched()
        parser.feed(page.read_text(encoding="utf-8"))
        assert [address for address in parser.found if re.match(r"(https?:)?//", address)] == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_every_public_name_is_in_the_reference() -> None:
    """Commands, events, policies, and each public name of the modules that people import."""
    pages = reference.pages()
    for command in app.commands:
        assert f"\n## poet {command}\n" in pages["cli"]
    for name in PAYLOADS:
        assert f"\n## {name}\n" in pages["events"]
    for spec in policies():
        assert f"\n## {spec.name}\n" in pages["policies"]
    for module in reference.API:
        for name in reference.public_names(importlib.import_module(module)):
            assert f"\n### {module}.{name}\n" in pages["api"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_existing_targets(page: Path) -> None:
    """Each link leads to a file of this repository and to a heading in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", each.lower()).strip().replace(" ", "-") for each in headings}
            assert anchor in slugs, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_something_runs_every_block(page: Path) -> None:
    """A page that shows commands or code is named by what runs it, which names the page."""
    name = str(page.relative_to(ROOT))
    if page.parent.name in ("reference", "examples"):
        return  # generated from the code, of which the tests run every part
    if re.search(r"^```(console|python|dana|toml|jinja)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        assert (ROOT / RUN[name]).is_file()
    else:
        assert name not in RUN


@pytest.mark.parametrize(
    ("page", "source"),
    [
        ("architecture.md", "golden/scenario/calculate_adaptive_window_v2.py"),
        ("validation.md", "bad_modules.py"),
    ],
)
def test_code_that_a_page_quotes_is_in_its_file(page: str, source: str) -> None:
    """The last block of the page has lines of the file in their order. Comments may be omitted."""
    *_, quoted = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs" / page).read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    file = ROOT / "tests" / "policies" / "calculate_adaptive_window" / source
    there = [line.strip().rstrip(",") for line in file.read_text(encoding="utf-8").splitlines()]
    at = 0
    for line in filter(None, map(str.strip, quoted.splitlines())):
        at = there.index(line.rstrip(","), at) + 1


def test_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its program runs in a workspace, and its commands run on the executions that it recorded."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    start, then, _ = re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert start.startswith("$ poet init --start ks ")
    monkeypatch.chdir(first_workspace(tmp_path / "shop"))
    chance = np.random.default_rng(0)
    known = {"current": chance.normal(1.0, 1.0, 500), "reference": chance.normal(0.0, 1.0, 2000)}
    exec(program, known)  # noqa: S102 -- the page's own
    result: Any = known["result"]
    assert result.drifted
    for command in (line.removeprefix("$ ").partition("  #")[0] for line in then.splitlines()):
        words = shlex.split(command.replace("…", result.execution_id))
        done = CliRunner().invoke(app, words[1:])
        if words[1] == "rollback":  # nothing is learned of one verdict: there is no version before
            assert "has only ever run version 1" in str(done.exception)
        else:
            assert done.exit_code == 0, (command, done.output)
