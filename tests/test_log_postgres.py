"""Conditions that only a log in PostgreSQL has: lost connections, migrations, partitions, passwords."""

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from poet.events import Event
from poet.log import BufferedLog, open_log
from poet.log import postgres as module
from poet.log import postgres as schema
from poet.log.interface import chained
from poet_runtime.errors import LogError
from tests.builders import validation
from tests.stores import in_store, postgres_at, server


@pytest.fixture(autouse=True)
def _postgres() -> Iterator[None]:
    with in_store("postgres"):
        yield


@pytest.fixture(name="log")
def one_event(tmp_path: Path) -> Iterator[BufferedLog]:
    """Open a log with one event, whose connections have been used."""
    with open_log(postgres_at(tmp_path)) as opened:
        opened.append([validation(0)], durable=True)
        assert opened.position() == 1
        yield opened


def query(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Query the database outside the log."""
    with psycopg.connect(postgres_at(folder), autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def terminate_all(folder: Path) -> None:
    """Terminate every connection of a log, as a restart of the server does."""
    query(
        folder,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'poet' "
        "AND pid <> pg_backend_pid()",
    )


def losing_connections(folder: Path, monkeypatch: pytest.MonkeyPatch, *, attempts: int) -> None:
    """Make the next appends lose their connection at the 50th event."""
    made, events, append = 0, 0, module._append

    def counted(connection: Any, batch: Sequence[Event]) -> None:
        nonlocal made, events
        made, events = made + 1, 0
        append(connection, batch)

    def broken(digest: bytes, links: Sequence[bytes]) -> bytes:
        nonlocal events
        events += 1
        if events == 50 and made <= attempts:
            terminate_all(folder)
        return chained(digest, links)

    monkeypatch.setattr(module, "_append", counted)
    monkeypatch.setattr(module, "chained", broken)


def test_a_connection_lost_during_a_commit_leaves_no_partial_batch(
    log: BufferedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller gets an error and the events are kept. Writing or emitting them again is harmless."""
    events = [validation(number) for number in range(1, 101)]
    losing_connections(tmp_path, monkeypatch, attempts=2)
    with pytest.raises(LogError, match="no batch was partially written"):
        log.append(events, durable=True)
    assert query(tmp_path, "SELECT count(*) FROM poet_events") == [(1,)]
    assert query(tmp_path, "SELECT count(*) FROM poet_names") == [(1,)]
    log.flush()
    log.append(events, durable=True)
    assert [stored.event for stored in log.read()] == [validation(0), *events]


def test_a_lost_connection_is_reopened(
    log: BufferedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between commits, between reads or during a commit, no caller gets an error."""
    terminate_all(tmp_path)
    assert log.position() == 1
    log.append([validation(1)], durable=True)
    losing_connections(tmp_path, monkeypatch, attempts=1)
    log.append([validation(number) for number in range(2, 102)], durable=True)
    assert [stored.position for stored in log.read()] == list(range(1, 103))


def test_an_append_waits_for_the_previous_one(log: BufferedLog, tmp_path: Path) -> None:
    """No position becomes visible after a later one, and readers wait for no one."""
    with psycopg.connect(postgres_at(tmp_path)) as other:
        other.execute("SELECT * FROM poet_head FOR UPDATE")
        waiting = threading.Thread(target=lambda: log.append([validation(1)], durable=True))
        waiting.start()
        waiting.join(timeout=0.2)
        assert (waiting.is_alive(), log.position()) == (True, 1)
    waiting.join()
    assert log.position() == 2


def test_a_commit_is_on_disk_whatever_the_role_configures(tmp_path: Path) -> None:
    """The session overrides synchronous_commit = off."""
    address = postgres_at(tmp_path).replace("options=", "options=-csynchronous_commit%3Doff%20")
    with module._Database(address).connected() as connection:
        assert connection.execute("SHOW synchronous_commit").fetchall() == [("on",)]


def test_events_are_partitioned_by_month(
    log: BufferedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Partitions are created before they are needed."""
    months = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'poet_events'::regclass"
    ((before,),) = query(tmp_path, months)
    monkeypatch.setattr(module, "MONTHS_AHEAD", timedelta(days=100))
    log.append([validation(1)], durable=True)
    ((after,),) = query(tmp_path, months)
    assert (before in (1, 2), after in (4, 5), log.position()) == (True, True, 2)


def test_concurrent_openers_migrate_once(tmp_path: Path) -> None:
    """One of them migrates and the others wait."""
    address, opened = postgres_at(tmp_path), []

    def begin() -> None:
        with open_log(address) as log:
            opened.append(log.position())

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [0] * 6
    assert query(tmp_path, "SELECT version FROM poet_schema") == [(len(schema.MIGRATIONS),)]


@pytest.mark.usefixtures("log")
def test_a_log_of_an_earlier_release_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its events stay. Afterwards an older release refuses it."""
    added = "ALTER TABLE poet_totals ADD COLUMN note text"
    with monkeypatch.context() as later:
        later.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, added))
        with open_log(postgres_at(tmp_path)) as again:
            assert [stored.event for stored in again.read()] == [validation(0)]
        assert query(tmp_path, "SELECT note FROM poet_totals") == [(None,)]
    with pytest.raises(LogError, match="has schema version 2, this release knows 1"):
        open_log(postgres_at(tmp_path))


def test_a_database_that_cannot_hold_all_texts_is_refused() -> None:
    """It is refused before anything is written to it."""
    with psycopg.connect(server(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE plain ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(LogError, match="server_encoding = SQL_ASCII, a feedback log needs UTF8"):
        open_log(server().replace("/postgres?", "/plain?"))


def test_a_text_that_the_database_cannot_hold_is_refused_on_append(log: BufferedLog) -> None:
    """It must not prevent other events from being written."""
    with pytest.raises(LogError, match="zero byte"):
        log.append([msgspec.structs.replace(validation(1), id="a\0b")])
    log.append([validation(2)], durable=True)
    assert log.position() == 2


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://ana:s3cret@127.0.0.1:1/poet", "postgresql://ana@127.0.0.1:1/poet cannot be used"),
        ("postgresql://ana:s3cret@[::1/poet", "the store's address cannot be read"),
        ("postgresql://ana:s3cret@host/poet?nonsense=1", "the store's address cannot be read"),
        ("mysql://ana:s3cret@host/poet", "unknown store mysql://"),
    ],
)
def test_no_message_shows_a_password(address: str, message: str) -> None:
    """The chained exceptions do not show it either."""
    with pytest.raises(LogError, match=message) as caught:
        open_log(address)
    behind = [
        caught.value.__cause__,
        *([] if caught.value.__suppress_context__ else [caught.value.__context__]),
    ]
    assert "s3cret" not in f"{caught.value} {behind}"
