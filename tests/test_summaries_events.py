"""The events of any type as learners read them."""

from pathlib import Path

import msgspec
import pytest

from poet.events import make
from poet.summaries import seal, summarise
from poet_runtime.errors import SummaryError
from tests.builders import SEED_PAYLOADS, filled_log, summaries_of


def test_every_feedback_type_is_read_in_the_columns_of_its_payload(tmp_path: Path) -> None:
    """Eighteen types have one row each, with the envelope first."""
    events = [
        make(type_, data, source="user/ana", id=f"e{k}") for k, (type_, data) in enumerate(SEED_PAYLOADS)
    ]
    summaries = summaries_of(tmp_path, events)
    for type_, _ in SEED_PAYLOADS:
        table = summaries.events(type_)
        assert table.num_rows == 1
        assert table.column_names[:5] == ["position", "event_id", "source", "time", "subject"]
    (impact,) = summaries.events("feature.drift_impact").to_pylist()
    assert (impact["feature"], impact["drift_score"], impact["model_performance_drop"]) == (
        "user_location",
        0.8,
        0.02,
    )
    (error,) = summaries.events("error.occurred").to_pylist()
    assert (error["data_size"], error["feature_count"], error["computation"]) == (
        100_000,
        500,
        "kl_divergence",
    )


def test_subject_and_context_are_kept_in_order_of_position(tmp_path: Path) -> None:
    """The context is canonical JSON."""
    impacts = [
        make(
            "feature.drift_impact",
            {
                "feature": f"f{k}",
                "drift_score": 0.5,
                "model_performance_drop": 0.1,
                "context": {"season": "x", "a": k},
            },
            source="user/ana",
            subject="model/checkout",
            id=f"e{k}",
            time=float(10 - k),
        )
        for k in range(3)
    ]
    rows = summaries_of(tmp_path, impacts).events("feature.drift_impact").to_pylist()
    assert [row["feature"] for row in rows] == ["f0", "f1", "f2"]
    assert {row["subject"] for row in rows} == {"model/checkout"}
    assert msgspec.json.decode(rows[1]["context"]) == {"a": 1, "season": "x"}


def test_a_log_prefix_has_only_its_own_events(tmp_path: Path) -> None:
    """It ends at a log position."""
    noise = {"false_alarms_per_day": 1.0, "window_size": 100, "feature": "a"}
    events = [make("drift.noise_issue", noise, source="user/ana", id=f"e{k}") for k in range(4)]
    with filled_log(tmp_path / "log", events) as log:
        seal(log, tmp_path / "segments")
    assert summarise(tmp_path / "segments", until=3).events("drift.noise_issue").num_rows == 3


def test_a_type_without_events_gives_an_empty_table(tmp_path: Path) -> None:
    """An unknown type is an error that lists the known ones."""
    summaries = summaries_of(tmp_path, [])
    assert summaries.events("alert.response").num_rows == 0
    with pytest.raises(SummaryError, match=r"alert\.respons.*alert\.response"):
        summaries.events("alert.respons")
