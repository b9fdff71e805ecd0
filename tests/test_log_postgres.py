"""What only a log in PostgreSQL can meet: lost connections, migrations, months, passwords."""

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
    """Open a log with one event, through connections that are in use."""
    with open_log(postgres_at(tmp_path)) as opened:
        opened.append([validation(0)], durable=True)
        assert opened.position() == 1
        yield opened


def asked(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask the database beside the log."""
    with psycopg.connect(postgres_at(folder), autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def end_all(folder: Path) -> None:
    """End every connection of a log, as a server that restarts does."""
    asked(
        folder,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'poet' "
        "AND pid <> pg_backend_pid()",
    )


def losing(folder: Path, monkeypatch: pytest.MonkeyPatch, *, attempts: int) -> None:
    """Let the next attempts to append lose their connection at their 50th event."""
    made, events, append = 0, 0, module._append

    def counted(connection: Any, batch: Sequence[Event]) -> None:
        nonlocal made, events
        made, events = made + 1, 0
        append(connection, batch)

    def broken(digest: bytes, links: Sequence[bytes]) -> bytes:
        nonlocal events
        events += 1
        if events == 50 and made <= attempts:
            end_all(folder)
        return chained(digest, links)

    monkeypatch.setattr(module, "_append", counted)
    monkeypatch.setattr(module, "chained", broken)


def test_a_connection_lost_in_a_batch_leaves_nothing_half_written(
    log: BufferedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller is told, and what was taken is kept; writing it then, and emitting it again, is harmless."""
    events = [validation(number) for number in range(1, 101)]
    losing(tmp_path, monkeypatch, attempts=2)
    with pytest.raises(LogError, match="no batch was partially written"):
        log.append(events, durable=True)
    assert asked(tmp_path, "SELECT count(*) FROM poet_events") == [(1,)]
    assert asked(tmp_path, "SELECT count(*) FROM poet_names") == [(1,)]
    log.flush()
    log.append(events, durable=True)
    assert [stored.event for stored in log.read()] == [validation(0), *events]


def test_a_connection_that_is_lost_once_is_made_again(
    log: BufferedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between batches, between questions or amid a batch: nobody notices."""
    end_all(tmp_path)
    assert log.position() == 1
    log.append([validation(1)], durable=True)
    losing(tmp_path, monkeypatch, attempts=1)
    log.append([validation(number) for number in range(2, 102)], durable=True)
    assert [stored.position for stored in log.read()] == list(range(1, 103))


def test_an_append_waits_for_the_one_before_it(log: BufferedLog, tmp_path: Path) -> None:
    """So no position becomes visible after a later one; readers wait for nobody."""
    with psycopg.connect(postgres_at(tmp_path)) as other:
        other.execute("SELECT * FROM poet_head FOR UPDATE")
        waiting = threading.Thread(target=lambda: log.append([validation(1)], durable=True))
        waiting.start()
        waiting.join(timeout=0.2)
        assert (waiting.is_alive(), log.position()) == (True, 1)
    waiting.join()
    assert log.position() == 2


def test_a_commit_is_on_disk_whatever_the_role_says(tmp_path: Path) -> None:
    """A database that acknowledges before the disk does is told to wait."""
    address = postgres_at(tmp_path).replace("options=", "options=-csynchronous_commit%3Doff%20")
    with module._Database(address).connected() as connection:
        assert connection.execute("SHOW synchronous_commit").fetchall() == [("on",)]


def test_the_events_lie_in_months(log: BufferedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next months are made before they are needed."""
    months = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'poet_events'::regclass"
    ((before,),) = asked(tmp_path, months)
    monkeypatch.setattr(module, "MONTHS_AHEAD", timedelta(days=100))
    log.append([validation(1)], durable=True)
    ((after,),) = asked(tmp_path, months)
    assert (before in (1, 2), after in (4, 5), log.position()) == (True, True, 2)


def test_many_that_open_at_once_migrate_once(tmp_path: Path) -> None:
    """One does it, the others wait for it."""
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
    assert asked(tmp_path, "SELECT version FROM poet_schema") == [(len(schema.MIGRATIONS),)]


@pytest.mark.usefixtures("log")
def test_a_log_of_an_earlier_release_is_brought_to_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events stay; a release that is too old then says so."""
    added = "ALTER TABLE poet_totals ADD COLUMN note text"
    with monkeypatch.context() as later:
        later.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, added))
        with open_log(postgres_at(tmp_path)) as again:
            assert [stored.event for stored in again.read()] == [validation(0)]
        assert asked(tmp_path, "SELECT note FROM poet_totals") == [(None,)]
    with pytest.raises(LogError, match="has schema version 2, this release knows 1"):
        open_log(postgres_at(tmp_path))


def test_a_database_that_cannot_hold_all_texts_is_refused() -> None:
    """Before anything is written to it."""
    with psycopg.connect(server(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE plain ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(LogError, match="server_encoding = SQL_ASCII, a feedback log needs UTF8"):
        open_log(server().replace("/postgres?", "/plain?"))


def test_a_name_that_the_database_cannot_hold_is_refused_at_the_door(log: BufferedLog) -> None:
    """It must not keep others from being written."""
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
    """Nor does what stands behind the message."""
    with pytest.raises(LogError, match=message) as caught:
        open_log(address)
    behind = [
        caught.value.__cause__,
        *([] if caught.value.__suppress_context__ else [caught.value.__context__]),
    ]
    assert "s3cret" not in f"{caught.value} {behind}"
