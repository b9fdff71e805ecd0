"""Tests of the files that describe the project: what they name exists, and generated pages are current."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import poet
from docs import reference

ROOT = Path(__file__).parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
PATH = re.compile(r"`((?:compiler|tests|docs|benchmarks|templates|generated|feedback_log)/[\w./-]+)`")
RELEASE = re.compile(r"^## (.+)$", re.MULTILINE)


def targets() -> set[str]:
    """Return the targets of the Makefile."""
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def navigation(part: Any) -> set[str]:
    """Return the pages that a part of the site's navigation links to."""
    if isinstance(part, str):
        return {part}
    entries = part.values() if isinstance(part, dict) else part
    return {page for each in entries for page in navigation(each)}


def test_commands_in_contributing_exist() -> None:
    """The test covers every `make` target and every module that is run with `python -m`."""
    text = CONTRIBUTING + (ROOT / "docs" / "reference" / "index.md").read_text(encoding="utf-8")
    made = set(re.findall(r"(?<!\w)make ([a-z]+)", text))
    assert {"test", "check", "coverage", "reference", "wheel"} <= made
    assert made <= targets()
    modules = re.findall(r"python -m (tests\.\w+)", text)
    assert modules
    for module in modules:
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module


@pytest.mark.parametrize(
    "page", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "docs/versioning.md"]
)
def test_paths_on_a_page_exist(page: str) -> None:
    """Paths are files or folders, and `<policy>` stands for any policy."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("<policy>", "detect_drift")
    for path in PATH.findall(text):
        assert (ROOT / path).exists(), path


def test_every_page_is_in_the_navigation() -> None:
    """Readers would not find a page without a link."""
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert navigation(nav) == pages | {"changelog.md"}


@pytest.mark.parametrize("record", DECISIONS, ids=lambda record: record.stem)
def test_a_decision_record_has_its_sections_and_names_modules(record: Path) -> None:
    """The number in the title is that of the file; context, decision and consequences follow."""
    text = record.read_text(encoding="utf-8")
    assert re.match(rf"# {int(record.name[:4])}\. ", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    modules = PATH.findall(text)
    assert modules
    for path in modules:
        assert (ROOT / path).exists(), path


def test_the_index_lists_every_decision() -> None:
    """Decisions are listed by number with their titles."""
    index = (record := DECISIONS[0].parent / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", index, re.MULTILINE)
    assert [(number, file) for number, _, file in listed] == [
        (str(place), each.name) for place, each in enumerate(DECISIONS, start=1)
    ]
    for number, title, file in listed:
        assert (record.parent / file).read_text(encoding="utf-8").startswith(f"# {number}. {title}\n")


def test_the_changelog_has_the_format_of_keep_a_changelog() -> None:
    """Unreleased changes are first, then releases with dates; sections have the names of that format."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *releases = RELEASE.findall(text)
    assert first == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", each) for each in releases)
    parts = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for section in RELEASE.split(text)[2::2]:
        found = re.findall(r"^### (.+)$", section, re.MULTILINE)
        assert found
        assert set(found) <= parts
        assert len(found) == len(set(found))


def test_the_reference_is_current() -> None:
    """`make reference` writes the pages from the code."""
    folder = ROOT / "docs" / "reference"
    written = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    stale = [name for name, text in reference.pages().items() if written.pop(name, "") != text]
    assert not stale, f"docs/reference/ does not match the code: {stale}; run `make reference`"
    assert not written, f"pages without a source: {sorted(written)}; run `make reference`"


def test_the_reference_does_not_depend_on_the_process() -> None:
    """The bytes are equal for another width of the terminal, and contain no address of an object."""
    script = "from docs import reference; print(''.join(reference.pages().values()), end='')"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"COLUMNS": "60", "PYTHONHASHSEED": "1", "PYTHONUTF8": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "".join(reference.pages().values())
    assert " at 0x" not in ended.stdout


def test_every_public_name_has_a_typed_use() -> None:
    """Type checkers check the folder; a name that is not used there could lose its type unnoticed."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "typing").glob("*.py"))
    assert [name for name in poet.__all__ if not re.search(rf"\b{name}\b", text.partition("def ")[2])] == []


def test_commit_hooks_are_local() -> None:
    """Hooks run commands of the checkout and fetch nothing."""
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        program, *words = hook["entry"].split()
        assert program.startswith(".venv/bin/")
        if words[:1] == ["-m"]:
            assert (ROOT / f"{words[1].replace('.', '/')}.py").is_file()


def test_commit_hooks_run_the_checks_of_make_check() -> None:
    """All but pyright, which is too slow for a commit, and the check of generated modules by every rule."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0][
        "hooks"
    ]
    entries = {hook["entry"].removeprefix(".venv/bin/") for hook in hooks}
    check = re.search(
        r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert check
    checked = {line.removeprefix("\t$(BIN)/") for line in check[1].splitlines()}
    assert {each for each in checked if not each.startswith(("pyright", "ruff check $("))} <= entries
