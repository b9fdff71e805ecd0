"""Epochs: the part of a long log that learners read, so that the cost of a compile depends on what is new.

An epoch is `EPOCH_SIZE` log positions. Learners read the newest complete epoch, the open epoch after it, and
earlier epochs if these contain fewer than `MIN_FEEDBACK` feedback events. The first time that learners start
later than at the start of the log, this is recorded in the log. Therefore the epoch at which reading starts,
and its index, depend only on the log.

`count_events` counts the events per type and finds the time of the newest event.
"""

from typing import Final, NamedTuple

from poet.events import PAYLOADS, TELEMETRY
from poet.summaries import labels as _counts
from poet.summaries.engines import Bounded, Engine


def count_events(tables: Bounded) -> tuple[dict[str, int], float]:
    """Return the number of events of each existing type, and the newest event time, 0 without events."""
    names = tables.sealed(PAYLOADS)
    if not names:
        return {}, 0.0
    rows = tables.engine.run(_counts.events({name: tables(name) for name in names})).to_pylist()
    found = sorted((row["type"], row["n"], row["newest_time"]) for row in rows if row["n"])
    return {type_: n for type_, n, _ in found}, max((newest for _, _, newest in found), default=0.0)


EPOCH_SIZE: Final = 65_536  # log positions
MIN_FEEDBACK: Final = 4_096  # feedback events
EPOCH_STARTED: Final = "learning.epoch_started"


class LogWindow(NamedTuple):
    """The part of a log that learners read: from the start of epoch `first_epoch` on.

    `epoch_index` counts the possible starts: 1 is the start of the log, 2 the first later epoch at which
    learners started, 3 the epoch after that one. Once epoch 2 is recorded, all later indices are fixed.
    """

    tables: Bounded
    first_epoch: int = 1  # counted from 1
    epoch_index: int = 1
    is_start_recorded: bool = True  # False: the log has no record of the first later start yet


def log_window(engine: Engine, until: int) -> LogWindow:
    """Return the part to read of a log that ends at position `until`."""
    newest = max(until // EPOCH_SIZE - 1, 0)  # maximum number of skipped epochs
    recorded = _recorded_start(Bounded(engine, until)) if newest else None
    # an earlier compile found enough feedback from the recorded epoch on
    least = 0 if recorded is None else min(recorded - 1, newest)
    skipped, back = newest, 1
    while True:
        tables = Bounded(engine, until, after=skipped * EPOCH_SIZE)
        if skipped == 0:
            return LogWindow(tables)
        if skipped == least or _feedback(tables) >= MIN_FEEDBACK:
            first = skipped + 1
            index = 2 + first - (recorded or first)
            return LogWindow(tables, first, index, is_start_recorded=recorded is not None)
        skipped, back = max(newest - back, least), 2 * back


def _recorded_start(log: Bounded) -> int | None:
    """Return the first recorded epoch; ignore records of epochs after the record's own position."""
    if not log.has(EPOCH_STARTED):
        return None
    rows = log.engine.run(log(EPOCH_STARTED).order_by("position").select("position", "epoch")).to_pylist()
    return next((row["epoch"] for row in rows if (row["epoch"] - 1) * EPOCH_SIZE < row["position"]), None)


def _feedback(tables: Bounded) -> int:
    counts, _ = count_events(tables)
    return sum(n for type_, n in counts.items() if type_ not in TELEMETRY)
