"""Tests of Spark as an engine and of policies on Spark data: the results equal those without Spark."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyspark", reason="pyspark is not installed")
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("Spark needs Java, which is not installed", allow_module_level=True)

from click.testing import CliRunner

from poet.cli.app import app
from poet.integrations.spark_tables import detect_drift_table, record, score_table, sketch_table
from poet.summaries import Summaries, epochs, open_engine, seal, spark_session, summarise
from poet.workspace.workspace import Workspace
from poet_runtime.drift.reference import Reference
from poet_runtime.drift.sketch import Sketch
from poet_runtime.errors import SampleError, SummaryError
from tests.builders import filled_log, summaries_of
from tests.plain_count import random_log
from tests.policies.detect_drift import scenario
from tests.workspaces import first_workspace

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # resources that Spark leaves open
PAGE = (Path(__file__).parents[1] / "docs" / "engines.md").read_text(encoding="utf-8")
CHANCE = np.random.default_rng(0)


def test_an_unreachable_cluster_is_an_error(tmp_path: Path) -> None:
    """The error adds a next step to Java's message. This test must run before a session exists."""
    summaries_of(tmp_path, random_log(1)[:5])
    with (
        pytest.raises(SummaryError, match=r"Spark does not start at 'nowhere://x'.*\[engine\] in poet.toml"),
        open_engine(tmp_path / "segments", "spark", "nowhere://x"),
    ):
        pass


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    """Yield one session for all tests, because it takes seconds to start. Workers run this Python."""
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    with spark_session("local[2]") as found:
        yield found


def plain(summaries: Summaries) -> dict[str, Any]:
    """Return all tables and numbers of summaries, with the types of the columns."""
    found = {field.name: getattr(summaries, field.name) for field in fields(summaries)}
    found |= found.pop("feedback")
    return {
        name: (value.schema, value.to_pylist()) if hasattr(value, "schema") else value
        for name, value in found.items()
    }


@pytest.mark.usefixtures("session")
def test_spark_summarizes_like_duckdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row, type and number is equal, also if reading starts in the middle of the log."""
    monkeypatch.setattr(epochs, "EPOCH_SIZE", 40)
    monkeypatch.setattr(epochs, "MIN_FEEDBACK", 10)
    with filled_log(tmp_path / "log", random_log(1)) as log:
        seal(log, tmp_path / "segments")
    folder = tmp_path / "segments"
    with open_engine(folder, "spark", "local[2]") as spark:
        found = summarise(folder, engine=spark)
    assert plain(found) == plain(summarise(folder))
    assert found.first_epoch > 1


@pytest.mark.usefixtures("session")
def test_a_plan_by_spark_equals_the_plan_by_duckdb(tmp_path: Path) -> None:
    """The command plans the seasonal scenario, adopts rules, and prints the same bytes."""
    shop = first_workspace(tmp_path / "shop")
    with Workspace.open(shop) as workspace:
        workspace.log.append(scenario.events(), durable=True)
    results = [
        CliRunner().invoke(app, ["--workspace", str(shop), "plan", "--format", "json", "--engine", engine])
        for engine in ("duckdb", "spark")
    ]
    assert [each.exit_code for each in results] == [0, 0]
    assert results[0].output == results[1].output
    assert "wasserstein" in results[0].output


def shop_table(session: Any) -> tuple[Any, dict[str, dict[str, Any]], dict[str, Any]]:
    """Return two days of three features as a data frame and as arrays, with their reference."""
    before = {
        "age": CHANCE.normal(40.0, 10.0, 4000),
        "spend": CHANCE.lognormal(3.0, 1.0, 4000),
        "plan": CHANCE.choice(["free", "pro"], 4000),
    }
    days: dict[str, dict[str, Any]] = {}
    for day, shift in (("monday", 0.0), ("tuesday", 4.0)):
        age = CHANCE.normal(40.0 + shift, 10.0, 500)
        age[::50] = np.nan
        days[day] = {
            "age": age,
            "spend": CHANCE.lognormal(3.0 + shift / 8, 1.0, 500),
            "plan": CHANCE.choice(["free", "pro"], 500, p=[0.5 + shift / 20, 0.5 - shift / 20]),
        }
    rows = [
        (day, *values, k)
        for day, columns in days.items()
        for k, values in enumerate(zip(*(columns[name].tolist() for name in before), strict=True))
    ]
    CHANCE.shuffle(rows)
    frame = session.createDataFrame(rows, "day string, age double, spend double, plan string, at bigint")
    return frame.repartition(3), days, before


def test_each_group_has_the_same_answer_as_without_spark(session: Any, tmp_path: Path) -> None:
    """The active version gives the same bits, and the answers are recorded and can be cited."""
    frame, days, before = shop_table(session)
    with Workspace.open(first_workspace(tmp_path / "shop")) as workspace:
        detect = workspace.registry.policy("detect_drift")
        answers = detect_drift_table(detect, frame, before, by=["day"], time="at", with_scores=True).cache()
        found = {(row["day"], row["feature"]): row for row in answers.collect()}
        assert found.keys() == {(day, name) for day in days for name in before}
        for (day, name), row in found.items():
            times = np.arange(500)
            here = detect(days[day][name], Reference.prepare(before[name]), feature=name, current_times=times)
            assert (row["drifted"], row["score"], row["test"]) == (here.drifted, here.score, here.test)
            assert (row["threshold"], row["policy_version"]) == (here.threshold, here.policy_version)
        assert found["tuesday", "age"]["drifted"]
        cited = record(workspace, answers, by=["day"])
        workspace.flush()
        logged: dict[str, Any] = {each.event.id: each.event.data for each in workspace.log.read()}
    assert len(cited) == len(found)
    for (day, name), result in cited.items():
        recorded = logged[result.execution_id]
        assert (recorded.feature, recorded.drifted) == (name, found[day, name]["drifted"])
        assert recorded.profile.n_reference == 4000
        assert "wasserstein/raw" in recorded.scores or name == "plan"


def test_a_whole_table_is_one_group(session: Any, tmp_path: Path) -> None:
    """No group names are needed. A feature of the reference that the table lacks is an error."""
    frame, _, before = shop_table(session)
    numbers = {name: before[name] for name in ("age", "spend")}
    with Workspace.open(first_workspace(tmp_path / "shop")) as workspace:
        detect = workspace.registry.policy("detect_drift")
    answers = detect_drift_table(detect, frame, numbers).collect()
    assert sorted(row["feature"] for row in answers) == ["age", "spend"]
    with pytest.raises(SampleError, match="no column height; it has day, age"):
        detect_drift_table(detect, frame, {"height": before["age"]})
    with pytest.raises(SampleError, match="rename"):
        detect_drift_table(detect, frame.withColumnRenamed("day", "feature"), numbers, by=["feature"])


def test_sketches_of_spark_bound_the_distances(session: Any) -> None:
    """Counts over partitions are exact and take kilobytes. Each distance lies within its bounds."""
    frame, days, before = shop_table(session)
    rows = list(zip(before["age"].tolist(), before["spend"].tolist(), strict=True))
    table = session.createDataFrame(rows, "age double, spend double")
    sketches = sketch_table(table.repartition(4))
    assert {name: sketch.n for name, sketch in sketches.items()} == {"age": 4000, "spend": 4000}
    for name, sketch in sketches.items():
        assert sketch.to_bytes() == Sketch.of(before[name], edges=sketch.edges).to_bytes()
        assert len(sketch.to_bytes()) < 6500
        assert sketch.error < 0.02
    for row in score_table(frame, sketches, by=["day"]).collect():
        current = days[row["day"]][row["feature"]]
        reference, current = np.sort(before[row["feature"]]), np.sort(current[~np.isnan(current)])
        at = np.union1d(reference, current)
        cdfs = [np.searchsorted(each, at, "right") / each.size for each in (reference, current)]
        exact = float(np.abs(cdfs[0] - cdfs[1]).max())
        assert row["ks_low"] <= exact + 1e-12
        assert exact <= row["ks_high"] + 1e-12
        assert row["n_current"] == current.size
    with pytest.raises(SampleError, match="of numbers"):
        sketch_table(frame, ["plan"])


def test_the_code_of_the_page_runs(
    session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The Python blocks run in order in a workspace, and the poet.toml table is valid."""
    shop = first_workspace(tmp_path / "shop")
    monkeypatch.chdir(shop)
    blocks = re.findall(r"^```(python|toml)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert [kind for kind, _ in blocks] == ["toml", "python", "python"]
    settings = (shop / "poet.toml").read_text(encoding="utf-8")
    assert '[engine]\nname = "duckdb"' in settings
    before, _, after = settings.partition("[engine]")
    rest = after[after.index("\n\n") :]
    (shop / "poet.toml").write_text(before + blocks[0][1] + rest, encoding="utf-8")
    with Workspace.open(shop) as workspace:
        assert workspace.configuration.engine.name == "spark"
    names: dict[str, Any] = {"__name__": "__main__"}
    for _, block in blocks[1:]:
        exec(compile(block, "docs/engines.md", "exec"), names)  # noqa: S102 -- our own page
    shown = capfd.readouterr().out
    assert re.search(r"^[0-9a-f]{8}-", shown, re.MULTILINE)
    assert re.search(r"^\d{4} bytes, off by at most 0\.00\d+$", shown, re.MULTILINE)
    assert session.version
