"""Tests of the Evidently and NannyML adapters with recorded output of the two libraries."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from poet import Workspace
from poet.integrations import evidently_reports, nannyml_results
from poet_runtime.errors import EventError
from poet_runtime.results import DriftResult
from tests.workspaces import first_workspace

MADE = Path(__file__).parent / "monitors"
EVIDENTLY = json.loads((MADE / "evidently.json").read_text(encoding="utf-8"))
NANNYML = json.loads((MADE / "nannyml.json").read_text(encoding="utf-8"))
NOW = 1_790_000_000.0
OUTCOMES = [("age", True), ("price", False), ("land", False)]


@pytest.fixture(name="shop")
def _shop(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(first_workspace(tmp_path / "shop"), clock=lambda: NOW) as workspace:
        yield workspace


def executions(shop: Workspace) -> list[dict[str, Any]]:
    """Return the recorded executions, each with its time."""
    shop.flush()
    events = [stored.event for stored in shop.log.read()]
    return [{**msgspec.json.decode(event.raw)["data"], "at": event.time} for event in events]


def outcomes(results: tuple[DriftResult, ...]) -> list[tuple[str, bool]]:
    """Return the feature and the decision of each result."""
    return [(each.feature, each.drifted) for each in results]


def columns_of(frame: dict[str, list[Any]]) -> dict[Any, list[Any]]:
    """Return the columns of a frame by tuple keys, as pandas has them."""
    return {tuple(key.split("/")): values for key, values in frame.items()}


def frame_of(frame: dict[str, list[Any]]) -> pd.DataFrame:
    """Return the frame that NannyML made, with dates as datetimes."""
    made = pd.DataFrame(columns_of(frame))
    dates = ("chunk", "chunk", "end_date")
    made[dates] = pd.to_datetime(made[dates])
    return made


class ReportObject:
    """An object with one export method, like the report objects of the libraries."""

    def __init__(self, way: str, what: Any) -> None:
        setattr(self, way, lambda: what)


REPORT = EVIDENTLY["report"]


@pytest.mark.parametrize(
    "report",
    [
        REPORT,
        json.dumps(REPORT),
        json.dumps(REPORT).encode(),
        ReportObject("dict", REPORT),
        EVIDENTLY["legacy"],
        ReportObject("as_dict", EVIDENTLY["legacy"]),
    ],
    ids=["dict", "json", "bytes", "object", "legacy", "legacy object"],
)
def test_every_report_format_gives_the_decision_per_column(report: Any) -> None:
    """The formats are the dictionaries since and before 0.7, JSON and the library's object."""
    found = evidently_reports.results(report)
    assert sorted(outcomes(found)) == sorted(OUTCOMES)
    age = next(each for each in found if each.feature == "age")
    assert (age.test, age.threshold, age.direction) == ("evidently/K-S p_value", 0.05, "below")
    assert age.p_value == age.score


def test_a_report_before_0_7_keeps_its_own_decisions() -> None:
    """The field `drift_detected` of every column is used."""
    table = EVIDENTLY["legacy"]["metrics"][1]["result"]["drift_by_columns"]
    decisions = {name: each["drift_detected"] for name, each in table.items()}
    assert dict(outcomes(evidently_reports.results(EVIDENTLY["legacy"]))) == decisions


def test_a_distance_drifts_above_its_threshold() -> None:
    """The name of the method decides whether a score is a distance or a p-value."""
    found = {each.feature: each for each in evidently_reports.results(EVIDENTLY["distances"])}
    assert {each.direction for each in found.values()} == {"above"}
    assert found["age"].drifted
    share = EVIDENTLY["distances"]["metrics"][0]["value"]["count"]
    assert sum(each.drifted for each in found.values()) == share


@pytest.mark.parametrize("table", [dict, pd.DataFrame, pl.DataFrame, pa.table])
def test_a_report_recorded_with_samples_has_all_scores(shop: Workspace, table: Any) -> None:
    """Every candidate statistic is computed from any kind of table, and feedback can cite the id."""
    now, before = table(EVIDENTLY["current"]), table(EVIDENTLY["reference"])
    recorded = evidently_reports.record(shop, REPORT, current=now, reference=before, when=NOW - 60)
    found = {each["feature"]: each for each in executions(shop)}
    assert {each["execution_id"] for each in found.values()} == {
        each.execution_id for each in recorded.values()
    }
    age = found["age"]
    assert (age["drifted"], age["version"], age["at"]) == (True, 0, NOW - 60)
    assert {"ks/raw", "wasserstein/deseasonalized"} <= age["scores"].keys()
    assert "chi_square/raw" in found["land"]["scores"]
    assert age["profile"]["n_current"] == 80


def test_a_report_recorded_without_samples_is_an_execution(shop: Workspace) -> None:
    """It has only the values of the report, and feedback can cite it."""
    recorded = evidently_reports.record(shop, REPORT)
    age = next(each for each in executions(shop) if each["feature"] == "age")
    assert (age["scores"], age["test"]) == ({}, "evidently/K-S p_value")
    assert age["execution_id"] == recorded["age"].execution_id


def test_a_column_that_cannot_be_compared_is_recorded_without_its_rows(shop: Workspace) -> None:
    """The reason is recorded."""
    dates = pd.DataFrame({"age": pd.date_range("2024-01-01", periods=3)})
    recorded = evidently_reports.record(shop, REPORT, current=dates, reference=dates)
    assert "holds dat" in recorded["age"].reason
    assert len(executions(shop)) == 3


@pytest.mark.parametrize("report", [{}, "{", {"metrics": []}, 7, None, {"metrics": [{"value": 1}]}])
def test_an_invalid_evidently_report_is_refused(shop: Workspace, report: Any) -> None:
    """Nothing is written."""
    with pytest.raises(EventError, match="Evidently's report"):
        evidently_reports.record(shop, report)
    assert executions(shop) == []


@pytest.mark.parametrize(
    "result",
    [
        columns_of(NANNYML["frame"]),
        frame_of(NANNYML["frame"]),
        ReportObject("to_df", frame_of(NANNYML["frame"])),
    ],
    ids=["dict", "frame", "object"],
)
def test_each_analyzed_chunk_is_read(result: Any) -> None:
    """Chunks of the reference are skipped, and the alert is the one that NannyML computed."""
    found = nannyml_results.results(result)
    decisions = [(each.chunk, each.result.feature, each.result.drifted) for each in found]
    assert decisions == [
        ("[0:59]", "age", True),
        ("[0:59]", "land", False),
        ("[60:119]", "age", True),
        ("[60:119]", "land", False),
    ]
    last = found[2]
    assert last.result.score == pytest.approx(0.75943513)
    assert last.result.threshold == pytest.approx(0.08851857)
    assert (last.rows, last.when) == (slice(60, 120), 1707735600.0)  # 2024-02-12T11:00 UTC


def test_a_method_without_a_threshold_keeps_its_alert(shop: Workspace) -> None:
    """NannyML exports no p-value for chi-square. A chunk without dates gets the time of recording."""
    result = columns_of(NANNYML["chi2"])
    result["land", "chi2", "alert"][3] = True
    recorded = nannyml_results.record(shop, result)
    last = executions(shop)[-1]
    assert (last["test"], last["drifted"], last["threshold"]) == ("nannyml/chi2", True, None)
    assert last["at"] == NOW
    assert last["execution_id"] == recorded[-1].result.execution_id


def test_a_recorded_chunk_has_the_scores_of_its_own_rows(shop: Workspace) -> None:
    """The time of the execution is the end of the chunk."""
    now, before = pd.DataFrame(NANNYML["current"]), NANNYML["reference"]
    nannyml_results.record(shop, frame_of(NANNYML["frame"]), current=now, reference=before)
    found = [each for each in executions(shop) if each["feature"] == "age"]
    assert [each["profile"]["n_current"] for each in found] == [60, 60]
    assert found[0]["scores"]["ks/raw"]["statistic"] < 0.2 < found[1]["scores"]["ks/raw"]["statistic"]
    assert found[0]["at"] < found[1]["at"] < NOW


@pytest.mark.parametrize(
    "result",
    [
        7,
        {},
        pd.DataFrame({"age": [1.0]}),
        {("chunk", "chunk", "key"): ["[0:1]"], ("chunk", "chunk", "period"): ["reference"]},
    ],
)
def test_an_invalid_nannyml_result_is_refused(shop: Workspace, result: Any) -> None:
    """Nothing is written."""
    with pytest.raises(EventError, match="NannyML's result"):
        nannyml_results.record(shop, result)
    assert executions(shop) == []
