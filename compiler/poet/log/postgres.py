"""The PostgreSQL store, for machines that share a feedback log: one committing and one reading connection.

An append is one transaction: lock the head, determine which events are new, copy them after the last
position, and advance the head. The lock is held until the commit is on the server's disk. Hence, after a
reader has read up to a position, no new event appears at or before it. A sequence would not guarantee that.

The module also contains the versioned migrations of the tables; events are partitioned by month.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from poet.events import Event
from poet.log.interface import EMPTY_DIGEST, RawEvent, StoredEvent, chained, link, restored
from poet_runtime.errors import LogError

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

except ImportError as error:
    raise LogError(
        f"a log in PostgreSQL needs psycopg ({error}); pip install 'poet-policy-compiler[postgres]'"
    ) from error


ROWS_PER_READ: Final = 1000
CONNECT_TIMEOUT_S: Final = 10
MONTHS_AHEAD: Final = timedelta(days=7)  # partitions are created this long before they are needed
# No commit is acknowledged before it is on disk. A hanging writer must not lock the head forever.
SESSION: Final = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
SET idle_in_transaction_session_timeout = '60s';
"""
HEAD: Final = "SELECT position, digest, months_until, clock_timestamp() FROM poet_head FOR UPDATE"
NAMES: Final = (
    "INSERT INTO poet_names SELECT * FROM unnest(%s::text[], %s::text[]) "
    "ON CONFLICT DO NOTHING RETURNING source, id"
)
COPY: Final = (
    "COPY poet_events (position, appended_at, source, id, type, time, raw, digest) FROM STDIN (FORMAT BINARY)"
)
TYPES: Final = ("int8", "timestamptz", "text", "text", "text", "float8", "bytea", "bytea")
ADD: Final = (
    "INSERT INTO poet_totals AS known SELECT * FROM unnest(%s::text[], %s::bigint[]) "
    "ON CONFLICT (type) DO UPDATE SET events = known.events + excluded.events"
)
MOVE: Final = "UPDATE poet_head SET position = %s, digest = %s, months_until = %s"
PAGE: Final = (
    "SELECT position, source, id, type, time, raw FROM poet_events WHERE position > %s AND position <= %s "
    "ORDER BY position LIMIT %s"
)
DIGEST: Final = "SELECT digest FROM poet_events WHERE position <= %s ORDER BY position DESC LIMIT 1"
COUNTS: Final = "SELECT type, count(*) FROM poet_events WHERE position > %s GROUP BY type"
FARTHEST: Final = 2**63 - 1

_Connection = psycopg.Connection[tuple[Any, ...]]


class PostgresStore:
    """The tables in the first schema of an address's search path."""

    def __init__(self, address: str) -> None:
        self._database = _Database(address)
        self.name = self._database.name

    @staticmethod
    def check(event: Event) -> None:
        """Raise `LogError` for an event with a text that the database cannot store."""
        if "\0" in event.id or "\0" in event.source or "\0" in event.type:
            raise LogError(
                f"the event {event.id!r} of {event.source!r} has a zero byte in its id, source or type, "
                "which PostgreSQL cannot store; rename it"
            )

    def prepare(self) -> None:
        """Create the tables, or migrate them to this release."""
        with self._database.translate_errors(), self._database.connected() as connection:
            migrate(connection, self.name)

    def writer(self) -> "_Writer":
        """Return a new writer."""
        return _Writer(self._database)

    def reader(self) -> "_Reader":
        """Return a new reader."""
        return _Reader(self._database)


class _Database:
    """A database address; its password never appears in messages."""

    def __init__(self, address: str) -> None:
        try:
            parts = conninfo_to_dict(address)
        except psycopg.ProgrammingError:  # its text may contain the password
            parts = {}
        if not parts:
            raise LogError(
                "the store's address cannot be read; use postgresql://user@host:5432/database, with "
                "special characters percent-encoded, such as %40"
            )
        self._address = address
        self._secrets = [str(parts[name]) for name in ("password", "sslpassword") if parts.get(name)]
        user, host, port = (parts.get(name) for name in ("user", "host", "port"))
        where = f"{f'{user}@' if user else ''}{host or ''}{f':{port}' if port else ''}"
        self.name = f"postgresql://{where}/{parts.get('dbname') or ''}"

    def connected(self) -> _Connection:
        """Return a new connection in autocommit mode."""
        connection = psycopg.connect(
            self._address, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, application_name="poet"
        )
        connection.execute(SESSION)
        return connection

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Translate errors of psycopg to a `LogError` with the next step."""
        try:
            yield
        except psycopg.Error as error:
            message = str(error).strip() or type(error).__name__
            for secret in self._secrets:
                message = message.replace(secret, "***")
            next_step = (
                "check that the server runs and admits this user"
                if isinstance(error, psycopg.OperationalError)
                else "check the permissions of the user"
            )
            raise LogError(
                f"{self.name} cannot be used ({message}); no batch was partially written: {next_step}, "
                "and try again"
            ) from None


class _Writer:
    """The committing connection, for one thread at a time."""

    def __init__(self, database: _Database) -> None:
        self._database = database
        self._connection: _Connection | None = None

    def commit(self, events: Sequence[Event]) -> None:
        """Write the new events in one transaction; they are on the server's disk on return.

        If the connection was lost since the last commit, the commit is retried on a new one. The retry is
        harmless if the server has already stored the events, because it stores one event per source and id.
        """
        is_used = self._connection is not None
        with self._database.translate_errors():
            try:
                self._commit(events)
            except psycopg.OperationalError:
                if not is_used:
                    raise
                self._commit(events)

    def _commit(self, events: Sequence[Event]) -> None:
        try:
            if self._connection is None:
                self._connection = self._database.connected()
            with self._connection.transaction():
                _append(self._connection, events)
        except BaseException:
            self.close()  # the server rolls back; a failed connection is not reused
            raise

    def close(self) -> None:
        """Close the connection, if open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Reader:
    """The reading connection, for any thread."""

    def __init__(self, database: _Database) -> None:
        self.in_use = threading.Lock()
        self._database = database
        self._connection: _Connection | None = None

    def page(self, after: int, until: int | None) -> list[StoredEvent]:
        """Return the next events in order."""
        rows = self._rows(PAGE, after, FARTHEST if until is None else until, ROWS_PER_READ)
        return [each for position, *row in rows for each in restored([tuple(row)], position)]

    def raw_events(self, after: int, until: int) -> list[RawEvent]:
        """Return the next events in order as stored."""
        return [
            RawEvent(position, source, identity, type_, time, bytes(raw))
            for position, source, identity, type_, time, raw in self._rows(PAGE, after, until, ROWS_PER_READ)
        ]

    def position(self) -> int:
        """Return the newest position."""
        ((newest,),) = self._rows("SELECT position FROM poet_head")
        return int(newest)

    def digest(self, position: int) -> str:
        """Return the digest of the events up to a position, in hex."""
        rows = self._rows(DIGEST, position)
        return (bytes(rows[0][0]) if rows else EMPTY_DIGEST).hex()

    def counts(self, after: int) -> dict[str, int]:
        """Return the number of events after a position, by type."""
        rows = self._rows(COUNTS, after) if after > 0 else self._rows("SELECT type, events FROM poet_totals")
        return dict(sorted(rows))

    def close(self) -> None:
        """Close the connection, if open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _rows(self, query: LiteralString, *values: int) -> list[Any]:
        with self.in_use, self._database.translate_errors():
            is_used = self._connection is not None
            try:
                return self._execute(query, values)
            except psycopg.OperationalError:  # the server may have closed an idle connection
                if not is_used:
                    raise
                return self._execute(query, values)

    def _execute(self, query: LiteralString, values: Sequence[int]) -> list[Any]:
        try:
            if self._connection is None:
                self._connection = self._database.connected()
            return self._connection.execute(query, values, binary=True).fetchall()
        except BaseException:
            self.close()
            raise


def _append(connection: _Connection, events: Sequence[Event]) -> None:
    """Append the new events; the caller commits."""
    ((position, digest, months_until, now),) = connection.execute(HEAD).fetchall()
    names = [event.source for event in events], [event.id for event in events]
    taken = set(connection.execute(NAMES, names).fetchall())
    new: dict[tuple[str, str], Event] = {}
    for event in events:
        if (key := (event.source, event.id)) in taken:
            new.setdefault(key, event)
    if not new:
        return
    months_until = _with_months(connection, months_until, now)
    with connection.cursor() as cursor, cursor.copy(COPY) as copying:
        copying.set_types(TYPES)
        for event in new.values():
            position += 1
            digest = chained(digest, [link(event.source, event.id)])
            copying.write_row(
                (position, now, event.source, event.id, event.type, event.time, event.raw, digest)
            )
    totals = Counter(event.type for event in new.values())
    connection.execute(ADD, (list(totals), list(totals.values())))
    connection.execute(MOVE, (position, digest, months_until))


def _with_months(connection: _Connection, until: datetime | None, now: datetime) -> datetime:
    """Create missing partitions up to `MONTHS_AHEAD` from now; return the end of the last partition."""
    while until is None or until < now + MONTHS_AHEAD:
        until = add_month(connection, (until or now).astimezone(UTC))
    return until


MIGRATING: Final = 0x504F4554  # "POET", the advisory lock that serializes migrations
# `poet_head` has one row: an append locks it until the commit, so positions are assigned in the order in
# which they become visible. `poet_names` enforces one event per source and id across all months. `position`
# and `digest` (the chain over all events so far) are as in the embedded store.
MIGRATIONS: Final = (
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

_AnyConnection = psycopg.Connection[Any]


def migrate(connection: _AnyConnection, name: str) -> None:
    """Migrate the tables to this release; of several callers, one migrates and the others wait.

    Raises
    ------
    LogError
        The database belongs to a later release, or is not suitable for a log.
    """
    if _version(connection) == len(MIGRATIONS):
        return
    _require_usable(connection, name)
    # acquired before the transaction starts: inside it, changes made during the wait might be invisible
    connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATING,))
    try:
        with connection.transaction():
            _migrate(connection, name)
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (MIGRATING,))


def _migrate(connection: _AnyConnection, name: str) -> None:
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


def _version(connection: _AnyConnection) -> int:
    if connection.execute("SELECT to_regclass('poet_schema')").fetchall() == [(None,)]:
        return 0
    ((version,),) = connection.execute("SELECT version FROM poet_schema").fetchall()
    return int(version)


def _require_usable(connection: _AnyConnection, name: str) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise LogError(
            f"{name} has server_encoding = {encoding}, a feedback log needs UTF8; "
            "create the database with this encoding, or choose another"
        )
    if connection.execute("SELECT current_setting('fsync') = 'off'").fetchall() == [(True,)]:
        raise LogError(
            f"{name} runs with fsync = off, so events may be lost; switch it on, or choose another"
        )


def add_month(connection: _AnyConnection, day: datetime) -> datetime:
    """Create the partition of a day's month, and return the end of the month.

    The partition is created as a separate table and then attached, which does not wait for readers with long
    queries.
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
