"""The feedback log and processes: forks, workers, exits, and readers during writes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from poet.log import open_log
from tests.builders import filled_log, validation
from tests.stores import location, opened

pytestmark = pytest.mark.usefixtures("each_store")

ROOT = Path(__file__).parents[1]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_uses_its_own_connection(tmp_path: Path) -> None:
    """Parent and child both append, and both events are stored."""
    log = filled_log(tmp_path, [validation(1)])
    child = os.fork()
    if child == 0:
        log.append([validation(2)], durable=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    log.append([validation(3)], durable=True)
    assert sorted(stored.event.id for stored in log.read()) == ["v1-user/ana", "v2-user/ana", "v3-user/ana"]
    log.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forks_during_writes_lose_no_event(tmp_path: Path) -> None:
    """A thread emits while emitting children are forked. Each event is stored once."""
    log = filled_log(tmp_path, [validation(0)])
    enough = threading.Event()
    emitted = 0

    def emit() -> None:
        nonlocal emitted
        while not enough.is_set():
            emitted += 1
            log.append([validation(emitted, source="parent")], durable=emitted % 5 == 0)

    thread = threading.Thread(target=emit)
    thread.start()
    for child in range(12):
        process = os.fork()
        if process == 0:
            log.append([validation(child, source="child")], durable=True)
            list(log.read(after=log.position() - 1))
            os._exit(0)
        assert os.waitpid(process, 0)[1] == 0
    enough.set()
    thread.join()
    log.flush()
    assert log.position() == 1 + emitted + 12
    assert [stored.position for stored in log.read()] == list(range(1, log.position() + 1))
    log.close()


def test_a_fork_leaves_the_parents_buffer_to_the_parent(tmp_path: Path) -> None:
    """The child neither writes nor loses it."""
    log = filled_log(tmp_path, [validation(0)])
    log.append([validation(1)])
    child = os.fork()
    if child == 0:
        log.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    log.close()
    with opened(tmp_path) as again:
        assert again.position() == 2


def emit_and_end(at: Path | str) -> None:
    """Emit without waiting, then return."""
    open_log(at).append(validation(number, source="worker") for number in range(50))


@pytest.mark.parametrize("start", [get_context("fork").Process, get_context("spawn").Process])
def test_a_worker_process_writes_its_buffer_at_exit(
    tmp_path: Path, start: Callable[..., BaseProcess]
) -> None:
    """Worker processes skip `atexit`; their buffer is still written."""
    worker = start(target=emit_and_end, args=(location(tmp_path),))
    worker.start()
    worker.join()
    with opened(tmp_path) as log:
        assert (worker.exitcode, log.position()) == (0, 50)


def test_a_program_that_ends_without_closing_loses_nothing(tmp_path: Path) -> None:
    """At exit, open logs are closed."""
    program = "import sys; from tests.test_log_processes import *; emit_and_end(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(location(tmp_path))], check=True, cwd=ROOT)
    with opened(tmp_path) as log:
        assert log.position() == 50


WRITER = """
import sys
from poet.log import open_log
from tests.builders import validation
with open_log(sys.argv[1]) as log:
    for number in range(100):
        log.append([validation(10 * number + row, source=sys.argv[2]) for row in range(3)], durable=True)
"""


def test_a_reader_sees_positions_in_order(tmp_path: Path) -> None:
    """While three processes write, the next event always has the next position."""
    log = opened(tmp_path)
    command = [sys.executable, "-c", WRITER, str(location(tmp_path))]
    writers = [subprocess.Popen([*command, name], cwd=ROOT) for name in "abc"]
    seen: list[int] = []
    deadline = time.monotonic() + 30.0
    while len(seen) < 900 and time.monotonic() < deadline:
        seen += [stored.position for stored in log.read(after=len(seen))]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert seen == list(range(1, 901))
    log.close()
