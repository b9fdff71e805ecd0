"""The location of a test's log: a folder, or a PostgreSQL server that the tests start."""

import atexit
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from poet.log import BufferedLog, open_log

USER = "poet"
PATIENCE_S = 30.0
STORES = ["embedded", "postgres"]
_current = "embedded"


def location(folder: Path) -> Path | str:
    """Return the folder, or the address of its own database schema, in the tested store."""
    return folder if _current == "embedded" else postgres_at(folder)


def opened(folder: Path, **options: Any) -> BufferedLog:
    """Open the log of a folder in the tested store."""
    return open_log(location(folder), **options)


@contextmanager
def in_store(store: str) -> Iterator[None]:
    """Make `location` return addresses in this store."""
    global _current  # noqa: PLW0603 -- as the store of a test is for all that it calls
    if store == "postgres":
        server()
    before, _current = _current, store
    try:
        yield
    finally:
        _current = before


def postgres_at(folder: Path) -> str:
    """Return the address of the database schema of a folder."""
    schema = f"t_{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    with psycopg.connect(server(), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
    return f"{server()}&options={quote(f'-csearch_path={schema}', safe='')}"


@cache
def server() -> str:
    """Start a server on a socket in a temporary folder for all tests; return its address."""
    programs = binaries()
    home = Path(tempfile.mkdtemp(prefix="poet-pg-"))
    data, user = home / "data", _unprivileged(home)
    as_user: dict[str, Any] = {"user": user, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(initdb, check=True, cwd=home, **as_user)
    command = [str(programs / "postgres"), "-D", str(data), "-k", str(home), "-c", "listen_addresses="]
    running = subprocess.Popen(command, cwd=home, **as_user)
    atexit.register(_stop, running, os.getpid())
    address = f"postgresql://{USER}@/postgres?host={quote(str(home), safe='')}"
    _wait(lambda: psycopg.connect(address).close())
    return address


def _stop(running: "subprocess.Popen[Any]", owner: int) -> None:
    if os.getpid() == owner:  # not in a forked child
        running.send_signal(signal.SIGINT)
        running.wait()


def _wait(attempt: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            attempt()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def binaries() -> Path:
    """Return the folder of the server's programs, or skip the test if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        pytest.skip("no PostgreSQL server is installed here (no initdb)")
    return found[-1].parent if found else Path(str(on_path)).parent


def _unprivileged(home: Path) -> str | None:
    """Return an account for the server that is not root, and give it the folder."""
    if os.getuid() != 0:
        return None
    shutil.chown(home, "nobody")
    return "nobody"
