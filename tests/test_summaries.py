"""The learners' view of the log, which does not depend on how the log was sealed."""

import itertools
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from poet.events import Event, make
from poet.summaries import Summaries, aggregate, aggregate_range, merge, seal, summarise
from poet.summaries.backends import DuckDBEngine
from poet.summaries.segments import Index, read_index, write_index
from poet_runtime.errors import SummaryError
from poet_runtime.files import FileLock
from tests.builders import execution, filled_log, summaries_of, validation
from tests.plain_count import plain_count, random_log, valid_scores
from tests.stores import opened

each_store = pytest.mark.usefixtures("each_store")


def noise(number: int, feature: str) -> Event:
    """Return a noise issue about a feature."""
    data = {"false_alarms_per_day": 3.0, "window_size": 100, "feature": feature}
    return make("drift.noise_issue", data, source="user/ana", id=f"n{number}", time=3600.0 * number)


@each_store
def test_feedback_joins_its_execution_in_any_order(tmp_path: Path) -> None:
    """The execution comes earlier, later, or never."""
    events = [validation(1), execution(1), execution(2, drifted=False), validation(2), validation(3)]
    votes = summaries_of(tmp_path, events).votes.to_pylist()
    assert [(vote["execution_id"], vote["drifted"]) for vote in votes] == [
        ("x1", True),
        ("x2", False),
        ("x3", None),
    ]


def test_the_first_recording_of_an_execution_counts(tmp_path: Path) -> None:
    """A later one with the same id, from another source, has no effect."""
    again = make("execution.recorded", {"execution_id": "x1", "policy": "p", "version": 9, "drifted": False})
    summaries = summaries_of(tmp_path, [execution(1), again, validation(1)])
    assert summaries.recorded.num_rows == 1
    assert summaries.votes["policy_version"].to_pylist() == [1]
    assert (summaries.executions["recorded"], summaries.executions["recordings"]) == (1, 2)


def test_a_delay_that_names_a_non_alert_is_a_vote(tmp_path: Path) -> None:
    """A person found a drift that caused no alert."""
    data = {
        "actual_drift_start": "2024-01-15T10:00:00",
        "detected_at": "2024-01-15T14:00:00",
        "window_size_used": 100,
        "data_velocity": 10.0,
    }
    delays = [
        make("drift.detection_delay", data),
        make("drift.detection_delay", data | {"execution_id": "x1"}),
    ]
    summaries = summaries_of(tmp_path, [execution(1, drifted=False), *delays])
    assert [(v["origin"], v["was_real"]) for v in summaries.votes.to_pylist()] == [("missed", True)]
    assert summaries.delays["delay_hours"].to_pylist() == [4.0, 4.0]


def summarized(summaries: Summaries) -> dict[str, Any]:
    """Return the summaries of events, with tables as lists of rows."""
    values = {field.name: getattr(summaries, field.name) for field in fields(summaries)}
    for name in ("log_position", "log_prefix", "feedback", "first_epoch", "epoch_index", "is_start_recorded"):
        del values[name]
    return {
        name: value.to_pylist() if hasattr(value, "to_pylist") else value for name, value in values.items()
    }


@each_store
@pytest.mark.parametrize("seed", [1, 2])
def test_summaries_agree_with_a_plain_count(tmp_path: Path, seed: int) -> None:
    """All rows, columns and numbers are equal, for the whole log and for a prefix with the log's digest."""
    events = random_log(seed)
    until = 60 + 30 * seed
    with filled_log(tmp_path / "log", events) as log:
        last = seal(log, tmp_path / "segments")
        digests = log.prefix_digest(last), log.prefix_digest(until)
    whole, early = summarise(tmp_path / "segments"), summarise(tmp_path / "segments", until=until)
    assert summarized(whole) == plain_count(events)
    assert summarized(early) == plain_count(events[:until])
    assert (whole.log_prefix, early.log_prefix) == digests
    assert (whole.log_position, early.log_position) == (len(events), until)


def test_only_sealed_events_are_summarized(tmp_path: Path) -> None:
    """Summarizing an unsealed log, or beyond the sealed position, is an error."""
    with pytest.raises(SummaryError, match="nothing is sealed"):
        summarise(tmp_path / "segments")
    with filled_log(tmp_path / "log", [execution(1)]) as log:
        seal(log, tmp_path / "segments")
    with pytest.raises(SummaryError, match="until=2 is outside the 1 log positions"):
        summarise(tmp_path / "segments", until=2)


def test_the_velocity_of_a_noise_issue_is_its_features_median(tmp_path: Path) -> None:
    """Only first recordings count. It is null without executions and delays of the feature."""
    seen = [execution(n, feature="g", data_velocity=float(v)) for n, v in enumerate([10, 40, 20, 1000])]
    again = {"execution_id": "x1", "policy": "p", "version": 9, "drifted": False, "feature": "g"}
    repeated = make("execution.recorded", again | {"data_velocity": 5000.0})
    summaries = summaries_of(tmp_path, [*seen, repeated, noise(9, "g"), noise(10, "h")])
    assert summaries.noise["data_velocity"].to_pylist() == [30.0, None]


@each_store
def test_sealing_continues_where_it_stopped(tmp_path: Path) -> None:
    """Sealing in steps, without new events, or at once gives the same summaries."""
    events = random_log(3)
    with opened(tmp_path / "log") as log:
        for start, end in itertools.pairwise([0, 1, 2, 50, 51, 120, len(events)]):
            log.append(events[start:end], durable=True)
            assert [seal(log, tmp_path / "segments") for _ in range(2)] == [end, end]
    assert summarized(summarise(tmp_path / "segments")) == plain_count(events)


@each_store
@pytest.mark.parametrize("is_written", [False, True])
def test_a_killed_sealing_is_completed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_written: bool
) -> None:
    """The old index is valid until the new one replaces it, and no row is duplicated."""
    folder = tmp_path / "segments"

    def killed(folder: Path, index: Index) -> None:
        if is_written:
            write_index(folder, index)
        raise KeyboardInterrupt

    with filled_log(tmp_path / "log", [execution(1), validation(1)]) as log:
        seal(log, folder)
        log.append([validation(2), execution(2)], durable=True)
        monkeypatch.setattr("poet.summaries.segments.write_index", killed)
        with pytest.raises(KeyboardInterrupt):
            seal(log, folder)
        monkeypatch.undo()
        stray = folder / "segments" / "drift.validation" / "000000000003-000000000009.parquet"
        stray.write_bytes(b"half a file")
        left = set(folder.glob("segments/*/*"))
        between = read_index(folder)
        assert between is not None
        assert between.position == (4 if is_written else 2)
        assert seal(log, folder) == 4
    assert summarise(folder).votes["position"].to_pylist() == [2, 3]
    index = read_index(folder)
    assert index is not None
    named = {path for table in index.tables for path in index.files(folder, table)}
    assert set(folder.glob("segments/*/*")) == named < left


@each_store
def test_the_segments_of_another_log_are_refused(tmp_path: Path) -> None:
    """The error names the file to remove."""
    filled_log(tmp_path / "a", [execution(1)]).close()
    with filled_log(tmp_path / "a", [execution(1)]) as log:
        seal(log, tmp_path / "segments")
    with (
        filled_log(tmp_path / "b", [validation(5), validation(6)]) as log,
        pytest.raises(SummaryError, match="remove"),
    ):
        seal(log, tmp_path / "segments")


def test_aggregates_of_any_partition_sum_to_the_whole(tmp_path: Path) -> None:
    """Integer sums do not depend on order or grouping."""
    chance = np.random.default_rng(4)
    with filled_log(tmp_path / "log", random_log(4)) as log:
        last = seal(log, tmp_path / "segments")
    whole = aggregate(tmp_path / "segments")
    cuts = [0, *sorted(map(int, chance.integers(1, last, size=2))), last]
    with DuckDBEngine(tmp_path / "segments") as engine:
        parts = [aggregate_range(engine, after=a, until=b) for a, b in itertools.pairwise(cuts)]
    assert whole.cells.num_rows > 100
    for order in itertools.permutations(parts):
        assert merge(*order).cells.equals(whole.cells)
        assert merge(order[0], merge(*order[1:])).cells.equals(whole.cells)


def test_stored_aggregates_agree_with_a_plain_count(tmp_path: Path) -> None:
    """Counting continues from stored sums, numbers are exact, and replaced votes are subtracted."""
    events = random_log(6)
    with opened(tmp_path / "log") as log:
        for start, end in ((0, 80), (80, len(events))):
            log.append(events[start:end], durable=True)
            seal(log, tmp_path / "segments")
            cells = aggregate(tmp_path / "segments").cells.to_pylist()
    counted = plain_count(events)
    valid: Counter[tuple[str, bool]] = Counter()
    for cell in cells:
        if cell["measure"] == "statistic":
            valid[cell["test"], cell["was_real"]] += cell["n"]
    assert valid == valid_scores(events)
    assert {
        measure: sum(int(cell["total"]) for cell in cells if cell["measure"] == measure)
        for measure in ("drifted", "audited", "delay_hours", "false_alarms_per_day")
    } == {
        "drifted": 1_000_000 * counted["executions"]["drifted"],
        "audited": 1_000_000 * counted["executions"]["audited"],
        "delay_hours": sum(round(1_000_000 * row["delay_hours"]) for row in counted["delays"]),
        "false_alarms_per_day": sum(round(1_000_000 * r["false_alarms_per_day"]) for r in counted["noise"]),
    }


def test_stored_aggregates_of_an_earlier_format_are_counted_again(tmp_path: Path) -> None:
    """The stored columns had other names."""
    folder = tmp_path / "segments"
    with filled_log(tmp_path / "log", random_log(6)) as log:
        seal(log, folder)
    cells = aggregate(folder).cells
    path = folder / "aggregates.parquet"
    stored = pq.read_table(path)
    earlier = stored.rename_columns(["asked" if name == "occasion" else name for name in stored.column_names])
    pq.write_table(earlier.replace_schema_metadata(stored.schema.metadata | {b"poet.format": b"1"}), path)
    assert aggregate(folder).cells.equals(cells)
    assert pq.read_table(path).equals(stored)


def test_reading_needs_no_lock_and_writes_nothing(tmp_path: Path) -> None:
    """The folder of a pure reader can be on a read-only mount."""
    folder = tmp_path / "segments"
    with filled_log(tmp_path / "log", random_log(3)) as log:
        seal(log, folder)
    (folder / "segments.lock").unlink()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    summarise(folder)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("times", [1, 100])
def test_a_reader_retries_after_a_concurrent_sealing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Its last attempt holds the lock that sealing needs."""
    from poet.summaries import backends as _duckdb

    folder, events = tmp_path / "segments", iter(random_log(3))
    sealed = list(itertools.islice(events, 50))
    overtaken = 0
    with filled_log(tmp_path / "log", sealed) as log:
        seal(log, folder)

        def read_late(folder: Path) -> Index | None:
            nonlocal overtaken
            index = read_index(folder)
            held = FileLock(folder / "segments.lock")
            if overtaken < times and held.try_acquire():
                overtaken += 1
                held.close()
                log.append([new := next(events)], durable=True)
                sealed.append(new)
                seal(log, folder)  # removes the small segments that the reader is about to open
            return index

        monkeypatch.setattr(_duckdb, "read_index", read_late)
        assert summarized(summarise(folder)) == plain_count(sealed)
    assert 1 <= overtaken <= min(times, 5)


def test_aggregates_of_a_replaced_index_are_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be of another log. The next call counts again and stores its result."""
    folder, kept = tmp_path / "segments", tmp_path / "segments" / "aggregates.parquet"
    with filled_log(tmp_path / "log", random_log(3)) as log:
        seal(log, folder)
        real = read_index
        another = Index(position=1, prefix="another")
        monkeypatch.setattr("poet.summaries.aggregates.read_index", lambda _folder: another)
        first = aggregate(folder)
        assert not kept.exists()
        monkeypatch.setattr("poet.summaries.aggregates.read_index", real)
        assert aggregate(folder).cells.equals(first.cells)
        assert kept.exists()
