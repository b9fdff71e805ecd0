"""Writers are killed at random moments; nothing that was acknowledged is lost."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from poet.log import open_log
from tests.builders import validation

WRITER = """
import sys
from pathlib import Path
from poet.events import make
from poet.log import open_log
folder, name = Path(sys.argv[1]), sys.argv[2]
log = open_log(folder)
with open(folder / f"acknowledged-{name}", "a") as said:
    for batch in range(100_000):
        events = [
            make("drift.validation", {"execution_id": f"{batch}-{row}", "was_real_drift": True},
                 source=name, id=f"{batch}-{row}")
            for row in range(20)
        ]
        log.append(events, durable=True)
        said.write("".join(f"{name} {event.id}\\n" for event in events))
        said.flush()
"""
WRITERS, ROUNDS = 4, 3


def test_no_acknowledged_event_is_lost_when_all_writers_are_killed(tmp_path: Path) -> None:
    """After each massacre the log is sound, holds all that was acknowledged, and takes more."""
    chance = random.Random(7)
    for round_ in range(ROUNDS):
        names = [f"w{round_}-{row}" for row in range(WRITERS)]
        writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name]) for name in names]
        deadline = time.monotonic() + 20.0
        said = [tmp_path / f"acknowledged-{name}" for name in names]
        while not all(path.exists() and path.stat().st_size for path in said) and time.monotonic() < deadline:
            time.sleep(0.02)
        for writer in chance.sample(writers, WRITERS):
            time.sleep(chance.random() * 0.1)
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        connection = sqlite3.connect(tmp_path / "log.sqlite3")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
        with open_log(tmp_path) as log:
            there = {(stored.event.source, stored.event.id) for stored in log.read()}
            log.append([validation(round_)], durable=True)
        lines = [line for path in tmp_path.glob("acknowledged-*") for line in path.read_text().splitlines()]
        acknowledged = {(name, identity) for name, _, identity in (line.partition(" ") for line in lines)}
        assert len(acknowledged) > 0
        assert acknowledged <= there
