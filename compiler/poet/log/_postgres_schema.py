"""The tables in PostgreSQL: versioned migrations, and the months that the events lie in."""

from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from poet.errors import LogError

__all__ = ["MIGRATIONS", "add_month", "migrate"]

MIGRATING = 0x504F4554  # "POET", the advisory lock that one migration at a time holds
# `poet_head` has one row: whoever appends locks it until the commit, so positions are given in the order in
# which they become visible. `poet_names` makes an event the only one of its source and id, whatever month
# each copy came in. `position` and `digest` (the chain over all events so far) are as in the embedded store.
MIGRATIONS = (
    """
    CREATE TABLE poet_events (
        position bigint NOT NULL,
        appended_at timestamptz NOT NULL,
        source text NOT NULL,
        id text NOT NULL,
        type text NOT NULL,
        time double precision NOT NULL,
        raw bytea NOT NULL,
        digest bytea NOT NULL
    ) PARTITION BY RANGE (appended_at);
    CREATE INDEX poet_events_position ON poet_events (position);
    CREATE TABLE poet_names (source text, id text, PRIMARY KEY (source, id));
    CREATE TABLE poet_totals (type text PRIMARY KEY, events bigint NOT NULL);
    CREATE TABLE poet_head (
        position bigint NOT NULL,
        digest bytea NOT NULL,
        months_until timestamptz
    ) WITH (fillfactor = 10);
    INSERT INTO poet_head VALUES (0, sha256(''), NULL);
    """,
)

_Connection = psycopg.Connection[Any]


def migrate(connection: _Connection, name: str) -> None:
    """Bring the tables to what this release knows; of several callers one does, the others wait.

    Raises
    ------
    LogError
        The database belongs to a later release, or cannot hold a log.
    """
    if _version(connection) == len(MIGRATIONS):
        return
    _require_usable(connection, name)
    # taken before the transaction begins: within one, what others did while this waited might not be seen
    connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATING,))
    try:
        with connection.transaction():
            _migrate(connection, name)
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (MIGRATING,))


def _migrate(connection: _Connection, name: str) -> None:
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise LogError(
            f"{name} has schema version {version}, this release knows {len(MIGRATIONS)}; "
            "use the release that wrote it, or a later one"
        )
    if version == 0:
        connection.execute("CREATE TABLE poet_schema (version integer NOT NULL)")
        connection.execute("INSERT INTO poet_schema VALUES (0)")
    for statements in MIGRATIONS[version:]:
        connection.execute(statements.encode())
    connection.execute("UPDATE poet_schema SET version = %s", (len(MIGRATIONS),))


def _version(connection: _Connection) -> int:
    if connection.execute("SELECT to_regclass('poet_schema')").fetchall() == [(None,)]:
        return 0
    ((version,),) = connection.execute("SELECT version FROM poet_schema").fetchall()
    return int(version)


def _require_usable(connection: _Connection, name: str) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise LogError(
            f"{name} has server_encoding = {encoding}, a feedback log needs UTF8; "
            "create the database so, or choose another"
        )
    if connection.execute("SELECT current_setting('fsync') = 'off'").fetchall() == [(True,)]:
        raise LogError(
            f"{name} runs with fsync = off, so what it takes may be lost; switch it on, or choose another"
        )


def add_month(connection: _Connection, day: datetime) -> datetime:
    """Make the partition of a day's month, and give where it ends.

    It is made beside the table and attached: a reader in the midst of a long query is not waited for.
    """
    first = datetime(day.year, day.month, 1, tzinfo=UTC)
    after = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
    month = sql.Identifier(f"poet_events_{first:%Y_%m}")
    connection.execute(sql.SQL("CREATE TABLE {month} (LIKE poet_events INCLUDING ALL)").format(month=month))
    connection.execute(
        sql.SQL(
            "ALTER TABLE poet_events ATTACH PARTITION {month} FOR VALUES FROM ({first}) TO ({after})"
        ).format(month=month, first=sql.Literal(first), after=sql.Literal(after))
    )
    return after
