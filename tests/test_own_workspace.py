"""Tests that the versions of this repository follow from its feedback log, with equal bytes."""

from pathlib import Path

import pytest

from poet.build.manifest import read_manifest
from poet.build.publish import check_generated
from poet.learning.costs import with_estimated_costs
from poet.learning.learn import learn
from poet.log import import_files
from poet.spec import policy
from poet.spec.decisions import with_texts_of
from poet.summaries import Summaries, seal, summarise
from poet.workspace.configuration import read_configuration
from poet.workspace.pipeline import render_in
from poet_runtime.registry import read_document
from tests.stores import STORES, in_store, opened

ROOT = Path(__file__).parents[1]
GENERATED = ROOT / "generated"
LEARNED = [
    (name, int(number))
    for name, entry in sorted(read_document(GENERATED).policies.items())
    for number in sorted(entry.versions, key=int)
    if int(number) > 1
]


@pytest.fixture(scope="module", params=STORES)
def segments(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Import and seal the log of this repository, in each store."""
    folder = tmp_path_factory.mktemp("own")
    with in_store(request.param), opened(folder / "log") as log:
        import_files([ROOT / "feedback_log" / "demo.jsonl"], log, dead_letters=folder / "dead.jsonl")
        seal(log, folder / "segments")
    assert not (folder / "dead.jsonl").exists()
    return folder / "segments"


def test_every_generated_file_follows_from_its_manifest() -> None:
    """The check is that of `poet compile --check`."""
    assert check_generated(GENERATED, render_in(ROOT / "templates")) == []


def test_the_demo_has_a_learned_version() -> None:
    """The demo teaches at least one version."""
    assert ("detect_drift", 2) in LEARNED


@pytest.mark.parametrize(("name", "number"), LEARNED)
def test_a_version_is_relearned_from_the_log_prefix_in_its_manifest(
    segments: Path, name: str, number: int
) -> None:
    """The same prefix gives the same decisions and the same bytes.

    The texts are those of the release that published the version. Later releases may word them differently.
    """
    manifest = read_manifest(GENERATED, name, number)
    summaries: Summaries = summarise(segments, until=manifest.log_position)
    assert summaries.log_prefix == manifest.log_prefix
    assert manifest.revises is not None
    champion = read_manifest(GENERATED, name, manifest.revises).decisions
    configuration = with_estimated_costs(summaries, read_configuration(ROOT / "poet.toml").learn)
    decided = learn(policy(name), summaries, champion, configuration)
    decided = with_texts_of(decided, manifest.decisions)
    assert decided == manifest.decisions
    source = render_in(None)(decided).source
    assert source == (GENERATED / f"{name}_v{number}.py").read_text(encoding="utf-8")
