"""The feedback log: ordered, one event per (source, id), and durable on request."""

import contextlib
import hashlib
import resource
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from poet.events import Event
from poet.log import EventFilter, open_log
from poet.log.sqlite import Writer, commit_lock, connected
from poet_runtime.errors import LogError
from tests.builders import execution, filled_log, validation
from tests.stores import opened

any_store = pytest.mark.usefixtures("each_store")


@any_store
def test_an_event_emitted_twice_is_stored_once(tmp_path: Path) -> None:
    """Repeating an emit has no effect. The same id from another source is another event."""
    log = opened(tmp_path)
    log.append([validation(1), validation(1), validation(1, source="user/bo")], durable=True)
    log.append([validation(1)], durable=True)
    assert log.position() == 2
    log.close()


@any_store
def test_events_are_read_back_in_order(tmp_path: Path) -> None:
    """Reading any range of positions returns equal events in order."""
    events = [validation(number) for number in range(50)]
    log = opened(tmp_path)
    log.append(events, durable=True)
    assert [stored.event for stored in log.read()] == events
    assert [stored.position for stored in log.read(after=10, until=12)] == [11, 12]
    log.close()


@any_store
def test_events_can_be_searched(tmp_path: Path) -> None:
    """The search returns the newest first, by type, source, text, position or id, across commits."""
    log = opened(tmp_path)
    for begin in range(0, 5_000, 1_000):
        log.append([execution(number) for number in range(begin, begin + 1_000)], durable=True)
        log.append([validation(begin), validation(begin, source="user/bo")], durable=True)
    votes = log.newest(EventFilter(is_feedback=True), 3)
    assert [each.position for each in votes] == [5_010, 5_009, 4_008]
    assert [each.source for each in log.newest(EventFilter(source="user/b"), 9, before=4_008)] == [
        "user/bo"
    ] * 3
    assert [each.position for each in log.newest(EventFilter(), 2, before=1_500)] == [1_499, 1_498]
    assert log.newest(EventFilter(is_feedback=True), 9, before=1_001, within=999) == []
    assert len(log.newest(EventFilter(type=execution(0).type), 9_000)) == 5_000
    assert log.newest(EventFilter(text="no such words"), 9) == []
    other = validation(0, source="user/bo")
    found = log.at(1_002)
    assert found is not None
    assert (found.source, found.id, found.raw) == (other.source, other.id, other.raw)
    assert (log.at(0), log.at(5_011)) == (None, None)
    ids = {other.id, execution(3_000).id}
    assert [each.position for each in log.named(ids)] == [1_002, 3_007]
    assert [each.position for each in log.named(ids, until=1_002)] == [1_002]
    log.close()


@any_store
def test_the_prefix_digest_does_not_depend_on_grouping(tmp_path: Path) -> None:
    """A log has the same digest at each position, however its events were grouped into commits."""
    events = [validation(number) for number in range(20)]
    together, apart = opened(tmp_path / "a"), opened(tmp_path / "b")
    together.append(events, durable=True)
    for event in events:
        apart.append([event], durable=True)
    assert [together.prefix_digest(n) for n in range(21)] == [apart.prefix_digest(n) for n in range(21)]
    assert len({together.prefix_digest(n) for n in range(21)}) == 21
    together.close()
    apart.close()


@any_store
def test_the_prefix_digest_is_the_documented_chain(tmp_path: Path) -> None:
    """The chain is d(n) = sha256(d(n-1), sha256(source), sha256(id)), with d(0) the digest of nothing."""
    events = [validation(1), validation(2, source="user/bo"), validation(3)]
    log = opened(tmp_path)
    log.append([*events, events[0]], durable=True)
    expected = hashlib.sha256().digest()
    for event in events:
        names = (hashlib.sha256(name.encode()).digest() for name in (event.source, event.id))
        expected = hashlib.sha256(expected + b"".join(names)).digest()
    assert log.prefix_digest(3) == log.prefix_digest(4) == expected.hex()
    log.close()


@any_store
def test_duplicates_leave_no_gap_and_change_no_digest(tmp_path: Path) -> None:
    """A commit of old, new and duplicate events stores only the new ones."""
    events = [validation(number) for number in range(6)]
    log, plain = opened(tmp_path / "a"), opened(tmp_path / "b")
    log.append(events[:3], durable=True)
    log.append([events[1], events[3], events[3], events[0], *events[4:]], durable=True)
    plain.append(events, durable=True)
    assert [stored.position for stored in log.read()] == [1, 2, 3, 4, 5, 6]
    assert log.prefix_digest(6) == plain.prefix_digest(6)
    assert log.count_by_type() == {"drift.validation": 6}
    log.close()
    plain.close()


@any_store
def test_a_long_log_is_read_page_by_page(tmp_path: Path) -> None:
    """No event is missing or duplicated at the boundary between two pages."""
    log = opened(tmp_path)
    log.append((validation(number) for number in range(2500)), durable=True)
    assert [stored.position for stored in log.read()] == list(range(1, 2501))
    assert [stored.position for stored in log.read(after=999, until=2001)] == list(range(1000, 2002))
    log.close()


@any_store
def test_threads_share_a_log(tmp_path: Path) -> None:
    """A durable append returns when its own events are on disk, whichever thread committed them."""
    log = opened(tmp_path)
    missing: list[str] = []

    def emit(name: str) -> None:
        for number in range(20):
            log.append([validation(number, source=name)], durable=True)
            if (name, number) not in {(s.event.source, int(s.event.time / 3600)) for s in log.read()}:
                missing.append(f"{name} {number}")

    threads = [threading.Thread(target=emit, args=(f"user/{name}",)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missing == []
    assert log.position() == 120
    log.close()


@any_store
def test_an_iterator_that_raises_leaves_the_log_usable(tmp_path: Path) -> None:
    """Events before the error are accepted, and the log stays unlocked."""

    def broken() -> Iterator[Event]:
        yield validation(1)
        log.append([validation(2)], durable=True)
        raise KeyError("the caller's own")

    log = opened(tmp_path)
    with pytest.raises(KeyError):
        log.append(broken())
    log.flush()
    assert log.position() == 2
    log.close()


@any_store
def test_an_event_that_no_store_can_hold_is_refused_on_append(tmp_path: Path) -> None:
    """It must not prevent other events from being written."""
    log = opened(tmp_path)
    with pytest.raises(LogError, match="not Unicode"):
        log.append([msgspec.structs.replace(validation(1), source="user/\udcff")])
    with pytest.raises(LogError, match="has the time nan"):
        log.append([msgspec.structs.replace(validation(1), time=float("nan"))])
    log.append([validation(2, source="user/Zoë")], durable=True)
    assert [stored.event.source for stored in log.read()] == ["user/Zoë"]
    log.close()


@any_store
def test_events_are_counted_by_type(tmp_path: Path) -> None:
    """The count covers the whole log, or the events after a position."""
    log = opened(tmp_path)
    log.append([execution(1), validation(1), validation(2)], durable=True)
    assert log.count_by_type() == {"drift.validation": 2, "execution.recorded": 1}
    assert log.count_by_type(after=2) == {"drift.validation": 1}
    log.close()


@any_store
def test_a_flush_makes_everything_visible_to_others(tmp_path: Path) -> None:
    """Events buffered before the flush are on disk after it."""
    log, other = opened(tmp_path), opened(tmp_path)
    log.append(validation(number) for number in range(500))
    log.flush()
    assert other.position() == 500
    log.close()
    other.close()


@any_store
def test_closing_loses_nothing(tmp_path: Path) -> None:
    """Closing writes the buffer, and a closed log accepts no events."""
    log = opened(tmp_path)
    log.append(validation(number) for number in range(300))
    log.close()
    log.close()
    with pytest.raises(LogError, match="closed"):
        log.append([validation(301)])
    again = opened(tmp_path)
    assert again.position() == 300
    again.close()


@any_store
def test_a_full_buffer_can_drop_events_and_count_them(tmp_path: Path) -> None:
    """The caller never waits, and `dropped` counts the lost events."""
    log = opened(tmp_path, capacity=10, on_full="drop")
    log.append(validation(number) for number in range(5000))
    log.flush()
    assert log.dropped > 0
    assert log.position() + log.dropped == 5000
    log.close()


def test_a_full_buffer_can_refuse_events(tmp_path: Path) -> None:
    """The error names the event and the next step. Earlier events are kept."""
    log = open_log(tmp_path, capacity=10, on_full="refuse")
    told = r"'v10-user/ana' was not accepted: 10 events wait .* flush"
    with contextlib.closing(commit_lock(tmp_path)) as other, other, pytest.raises(LogError, match=told):
        log.append(validation(number) for number in range(20))
    log.flush()
    assert (log.position(), log.dropped) == (10, 1)
    log.close()


@any_store
def test_a_durable_event_is_never_dropped(tmp_path: Path) -> None:
    """A caller that waits for the disk also waits for room in the buffer."""
    log = opened(tmp_path, capacity=10, on_full="drop")
    log.append((validation(number) for number in range(200)), durable=True)
    assert (log.position(), log.dropped) == (200, 0)
    log.close()


@any_store
def test_a_full_buffer_blocks_by_default(tmp_path: Path) -> None:
    """No event is lost, however small the buffer is."""
    log = opened(tmp_path, capacity=3)
    log.append(validation(number) for number in range(200))
    log.flush()
    assert (log.position(), log.dropped) == (200, 0)
    log.close()


def test_another_file_is_refused_with_a_next_step(tmp_path: Path) -> None:
    """A file that is not a log is left unchanged."""
    (tmp_path / "log.sqlite3").write_bytes(b"a letter to my aunt, and nothing else" * 100)
    with pytest.raises(LogError, match="move it away"):
        open_log(tmp_path)
    assert (tmp_path / "log.sqlite3").read_bytes().startswith(b"a letter")


def test_the_database_of_another_program_is_refused_and_unchanged(tmp_path: Path) -> None:
    """It may be an SQLite file with a table named events and its own schema version."""
    connection = sqlite3.connect(tmp_path / "log.sqlite3")
    connection.executescript("CREATE TABLE events (day TEXT); PRAGMA user_version = 2;")
    connection.close()
    before = (tmp_path / "log.sqlite3").read_bytes()
    with pytest.raises(LogError, match="another program; move it away"):
        open_log(tmp_path)
    assert (tmp_path / "log.sqlite3").read_bytes() == before


def test_the_error_of_a_damaged_log_has_a_next_step(tmp_path: Path) -> None:
    """No error of the store's library reaches the caller."""
    filled_log(tmp_path, (validation(number) for number in range(500))).close()
    content = bytearray((tmp_path / "log.sqlite3").read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    (tmp_path / "log.sqlite3").write_bytes(content)
    with pytest.raises(LogError, match="move it away, then import an export"), open_log(tmp_path) as log:
        list(log.read())


def test_a_folder_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    """A file has the folder's name."""
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(LogError, match="choose a writable folder"):
        open_log(tmp_path / "taken")


@contextmanager
def no_room(folder: Path) -> Iterator[None]:
    """Prevent files of this process from growing beyond the size of the log's files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(path.stat().st_size for path in folder.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_every_durable_caller_learns_that_the_disk_is_full(tmp_path: Path) -> None:
    """No caller is told that its events are on disk.

    When there is room again, the kept events are written.
    """
    log = filled_log(tmp_path, [validation(0)])
    with no_room(tmp_path):
        for number in (1, 2):
            with pytest.raises(LogError, match="cannot be used"):
                log.append((validation(1000 * number + row) for row in range(1000)), durable=True)
        assert log.position() == 1
    log.flush()
    assert log.position() == 2001
    log.close()


def test_an_error_of_the_thread_is_raised_to_the_next_caller(tmp_path: Path) -> None:
    """It is raised once, with the number of kept events. The thread then retries."""
    log = filled_log(tmp_path, [validation(0)])
    with no_room(tmp_path):
        log.append(validation(number) for number in range(1, 400))
        deadline = time.monotonic() + 10.0
        while log._failure is None and time.monotonic() < deadline:
            time.sleep(0.01)
    with pytest.raises(LogError, match=r"399 events are not on disk yet.*kept and retried"):
        log.append([validation(400)])
    while log.position() < 400 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert log.position() == 400
    log.close()


def test_closing_on_a_full_disk_reports_lost_events(tmp_path: Path) -> None:
    """It is the last opportunity to report them."""
    log = filled_log(tmp_path, [validation(0)])
    with no_room(tmp_path):
        log.append(validation(number) for number in range(1, 400))
        with pytest.raises(LogError, match="cannot be used"):
            log.close()


def test_a_log_of_a_later_release_is_refused(tmp_path: Path) -> None:
    """Its schema is unknown, so nothing is written to it."""
    filled_log(tmp_path, [validation(1)]).close()
    connection = sqlite3.connect(tmp_path / "log.sqlite3")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LogError, match="schema version 99"):
        open_log(tmp_path)


def test_a_failed_commit_is_rolled_back(tmp_path: Path) -> None:
    """The next commit finds no unfinished transaction."""
    filled_log(tmp_path, [validation(0)]).close()
    writer = Writer(tmp_path)
    with no_room(tmp_path), pytest.raises(LogError):
        writer.commit([validation(number) for number in range(10, 2000)])
    writer.commit([validation(3)])
    writer.close()
    with open_log(tmp_path) as log:
        assert [stored.event.id for stored in log.read()] == [validation(0).id, validation(3).id]


def test_a_commit_waits_for_the_disk_and_for_the_lock(tmp_path: Path) -> None:
    """SQLite syncs on each commit (2: FULL). No commit starts while another process holds the lock."""
    log = filled_log(tmp_path, [validation(0)])
    connection = connected(tmp_path)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    with contextlib.closing(commit_lock(tmp_path)) as other, other:
        waiting = threading.Thread(target=lambda: log.append([validation(1)], durable=True))
        waiting.start()
        waiting.join(timeout=0.2)
        assert (waiting.is_alive(), log.position()) == (True, 1)
    waiting.join()
    assert log.position() == 2
    log.close()
