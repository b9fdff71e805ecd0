"""The feedback log: whether it opens, is whole, and was written by clocks that agree with this one."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from poet.doctor._finding import Finding, ok, problem, warning
from poet.errors import PoetError
from poet.log import FeedbackLog, Wanted, open_log

__all__ = ["examine_log"]

FILE = "log.sqlite3"
DEAD = "dead-letters.jsonl"
AHEAD_S = 300.0  # what clocks of two machines may differ by
CHECKED_BELOW = 1_000_000_000  # bytes; to read more takes minutes


def examine_log(folder: Path, address: str, *, now: float) -> Iterator[Finding]:
    """Look at a workspace's log, in its folder or at its address; one that is not there yet is well."""
    file = folder / FILE
    if not address and not file.exists():
        yield ok("log", "no event yet")
        return
    if not address and (damage := _damage(file)):
        yield problem("log", f"{file}: {damage}", "move it away, then `poet import` an export of it")
        return
    try:
        with open_log(address or folder) as log:
            yield from _content(log, now)
    except (PoetError, ImportError) as error:
        says, _, then = str(error).rpartition("; ")
        yield problem("log", says or str(error), then if says else "see docs/stores.md")
    if (folder / DEAD).exists():
        yield warning(
            "dead letters", f"{folder / DEAD} holds refused events", "correct them, `poet import` them"
        )


def _content(log: FeedbackLog, now: float) -> Iterator[Finding]:
    yield ok("log", f"{sum(log.count_by_type().values())} events, position {log.position()}")
    ahead = [each for each in log.newest(Wanted()) if each.time > now + AHEAD_S]
    if ahead:
        hours = (ahead[0].time - now) / 3600.0
        says = f"{ahead[0].type} of {ahead[0].source} is dated {hours:.1f} hours ahead of this clock"
        yield warning("event times", says, "compare the two clocks; evidence fades by event time")


def _damage(file: Path) -> str:
    """Give what SQLite finds wrong; nothing is written."""
    if file.stat().st_size > CHECKED_BELOW:
        return ""
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        try:
            said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error as error:
        return str(error)
    return "" if said == "ok" else said
