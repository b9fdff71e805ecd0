"""Workspaces after a checkout, an edit or an accident: the published versions keep answering."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from poet.build.publish import ATTRIBUTES
from poet.review.changes import diff_document
from poet.workspace.workspace import Workspace
from poet_runtime.errors import EditError
from poet_runtime.registry import read_document
from tests.modules import forget_source
from tests.names import WINDOW
from tests.test_cli import run
from tests.workspaces import first_workspace

ROOT = Path(__file__).parents[1]
ASKED = ("f", 10.0, "normal")
EDIT = (b"WINDOW: Final = 5000", b"WINDOW: Final = 3000")


def git(folder: Path, *words: str) -> str:
    """Run git as a fixed user, without the settings of this machine."""
    settings = ["user.name=ana", "user.email=ana@example.org", "commit.gpgsign=false"]
    options = [each for setting in settings for each in ("-c", setting)]
    ended = subprocess.run(
        ["git", *options, *words],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout


def checked_out(source: Path, target: Path, *, autocrlf: str = "true") -> Path:
    """Commit a folder and check it out with git's setting for line endings."""
    git(source, "init", "--quiet")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message", "all")
    git(source, "clone", "--quiet", "--config", f"core.autocrlf={autocrlf}", str(source), str(target))
    for folder in ("feedback_log", "templates"):
        (target / folder).mkdir(exist_ok=True)  # git does not store empty folders
    return target


def active_versions(folder: Path) -> dict[str, int]:
    """Return the active version of every policy, read by a workspace that was newly opened."""
    with Workspace.open(folder) as workspace:
        return {name: workspace.registry.active(name) for name in workspace.registry.names()}


@pytest.fixture(name="shop")
def _shop(tmp_path: Path) -> Path:
    """Create a workspace with the attributes that `poet init` writes."""
    folder = first_workspace(tmp_path / "shop")
    (folder / "generated" / ".gitattributes").write_text(ATTRIBUTES, encoding="utf-8")
    return folder


def test_a_checkout_with_crlf_does_not_change_generated_files(shop: Path, tmp_path: Path) -> None:
    """Files outside generated/ are converted, which shows that the conversion is active."""
    there = checked_out(shop, tmp_path / "there")
    assert b"\r\n" in (there / "poet.toml").read_bytes()
    for path in (shop / "generated").iterdir():
        assert (there / "generated" / path.name).read_bytes() == path.read_bytes(), path.name
    assert active_versions(there) == active_versions(shop)
    code, out, _ = run(there, "compile", "--check")
    assert (code, out) == (0, "every generated file matches its manifest\n")


def test_attributes_of_the_repository_do_not_convert_a_workspace(shop: Path, tmp_path: Path) -> None:
    """The attributes in generated/ take precedence over a repository that requests CRLF everywhere."""
    (shop / ".gitattributes").write_text("* text eol=crlf\n", encoding="utf-8")
    there = checked_out(shop, tmp_path / "there", autocrlf="false")
    assert b"\r\n" in (there / "poet.toml").read_bytes()
    assert b"\r\n" not in (there / "generated" / f"{WINDOW}_v1.py").read_bytes()


def test_converted_line_endings_are_reported_and_restored(shop: Path, tmp_path: Path) -> None:
    """In a workspace without attributes they are not edits, and the next compile restores the files."""
    (shop / "generated" / ".gitattributes").unlink()
    there = checked_out(shop, tmp_path / "there")
    module = there / "generated" / f"{WINDOW}_v1.py"
    assert b"\r\n" in module.read_bytes()
    assert active_versions(there) == active_versions(shop)
    status = run(there, "status")[1]
    assert f"{module} differs from the published file only in its line endings" in status
    assert "edited" not in status
    code, out, _ = run(there, "compile", "--check")
    assert code == 1
    assert f"- generated/{WINDOW}_v1.py: differs from the published file only in its line endings" in out
    assert "its manifest gives" not in out
    with Workspace.open(there) as workspace:
        assert not workspace.verify(WINDOW, 1)
        assert workspace.compile([WINDOW]).versions == {}
        assert not workspace.check()
    assert module.read_bytes() == (shop / "generated" / module.name).read_bytes()


def test_this_repository_is_checked_out_byte_for_byte(tmp_path: Path) -> None:
    """The attributes at its root keep its versions, templates, log and golden modules unchanged."""
    copy = tmp_path / "copy"
    for name in ("generated", "templates", "feedback_log", "tests/policies/detect_drift/golden"):
        unwanted = shutil.ignore_patterns("__pycache__", ".lock", "log.sqlite3*", "segments")
        shutil.copytree(ROOT / name, copy / name, ignore=unwanted)
    shutil.copy(ROOT / ".gitattributes", copy)
    (copy / "README.md").write_text("a line\n", encoding="utf-8")
    there = checked_out(copy, tmp_path / "there")
    assert (there / "README.md").read_bytes() == b"a line\r\n"
    files = [path for path in copy.glob("*/**/*") if path.is_file() and ".git" not in path.parts]
    assert len(files) > 40
    for path in files:
        assert (there / path.relative_to(copy)).read_bytes() == path.read_bytes(), path


def delete(path: Path) -> None:
    """Delete a module."""
    path.unlink()


def write_nonsense(path: Path) -> None:
    """Write a module that is not valid Python."""
    path.write_bytes(b"<<<<<<< ours\n")


def edit(path: Path) -> None:
    """Change the value of a rule."""
    content = path.read_bytes()
    assert EDIT[0] in content
    path.write_bytes(content.replace(*EDIT))


@pytest.mark.parametrize("harm", [delete, write_nonsense, edit])
def test_a_damaged_module_does_not_change_the_active_version(
    shop: Path, harm: Callable[[Path], None]
) -> None:
    """A workspace opened later uses version 2 as published, neither version 1 nor the file on disk."""
    with Workspace.open(shop) as workspace:
        workspace.pin_rule(WINDOW, "window", values={"window": 4000})
        assert workspace.compile([WINDOW]).versions == {WINDOW: 2}
        diff = diff_document(workspace.generated, WINDOW, 1, 2)
    module = shop / "generated" / f"{WINDOW}_v2.py"
    module.write_bytes(module.read_bytes().replace(b"WINDOW: Final = 4000", EDIT[0]))
    harm(module)
    with Workspace.open(shop) as workspace:
        assert workspace.policy(WINDOW)(*ASKED) == 4000
        assert workspace.registry.active(WINDOW) == 2
        assert workspace.check()[0].file == module.name
        assert workspace.verify(WINDOW, 2)
        # diffs also use the published module instead of the file
        assert diff_document(workspace.generated, WINDOW, 1, 2) == diff


def test_a_compile_turns_an_edit_into_a_rule_and_restores_missing_modules(shop: Path) -> None:
    """An edit does not run before the compile, and the deleted module of another policy is restored."""
    module = shop / "generated" / f"{WINDOW}_v1.py"
    published = module.read_bytes()
    edit(module)
    lost = shop / "generated" / "detect_drift_v1.py"
    content = lost.read_bytes()
    lost.unlink()
    with Workspace.open(shop) as workspace:
        assert workspace.policy(WINDOW)(*ASKED) == 5000
        assert workspace.compile([WINDOW]).versions == {WINDOW: 2}
        assert workspace.policy(WINDOW)(*ASKED) == 3000
        assert not workspace.check()
        status = workspace.registry.status()
    assert (module.read_bytes(), lost.read_bytes()) == (published, content)
    assert [entry["changed_files"] for entry in status.values()] == [[]] * len(status)


def test_an_edit_with_other_line_endings_is_read_as_the_edit_only(shop: Path) -> None:
    """An editor on Windows may change one value and every line ending."""
    module = shop / "generated" / f"{WINDOW}_v1.py"
    edit(module)
    module.write_bytes(module.read_bytes().replace(b"\n", b"\r\n"))
    with Workspace.open(shop) as workspace:
        (found,) = workspace.plan([WINDOW]).policies[0].edits
        assert str(found) == "window was edited, WINDOW 5000 → 3000: it becomes a pin"


def test_an_edit_that_cannot_become_a_rule_is_undone_by_deleting_the_file(shop: Path) -> None:
    """The error names this next step, which needs no version control."""
    module = shop / "generated" / f"{WINDOW}_v1.py"
    published = module.read_bytes()
    module.write_bytes(published + b"print('mine')\n")
    with Workspace.open(shop) as workspace:
        with pytest.raises(EditError, match="or delete it: `poet compile` writes it again"):
            workspace.compile([WINDOW])
        assert module.read_bytes().endswith(b"print('mine')\n")
        module.unlink()
        assert workspace.compile([WINDOW]).versions == {}
    assert module.read_bytes() == published


def test_an_edit_of_an_inactive_version_is_reported(shop: Path) -> None:
    """The message explains that a compile reads only edits of the active version."""
    with Workspace.open(shop) as workspace:
        workspace.pin_rule(WINDOW, "window", values={"window": 4000})
        workspace.compile([WINDOW])
    edit(shop / "generated" / f"{WINDOW}_v1.py")
    (changed,) = json.loads(run(shop, "--json", "status")[1])["policies"][WINDOW]["changed_files"]
    assert (changed["version"], changed["state"]) == (1, "edited")
    assert changed["next"].startswith("only edits of the active version are read")
    code, out, _ = run(shop, "compile", "--check")
    assert code == 1
    assert "only edits of the active version are read" in out


def test_a_workspace_of_an_older_release_can_be_read(shop: Path) -> None:
    """Its manifests contain no source, so it compiles but needs its module files."""
    for name in read_document(shop / "generated").policies:
        forget_source(shop / "generated", name)
    assert run(shop, "compile", "--check")[0] == 0
    module = shop / "generated" / f"{WINDOW}_v1.py"
    edit(module)
    with Workspace.open(shop) as workspace:
        assert "an edited version never runs" in workspace.registry.status()[WINDOW]["refused"]
        assert workspace.compile([WINDOW]).versions == {WINDOW: 2}
        assert workspace.policy(WINDOW)(*ASKED) == 3000
        assert not workspace.check()
