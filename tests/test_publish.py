"""Published versions: immutable, complete, and visible all at once."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from poet.build.manifest import read_manifest
from poet.build.publish import check_generated, publish
from poet.build.render import RenderedModule, render
from poet.spec import policy
from poet.spec.decisions import Decisions
from poet.workspace.edits import restore_modules
from poet_runtime.errors import PublishError
from poet_runtime.registry import (
    STANDING,
    PolicyEntry,
    Registry,
    RegistryDocument,
    VersionEntry,
    activate,
    package_types,
    read_document,
    read_journal,
    rollback,
)
from tests.modules import WINDOW, forget_source, published, retell, validated, validated_first
from tests.names import DRIFT

ROOT = Path(__file__).parents[1]
SAID: dict[str, Any] = {"who": "user/ana", "why": "a test", "at": "2026-01-01T00:00:00+00:00"}


def test_a_version_is_a_module_a_manifest_and_an_entry(tmp_path: Path) -> None:
    """They refer to each other by digest."""
    (version,) = published(tmp_path, 1)
    manifest = read_manifest(tmp_path, "calculate_adaptive_window", 1)
    entry = read_document(tmp_path).policies["calculate_adaptive_window"]
    assert manifest.source_sha256 == version.sha256 == entry.versions["1"].sha256
    assert manifest.source == version.path.read_text(encoding="utf-8")
    assert (entry.active, entry.previous) == (1, None)


def test_the_manifest_alone_gives_the_same_bytes_again(tmp_path: Path) -> None:
    """`compile --check` verifies this for every version."""
    published(tmp_path, 1, 2)
    assert check_generated(tmp_path, render) == []


def test_a_changed_module_is_found_with_its_line(tmp_path: Path) -> None:
    """The digest does not match, and the first line that differs is reported."""
    (version,) = published(tmp_path, 1)
    version.path.write_text(version.path.read_text().replace("5000", "6000"))
    says = [difference.says for difference in check_generated(tmp_path, render)]
    assert says[0].startswith("was edited after it was published; the published source runs; `poet compile`")
    assert "6000" in says[1]


def test_a_changed_module_of_a_manifest_without_source_is_found(tmp_path: Path) -> None:
    """An older release stored no source, so nothing replaces it: the file must be restored."""
    (version,) = published(tmp_path, 1)
    forget_source(tmp_path, WINDOW)
    assert check_generated(tmp_path, render) == []
    version.path.write_text(version.path.read_text().replace("5000", "6000"))
    says = [difference.says for difference in check_generated(tmp_path, render)]
    assert says[0] == "was changed after it was published"
    version.path.unlink()
    (found,) = check_generated(tmp_path, render)
    assert found.says == "is missing; restore it from version control"


def test_a_manifest_with_the_source_of_another_module_is_found(tmp_path: Path) -> None:
    """It is found even if the registry has its digest."""
    published(tmp_path, 1)
    retell(tmp_path, WINDOW, source="VERSION = 1\n")
    (found,) = check_generated(tmp_path, render)
    assert found.says == "is the manifest of another module than calculate_adaptive_window_v1.py"


def test_a_changed_manifest_and_an_unknown_file_are_found(tmp_path: Path) -> None:
    """Every file in the folder is accounted for."""
    published(tmp_path, 1)
    manifest = tmp_path / "calculate_adaptive_window_v1.json"
    manifest.write_text(manifest.read_text().replace("untuned limits", "tuned limits"))
    (tmp_path / "notes.txt").write_text("mine")
    found = {difference.file for difference in check_generated(tmp_path, render)}
    assert found == {"calculate_adaptive_window_v1.json", "calculate_adaptive_window_v1.py", "notes.txt"}


def test_a_published_version_never_changes(tmp_path: Path) -> None:
    """Another module with the number of a published version is refused."""
    published(tmp_path, 1)
    with pytest.raises(PublishError, match="a version never changes"):
        publish([validated(1, window=777)], tmp_path, **SAID)


def test_publishing_the_same_again_changes_no_version(tmp_path: Path) -> None:
    """The same bytes are not an error."""
    before = published(tmp_path, 1)
    assert published(tmp_path, 1) == before


def test_activate_and_rollback_are_recorded_in_the_journal(tmp_path: Path) -> None:
    """Who, when, why, from, to. Two rollbacks cancel each other."""
    published(tmp_path, 1, 2)
    assert read_document(tmp_path).active("calculate_adaptive_window") == 2
    assert rollback(tmp_path, "calculate_adaptive_window", **SAID) == 1
    assert rollback(tmp_path, "calculate_adaptive_window", **SAID) == 2
    activate(tmp_path, "calculate_adaptive_window", 1, **SAID)
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [(line["from"], line["to"]) for line in lines] == [(None, 1), (1, 2), (2, 1), (1, 2), (2, 1)]
    assert lines[0]["who"] == "user/ana"


def test_unknown_versions_and_policies_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    """The error lists the existing ones."""
    published(tmp_path, 1)
    with pytest.raises(PublishError, match="published are 1"):
        activate(tmp_path, "calculate_adaptive_window", 7, **SAID)
    with pytest.raises(PublishError, match="published are calculate_adaptive_window"):
        rollback(tmp_path, "no_such_policy", **SAID)
    with pytest.raises(PublishError, match="has only ever run version 1"):
        rollback(tmp_path, "calculate_adaptive_window", **SAID)


def test_a_held_lock_is_named(tmp_path: Path) -> None:
    """A second compiler waits up to its limit, then names the holder of the lock."""
    from poet_runtime.files import lock

    with lock(tmp_path, timeout_s=0.0), pytest.raises(PublishError, match="locked by process"):
        publish([validated(1)], tmp_path, **SAID, patience_s=0.1)


def test_manifests_have_no_time_and_no_path(tmp_path: Path) -> None:
    """The same decisions give the same bytes on every machine at any time."""
    published(tmp_path / "a", 1)
    published(tmp_path / "b", 1)
    one, other = ((tmp_path / name / "calculate_adaptive_window_v1.json").read_bytes() for name in "ab")
    assert one == other
    assert msgspec.json.decode(one)["validation"]["policy"] == "calculate_adaptive_window"


def test_edits_are_never_overwritten(tmp_path: Path) -> None:
    """Neither an edited module nor a foreign file with the name of the next version is overwritten."""
    (version,) = published(tmp_path, 1)
    version.path.write_text("# edited")
    with pytest.raises(PublishError, match="edits are never overwritten"):
        published(tmp_path, 1)
    mine = tmp_path / "calculate_adaptive_window_v2.py"
    mine.write_text("# mine")
    with pytest.raises(PublishError, match="exists and differs"):
        published(tmp_path, 2)
    assert (version.path.read_text(), mine.read_text()) == ("# edited", "# mine")


def test_a_refused_module_stops_those_published_with_it(tmp_path: Path) -> None:
    """All or none are published, and no file is left."""
    published(tmp_path, 1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(PublishError, match="a version never changes"):
        publish([validated_first("generate_alerts"), validated(1, window=777)], tmp_path, **SAID)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_only_a_version_that_was_never_published_is_replaced(tmp_path: Path) -> None:
    """A manifest with the digest of its module proves that a compiler wrote both."""
    published(tmp_path / "other", 1, 2)
    published(tmp_path / "w", 1)
    for suffix in (".py", ".json"):
        name = f"calculate_adaptive_window_v2{suffix}"
        (tmp_path / "w" / name).write_bytes((tmp_path / "other" / name).read_bytes())
    (tmp_path / "w" / "notes_v7.json").write_text("{}")
    (tmp_path / "w" / ".tmp-registry.json").write_text("half")
    publish([validated_first("generate_alerts")], tmp_path / "w", **SAID)
    assert [each.file for each in check_generated(tmp_path / "w", render)] == ["notes_v7.json"]


def test_a_version_can_be_published_without_becoming_active(tmp_path: Path) -> None:
    """The latest version need not be active, but the journal records it."""
    published(tmp_path, 1)
    publish([validated(2)], tmp_path, **SAID, activate=False)
    entry = read_document(tmp_path).policies[WINDOW]
    assert (entry.active, entry.previous, sorted(entry.versions)) == (1, None, ["1", "2"])
    assert [(move.from_, move.to) for move in read_journal(tmp_path)] == [(None, 1), (1, 1)]
    activate(tmp_path, WINDOW, 2, **SAID)
    assert [move.generation for move in read_journal(tmp_path)] == [1, 2, 3]


def test_a_version_can_be_published_on_trial(tmp_path: Path) -> None:
    """It is one change. The first version of a policy becomes active in any case."""
    publish([validated(1)], tmp_path, **SAID, trial="canary", share=0.2)
    publish([validated(2)], tmp_path, **SAID, trial="canary", share=0.2)
    entry = read_document(tmp_path).policies[WINDOW]
    assert (entry.active, entry.previous) == (1, None)
    assert entry.canary is not None
    assert (entry.canary.version, entry.canary.share, entry.canary.since) == (2, 0.2, SAID["at"])
    assert [(move.mode, move.to) for move in read_journal(tmp_path)] == [
        ("active", 1),
        ("active", 1),
        ("canary", 2),
    ]
    with pytest.raises(PublishError, match="the share of a canary must lie strictly between 0 and 1"):
        publish([validated(3)], tmp_path, **SAID, trial="canary", share=1.0)


def test_publishing_the_same_again_writes_no_registry(tmp_path: Path) -> None:
    """Nothing changed, so the journal has no entry."""
    published(tmp_path, 1)
    before = read_document(tmp_path)
    published(tmp_path, 1)
    assert (read_document(tmp_path), len(read_journal(tmp_path))) == (before, 1)


def test_an_edited_version_is_activated_as_it_was_published(tmp_path: Path) -> None:
    """The published source runs, so a rollback does not need the file."""
    (first,) = published(tmp_path, 1)
    published(tmp_path, 2)
    first.path.write_text("# edited")
    assert rollback(tmp_path, WINDOW, **SAID) == 1
    assert Registry(tmp_path).policy(WINDOW)("f", 10.0, "normal") == 5000


def test_a_version_that_cannot_run_is_not_activated(tmp_path: Path) -> None:
    """The caller gets an error, and the active version stays."""
    (first,) = published(tmp_path, 1)
    published(tmp_path, 2)
    forget_source(tmp_path, WINDOW)
    first.path.write_text("# edited")
    with pytest.raises(PublishError, match=r"_v1\.py is not the module that was published.*then try again"):
        rollback(tmp_path, WINDOW, **SAID)
    first.path.with_suffix(".json").write_text("{}")
    with pytest.raises(PublishError, match=r"_v1\.json is not the manifest that was published"):
        rollback(tmp_path, WINDOW, **SAID)
    assert read_document(tmp_path).active(WINDOW) == 2


def test_a_missing_registry_is_not_recreated(tmp_path: Path) -> None:
    """Otherwise numbers would start from 1 again and versions would change."""
    published(tmp_path, 1, 2)
    (tmp_path / "registry.json").unlink()
    with pytest.raises(PublishError, match="restore it from version control"):
        published(tmp_path, 1)
    assert (tmp_path / "calculate_adaptive_window_v1.py").exists()


def test_concurrent_compilers_wait_for_each_other(tmp_path: Path) -> None:
    """Each change is based on the result of the previous one."""
    published(tmp_path, 1, 2)
    said = [{"who": f"user/{n}", "why": "a test", "at": "2026-01-01T00:00:00+00:00"} for n in range(8)]
    threads = [threading.Thread(target=rollback, args=(tmp_path, WINDOW), kwargs=each) for each in said]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moves = read_journal(tmp_path)
    assert [move.to for move in moves] == [1, 2] * 5
    assert {move.who for move in moves[2:]} == {each["who"] for each in said}


def test_a_changed_template_is_named_where_bytes_differ(tmp_path: Path) -> None:
    """A changed template that renders the same bytes is not reported."""
    published(tmp_path, 1)

    def moved_on(decisions: Decisions) -> RenderedModule:
        return replace(render(decisions), template_sha256="0" * 64)

    def reworded(decisions: Decisions) -> RenderedModule:
        rendered = moved_on(decisions)
        return replace(
            rendered, source=rendered.source.replace("VERSION: Final = 1", "VERSION: Final = 1  # new")
        )

    assert check_generated(tmp_path, moved_on) == []
    (found,) = check_generated(tmp_path, reworded)
    assert "gives 'VERSION: Final = 1  # new'; the template has changed since" in found.says


def test_missing_files_and_a_changed_package_are_found(tmp_path: Path) -> None:
    """Each is reported by name."""
    published(tmp_path, 1)
    names = ("calculate_adaptive_window_v1.json", "__init__.py", "__init__.pyi")
    for name in names:
        (tmp_path / name).unlink()
    assert {difference.file for difference in check_generated(tmp_path, render)} == set(names)


TYPES = """\
# The types of this workspace's policies, of the newest version of each. Written by poet.

from .calculate_adaptive_window_v{} import calculate_adaptive_window

__all__ = [
    "calculate_adaptive_window",
]
"""


def test_the_types_of_the_package_are_those_of_the_newest_versions(tmp_path: Path) -> None:
    """They are also written while an older version is active, and a current file is not rewritten."""
    types = tmp_path / "__init__.pyi"
    published(tmp_path, 1)
    assert types.read_text(encoding="utf-8") == TYPES.format(1)
    published(tmp_path, 2)
    assert types.read_text(encoding="utf-8") == TYPES.format(2)
    rollback(tmp_path, WINDOW, **SAID)
    written = types.stat().st_mtime_ns
    published(tmp_path, 1)
    assert types.stat().st_mtime_ns == written
    types.write_bytes(types.read_bytes().replace(b"\n", b"\r\n"))
    assert check_generated(tmp_path, render) == []  # a checkout may change line endings


def test_edited_types_are_reported_and_change_nothing_in_production(tmp_path: Path) -> None:
    """Only type checkers read the file; the next compile writes it again."""
    published(tmp_path, 1)
    types = tmp_path / "__init__.pyi"
    types.write_text("import nothing\n", encoding="utf-8")
    (found,) = check_generated(tmp_path, render)
    assert (found.file, found.says) == (
        "__init__.pyi",
        "does not have the types of the newest versions; `poet upgrade` writes it",
    )
    assert Registry(tmp_path).active(WINDOW) == 1
    types.unlink()
    assert Registry(tmp_path).attribute(WINDOW)("clicks", 10.0, "normal") > 0
    restore_modules(tmp_path)
    assert types.read_text(encoding="utf-8") == TYPES.format(1)


CONSUMER = """\
from typing import assert_type

from generated import detect_drift
from poet_runtime.results import DriftResult

result = detect_drift([1.0, 2.0], [1.0, 2.0], feature="income")
assert_type(result, DriftResult)
detect_drift([1.0], [2.0], feature=3)
"""


def test_a_type_checker_knows_the_policies_of_a_workspace(tmp_path: Path) -> None:
    """`from generated import` is typed: mypy finds the wrong argument, and nothing else."""
    decisions = policy(DRIFT).version_1("ks")
    generated = tmp_path / "generated"
    generated.mkdir()
    (generated / f"{DRIFT}_v1.py").write_text(render(decisions).source, encoding="utf-8")
    version = VersionEntry(module=f"{DRIFT}_v1.py", sha256="", manifest_sha256="")
    entry = PolicyEntry(active=1, previous=None, versions={"1": version})
    (generated / "__init__.pyi").write_bytes(package_types(RegistryDocument(policies={DRIFT: entry})))
    (generated / "__init__.py").write_bytes(STANDING["__init__.py"])
    (tmp_path / "consumer.py").write_text(CONSUMER, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache"), "consumer.py"],
        cwd=tmp_path, env=os.environ | {"MYPYPATH": str(ROOT / "compiler")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 1, done.stdout + done.stderr
    assert errors[0].startswith('consumer.py:8: error: Argument "feature" to "detect_drift" has incompatible')


def test_a_missing_folder_is_not_a_workspace(tmp_path: Path) -> None:
    """Activating in the wrong folder raises an error."""
    with pytest.raises(PublishError, match="there is no folder"):
        activate(tmp_path / "nowhere", WINDOW, 1, **SAID)
