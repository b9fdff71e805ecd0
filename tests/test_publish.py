"""Versions on disk: immutable, complete, all visible at once."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from poet.errors import PublishError
from poet.publish import activate, check_generated, publish, read_manifest, rollback
from poet.registry import read_document
from poet.render import render
from tests.modules import published, validated

SAID: dict[str, Any] = {"who": "user/ana", "why": "a test", "at": "2026-01-01T00:00:00+00:00"}


def test_a_version_is_a_module_a_manifest_and_an_entry(tmp_path: Path) -> None:
    """Each names the other by digest."""
    (version,) = published(tmp_path, 1)
    manifest = read_manifest(tmp_path, "calculate_adaptive_window", 1)
    entry = read_document(tmp_path).policies["calculate_adaptive_window"]
    assert manifest.source_sha256 == version.sha256 == entry.versions["1"].sha256
    assert (entry.active, entry.previous) == (1, None)


def test_the_manifest_alone_gives_the_same_bytes_again(tmp_path: Path) -> None:
    """What `compile --check` asks of every version."""
    published(tmp_path, 1, 2)
    assert check_generated(tmp_path, render) == []


def test_a_changed_module_is_found_with_its_line(tmp_path: Path) -> None:
    """The digest does not match, and the first line that differs is shown."""
    (version,) = published(tmp_path, 1)
    version.path.write_text(version.path.read_text().replace("5000", "6000"))
    says = [difference.says for difference in check_generated(tmp_path, render)]
    assert says[0] == "was changed after it was published"
    assert "6000" in says[1]


def test_a_changed_manifest_and_a_stranger_are_found(tmp_path: Path) -> None:
    """Nothing in the folder goes unexplained."""
    published(tmp_path, 1)
    manifest = tmp_path / "calculate_adaptive_window_v1.json"
    manifest.write_text(manifest.read_text().replace("untuned limits", "tuned limits"))
    (tmp_path / "notes.txt").write_text("mine")
    found = {difference.file for difference in check_generated(tmp_path, render)}
    assert found == {"calculate_adaptive_window_v1.json", "calculate_adaptive_window_v1.py", "notes.txt"}


def test_a_published_version_never_changes(tmp_path: Path) -> None:
    """Another module under a number that is taken is refused."""
    published(tmp_path, 1)
    with pytest.raises(PublishError, match="a version never changes"):
        publish([validated(1, window=777)], tmp_path, **SAID)


def test_publishing_the_same_again_changes_no_version(tmp_path: Path) -> None:
    """The bytes are the same, so nothing is wrong."""
    before = published(tmp_path, 1)
    assert published(tmp_path, 1) == before


def test_activate_and_rollback_move_the_alias_and_tell_the_journal(tmp_path: Path) -> None:
    """Who, when, why, from, to; rolling back twice is back and forth."""
    published(tmp_path, 1, 2)
    assert read_document(tmp_path).active("calculate_adaptive_window") == 2
    assert rollback(tmp_path, "calculate_adaptive_window", **SAID) == 1
    assert rollback(tmp_path, "calculate_adaptive_window", **SAID) == 2
    activate(tmp_path, "calculate_adaptive_window", 1, **SAID)
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [(line["from"], line["to"]) for line in lines] == [(None, 1), (1, 2), (2, 1), (1, 2), (2, 1)]
    assert lines[0]["who"] == "user/ana"


def test_unknown_versions_and_policies_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    """The error lists what there is."""
    published(tmp_path, 1)
    with pytest.raises(PublishError, match="published are 1"):
        activate(tmp_path, "calculate_adaptive_window", 7, **SAID)
    with pytest.raises(PublishError, match="published are calculate_adaptive_window"):
        rollback(tmp_path, "no_such_policy", **SAID)
    with pytest.raises(PublishError, match="has only ever run version 1"):
        rollback(tmp_path, "calculate_adaptive_window", **SAID)


def test_a_held_lock_is_named(tmp_path: Path) -> None:
    """A second compiler waits as long as it is told, then says who holds it."""
    from poet.publish._files import exclusive

    with exclusive(tmp_path, patience_s=0.0), pytest.raises(PublishError, match="locked by process"):
        publish([validated(1)], tmp_path, **SAID, patience_s=0.1)


def test_manifests_hold_no_time_and_no_path(tmp_path: Path) -> None:
    """The same decisions give the same bytes on every machine, at any time."""
    published(tmp_path / "a", 1)
    published(tmp_path / "b", 1)
    one, other = ((tmp_path / name / "calculate_adaptive_window_v1.json").read_bytes() for name in "ab")
    assert one == other
    assert msgspec.json.decode(one)["validation"]["policy"] == "calculate_adaptive_window"
