"""What learners see of the log, and that it does not depend on how it was sealed."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from poet.errors import SummaryError
from poet.events import Event, make
from poet.log import open_log
from poet.summaries import Aggregates, aggregate, aggregate_range, merge, seal, summarise
from poet.summaries._duckdb import DuckDBEngine
from tests.builders import execution, filled_log, summaries_of, validation

SCORES = {
    "ks/raw": {"statistic": 0.4, "p_value": 0.01},
    "wasserstein/raw": {"statistic": 0.8, "own_q90": 0.5},
}


def noise(number: int, feature: str) -> Event:
    """Make a complaint about a feature."""
    data = {"false_alarms_per_day": 3.0, "window_size": 100, "feature": feature}
    return make("drift.noise_issue", data, source="user/ana", id=f"n{number}", time=3600.0 * number)


def random_log(seed: int, n: int = 150) -> list[Event]:
    """Draw executions, votes, changed votes and complaints in any order."""
    chance = np.random.default_rng(seed)
    events: list[Event] = []
    for number in range(n):
        kind = chance.integers(4)
        cited = int(chance.integers(max(number, 1)))
        if kind == 0:
            events.append(execution(number, drifted=bool(chance.random() < 0.5), scores=SCORES, feature="f"))
        elif kind == 3:
            velocity = float(chance.integers(10, 1000))
            events.append(execution(number, data_velocity=velocity, feature="g", scores=SCORES))
            events.append(noise(number, "g" if chance.random() < 0.5 else "h"))
        else:
            source = f"user/{chance.integers(3)}"
            data = {"execution_id": f"x{cited}", "was_real_drift": bool(chance.random() < 0.5)}
            events.append(
                make("drift.validation", data, source=source, id=f"v{number}", time=3600.0 * number)
            )
    return events


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


@pytest.mark.parametrize("seed", [1, 2])
def test_summaries_agree_with_a_plain_count(tmp_path: Path, seed: int) -> None:
    """Against an oracle of a few lines of Python."""
    events = random_log(seed)
    summaries = summaries_of(tmp_path, events)
    executed = {e.data.execution_id: e for e in reversed(events) if e.type == "execution.recorded"}  # type: ignore[attr-defined]
    voted = [e for e in events if e.type == "drift.validation"]
    assert summaries.counts["drift.validation"] == len(voted)
    assert summaries.votes["event_id"].to_pylist() == [event.id for event in voted]
    assert summaries.recorded["execution_id"].to_pylist() == sorted(executed, key=lambda x: int(x[1:]))
    assert summaries.scores.num_rows == len(SCORES) * len(executed)
    joined = [vote["drifted"] is not None for vote in summaries.votes.to_pylist()]
    assert joined == [event.data.execution_id in executed for event in voted]  # type: ignore[attr-defined]


def test_the_velocity_of_a_complaint_is_its_features_median(tmp_path: Path) -> None:
    """Null where no execution and no delay tells of it."""
    seen = [execution(n, feature="g", data_velocity=float(v)) for n, v in enumerate([10, 40, 20, 1000])]
    summaries = summaries_of(tmp_path, [*seen, noise(9, "g"), noise(10, "h")])
    assert summaries.noise["data_velocity"].to_pylist() == [30.0, None]


def test_sealing_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Bit by bit or at once: the same tables, and every prefix has the log's own digest."""
    events = random_log(3)
    whole = summaries_of(tmp_path / "whole", events)
    with open_log(tmp_path / "log") as log:
        for event in events:
            log.append([event], durable=True)
            if len(event.id) % 2:
                seal(log, tmp_path / "segments")
        seal(log, tmp_path / "segments")
        bits = summarise(tmp_path / "segments")
        early = summarise(tmp_path / "segments", until=40)
        assert early.log_prefix == log.prefix_digest(40)
    assert bits.votes.equals(whole.votes)
    assert bits.scores.equals(whole.scores)
    assert bits.log_prefix == whole.log_prefix
    assert early.votes["position"].to_pylist() == [p for p in whole.votes["position"].to_pylist() if p <= 40]


def test_what_a_killed_sealing_left_behind_is_removed(tmp_path: Path) -> None:
    """A segment that the index does not name is no part of the log."""
    with filled_log(tmp_path / "log", [execution(1), validation(1)]) as log:
        seal(log, tmp_path / "segments")
        stray = tmp_path / "segments" / "segments" / "drift.validation" / "000000000003-000000000009.parquet"
        stray.write_bytes(b"half a file")
        log.append([validation(2)], durable=True)
        seal(log, tmp_path / "segments")
    assert not stray.exists()
    assert summarise(tmp_path / "segments").votes.num_rows == 2


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
    """In whatever order the parts are added: integers do not care."""
    with filled_log(tmp_path / "log", random_log(4)) as log:
        last = seal(log, tmp_path / "segments")
    whole = aggregate(tmp_path / "segments")
    cuts: Sequence[int] = [0, 7, 60, 61, last]
    with DuckDBEngine(tmp_path / "segments") as engine:
        parts = [aggregate_range(engine, after=a, until=b) for a, b in itertools.pairwise(cuts)]
    backwards: Aggregates = merge(*reversed(parts))
    assert whole.cells.num_rows > 10
    assert merge(*parts).cells.equals(whole.cells)
    assert backwards.cells.equals(whole.cells)
