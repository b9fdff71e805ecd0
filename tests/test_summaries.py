"""What learners see of the log, and that it does not depend on how it was sealed."""

import itertools
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poet.events import Event, make
from poet.summaries import Summaries, aggregate, aggregate_range, merge, seal, summarise
from poet.summaries.backends import DuckDBEngine
from poet.summaries.segments import Index, read_index, write_index
from poet_runtime.errors import SummaryError
from poet_runtime.files import FileLock
from tests.builders import execution, filled_log, summaries_of, validation
from tests.plain_count import plain_count, random_log, standing_scores
from tests.stores import opened

each_store = pytest.mark.usefixtures("each_store")


def noise(number: int, feature: str) -> Event:
    """Make a complaint about a feature."""
    data = {"false_alarms_per_day": 3.0, "window_size": 100, "feature": feature}
    return make("drift.noise_issue", data, source="user/ana", id=f"n{number}", time=3600.0 * number)


@each_store
def test_feedback_joins_its_execution_whenever_that_comes(tmp_path: Path) -> None:
    """Before, after, or never."""
    events = [validation(1), execution(1), execution(2, drifted=False), validation(2), validation(3)]
    votes = summaries_of(tmp_path, events).votes.to_pylist()
    assert [(vote["execution_id"], vote["drifted"]) for vote in votes] == [
        ("x1", True),
        ("x2", False),
        ("x3", None),
    ]


def test_the_first_record_of_an_execution_stands(tmp_path: Path) -> None:
    """A later one of the same id, from elsewhere, changes nothing."""
    again = make("execution.recorded", {"execution_id": "x1", "policy": "p", "version": 9, "drifted": False})
    summaries = summaries_of(tmp_path, [execution(1), again, validation(1)])
    assert summaries.recorded.num_rows == 1
    assert summaries.votes["policy_version"].to_pylist() == [1]
    assert (summaries.executions["recorded"], summaries.executions["recordings"]) == (1, 2)


def test_a_delay_that_names_a_silent_execution_is_a_vote(tmp_path: Path) -> None:
    """Somebody found what nobody was alerted to."""
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


def said(summaries: Summaries) -> dict[str, Any]:
    """Give what summaries make of events, tables as lists of rows."""
    values = {field.name: getattr(summaries, field.name) for field in fields(summaries)}
    for name in ("log_position", "log_prefix", "feedback", "first_epoch", "epoch_index", "is_start_recorded"):
        del values[name]
    return {
        name: value.to_pylist() if hasattr(value, "to_pylist") else value for name, value in values.items()
    }


@each_store
@pytest.mark.parametrize("seed", [1, 2])
def test_summaries_agree_with_a_plain_count(tmp_path: Path, seed: int) -> None:
    """Every row, column and number of them, of the whole log and of a prefix, with the log's own digest."""
    events = random_log(seed)
    until = 60 + 30 * seed
    with filled_log(tmp_path / "log", events) as log:
        last = seal(log, tmp_path / "segments")
        digests = log.prefix_digest(last), log.prefix_digest(until)
    whole, early = summarise(tmp_path / "segments"), summarise(tmp_path / "segments", until=until)
    assert said(whole) == plain_count(events)
    assert said(early) == plain_count(events[:until])
    assert (whole.log_prefix, early.log_prefix) == digests
    assert (whole.log_position, early.log_position) == (len(events), until)


def test_no_more_is_summarised_than_is_sealed(tmp_path: Path) -> None:
    """Neither without any sealing nor beyond it."""
    with pytest.raises(SummaryError, match="nothing is sealed"):
        summarise(tmp_path / "segments")
    with filled_log(tmp_path / "log", [execution(1)]) as log:
        seal(log, tmp_path / "segments")
    with pytest.raises(SummaryError, match="until=2 is outside the 1 log positions"):
        summarise(tmp_path / "segments", until=2)


def test_the_velocity_of_a_complaint_is_its_features_median(tmp_path: Path) -> None:
    """Of first recordings only; null where no execution and no delay tells of it."""
    seen = [execution(n, feature="g", data_velocity=float(v)) for n, v in enumerate([10, 40, 20, 1000])]
    again = {"execution_id": "x1", "policy": "p", "version": 9, "drifted": False, "feature": "g"}
    repeated = make("execution.recorded", again | {"data_velocity": 5000.0})
    summaries = summaries_of(tmp_path, [*seen, repeated, noise(9, "g"), noise(10, "h")])
    assert summaries.noise["data_velocity"].to_pylist() == [30.0, None]


@each_store
def test_sealing_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Bit by bit, with nothing new in between, or at once: the same summaries."""
    events = random_log(3)
    with opened(tmp_path / "log") as log:
        for start, end in itertools.pairwise([0, 1, 2, 50, 51, 120, len(events)]):
            log.append(events[start:end], durable=True)
            assert [seal(log, tmp_path / "segments") for _ in range(2)] == [end, end]
    assert said(summarise(tmp_path / "segments")) == plain_count(events)


@each_store
@pytest.mark.parametrize("is_written", [False, True])
def test_a_sealing_killed_around_its_index_is_done_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_written: bool
) -> None:
    """Before the index is replaced the old one stands, after it the new; no row is there twice."""
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
def test_another_logs_segments_are_refused(tmp_path: Path) -> None:
    """With the file whose removal starts anew."""
    filled_log(tmp_path / "a", [execution(1)]).close()
    with filled_log(tmp_path / "a", [execution(1)]) as log:
        seal(log, tmp_path / "segments")
    with (
        filled_log(tmp_path / "b", [validation(5), validation(6)]) as log,
        pytest.raises(SummaryError, match="remove"),
    ):
        seal(log, tmp_path / "segments")


def test_aggregates_of_any_cut_add_up_to_the_whole(tmp_path: Path) -> None:
    """In whatever order and grouping the parts are added: integers do not care."""
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


def test_aggregates_agree_with_a_plain_count_however_they_were_kept(tmp_path: Path) -> None:
    """Counted up to a position, kept, and counted on: exact numbers and sums, replaced votes taken back."""
    events = random_log(6)
    with opened(tmp_path / "log") as log:
        for start, end in ((0, 80), (80, len(events))):
            log.append(events[start:end], durable=True)
            seal(log, tmp_path / "segments")
            cells = aggregate(tmp_path / "segments").cells.to_pylist()
    counted = plain_count(events)
    standing: Counter[tuple[str, bool]] = Counter()
    for cell in cells:
        if cell["measure"] == "statistic":
            standing[cell["test"], cell["was_real"]] += cell["n"]
    assert standing == standing_scores(events)
    assert {
        measure: sum(int(cell["total"]) for cell in cells if cell["measure"] == measure)
        for measure in ("drifted", "audited", "delay_hours", "false_alarms_per_day")
    } == {
        "drifted": 1_000_000 * counted["executions"]["drifted"],
        "audited": 1_000_000 * counted["executions"]["audited"],
        "delay_hours": sum(round(1_000_000 * row["delay_hours"]) for row in counted["delays"]),
        "false_alarms_per_day": sum(round(1_000_000 * r["false_alarms_per_day"]) for r in counted["noise"]),
    }


def test_reading_needs_no_lock_and_writes_nothing(tmp_path: Path) -> None:
    """So a folder that is only read can be on a read-only mount."""
    folder = tmp_path / "segments"
    with filled_log(tmp_path / "log", random_log(3)) as log:
        seal(log, folder)
    (folder / "segments.lock").unlink()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    summarise(folder)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("times", [1, 100])
def test_a_reader_that_is_overtaken_by_a_sealing_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """However often: in its last attempt it keeps others from sealing."""
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
        assert said(summarise(folder)) == plain_count(sealed)
    assert 1 <= overtaken <= min(times, 5)


def test_aggregates_of_an_index_that_was_replaced_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They might be of another log; the next call counts again and keeps what it finds."""
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
