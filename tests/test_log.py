"""The feedback log: one event per (source, id), in order, durable when it says so."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from poet.errors import LogError
from poet.log import FeedbackLog, open_log
from tests.builders import execution, filled_log, validation

# every store of the interface goes through these
OPEN: list[Callable[[Path], FeedbackLog]] = [open_log]
any_store = pytest.mark.parametrize("store", OPEN)


@any_store
def test_an_event_emitted_twice_is_there_once(store: Callable[[Path], FeedbackLog], tmp_path: Path) -> None:
    """A retried emit changes nothing; the same id from another source is another event."""
    log = store(tmp_path)
    log.append([validation(1), validation(1), validation(1, source="user/bo")], durable=True)
    log.append([validation(1)], durable=True)
    assert log.position() == 2
    log.close()


@any_store
def test_events_are_read_back_in_order(store: Callable[[Path], FeedbackLog], tmp_path: Path) -> None:
    """What was put in comes out, equal, between any two positions."""
    events = [validation(number) for number in range(50)]
    log = store(tmp_path)
    log.append(events, durable=True)
    assert [stored.event for stored in log.read()] == events
    assert [stored.position for stored in log.read(after=10, until=12)] == [11, 12]
    log.close()


@any_store
def test_the_prefix_digest_does_not_depend_on_grouping(
    store: Callable[[Path], FeedbackLog], tmp_path: Path
) -> None:
    """One by one or all at once: the same log has the same digest at each position."""
    events = [validation(number) for number in range(20)]
    together, apart = store(tmp_path / "a"), store(tmp_path / "b")
    together.append(events, durable=True)
    for event in events:
        apart.append([event], durable=True)
    assert [together.prefix_digest(n) for n in range(21)] == [apart.prefix_digest(n) for n in range(21)]
    assert len({together.prefix_digest(n) for n in range(21)}) == 21
    together.close()
    apart.close()


@any_store
def test_events_are_counted_by_type(store: Callable[[Path], FeedbackLog], tmp_path: Path) -> None:
    """From the start, or after a position."""
    log = store(tmp_path)
    log.append([execution(1), validation(1), validation(2)], durable=True)
    assert log.count_by_type() == {"drift.validation": 2, "execution.recorded": 1}
    assert log.count_by_type(after=2) == {"drift.validation": 1}
    log.close()


@any_store
def test_a_flush_makes_everything_visible_to_others(
    store: Callable[[Path], FeedbackLog], tmp_path: Path
) -> None:
    """What was buffered before it is on disk after it."""
    log, other = store(tmp_path), store(tmp_path)
    log.append(validation(number) for number in range(500))
    log.flush()
    assert other.position() == 500
    log.close()
    other.close()


@any_store
def test_closing_loses_nothing(store: Callable[[Path], FeedbackLog], tmp_path: Path) -> None:
    """A clean end writes what was buffered; a closed log takes nothing more."""
    log = store(tmp_path)
    log.append(validation(number) for number in range(300))
    log.close()
    log.close()
    with pytest.raises(LogError, match="closed"):
        log.append([validation(301)])
    again = store(tmp_path)
    assert again.position() == 300
    again.close()


def test_a_full_buffer_drops_and_counts_when_told_to(tmp_path: Path) -> None:
    """The caller never waits, and knows what it cost."""
    log = open_log(tmp_path, capacity=10, on_full="drop")
    log.append(validation(number) for number in range(5000))
    log.flush()
    assert log.dropped > 0
    assert log.position() + log.dropped == 5000
    log.close()


def test_a_full_buffer_blocks_by_default(tmp_path: Path) -> None:
    """Nothing is lost, however small the buffer."""
    log = open_log(tmp_path, capacity=3)
    log.append(validation(number) for number in range(200))
    log.flush()
    assert (log.position(), log.dropped) == (200, 0)
    log.close()


def test_another_file_is_refused_with_a_next_step(tmp_path: Path) -> None:
    """What is not a log is left as it is."""
    (tmp_path / "log.sqlite3").write_bytes(b"a letter to my aunt, and nothing else" * 100)
    with pytest.raises(LogError, match="move it away"):
        open_log(tmp_path)
    assert (tmp_path / "log.sqlite3").read_bytes().startswith(b"a letter")


def test_a_log_of_a_later_release_is_refused(tmp_path: Path) -> None:
    """Its schema is unknown, so nothing is written to it."""
    filled_log(tmp_path, [validation(1)]).close()
    connection = sqlite3.connect(tmp_path / "log.sqlite3")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LogError, match="schema version 99"):
        open_log(tmp_path)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_writes_through_a_connection_of_its_own(tmp_path: Path) -> None:
    """Parent and child both append; both are there."""
    log = filled_log(tmp_path, [validation(1)])
    child = os.fork()
    if child == 0:
        log.append([validation(2)], durable=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    log.append([validation(3)], durable=True)
    assert sorted(stored.event.id for stored in log.read()) == ["v1-user/ana", "v2-user/ana", "v3-user/ana"]
    log.close()
