"""Epochs: the part of a long log that learners read, so that the cost of a compile depends on what is new.

A page is `PAGE` log positions. Learners read the newest complete page, the open page after it, and earlier
pages if these contain fewer than `FEWEST` feedback events. The first time that learners start later than at
the start of the log, this is recorded in the log. Therefore the page at which reading starts, and its epoch
index, depend only on the log.

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


PAGE: Final = 65_536  # log positions
FEWEST: Final = 4_096  # feedback events
BEGUN: Final = "learning.epoch_started"


class Window(NamedTuple):
    """The part of a log that is read, from the start of a page on.

    `beginning` is the epoch index: 1 is the start of the log, 2 the page at which learners first started
    elsewhere, 3 the page after that one. Once this first page is recorded, the index of every page is fixed.
    """

    tables: Bounded
    first_page: int = 1  # counted from 1
    beginning: int = 1
    has_begun: bool = True  # False: the log has no record of the first later start yet


def window_of(engine: Engine, until: int) -> Window:
    """Return the part to read of a log that ends at position `until`."""
    newest = max(until // PAGE - 1, 0)  # maximum number of skipped pages
    first = _first_begun(Bounded(engine, until)) if newest else None
    at_least = (
        0 if first is None else min(first - 1, newest)
    )  # an earlier compile found enough feedback from there on
    passed, back = newest, 1
    while True:
        tables = Bounded(engine, until, after=passed * PAGE)
        if passed == 0:
            return Window(tables)
        if passed == at_least or _feedback(tables) >= FEWEST:
            page = passed + 1
            return Window(tables, page, 2 + page - (first or page), has_begun=first is not None)
        passed, back = max(newest - back, at_least), 2 * back


def _first_begun(log: Bounded) -> int | None:
    """Return the first recorded page; ignore records of pages after the record's own position."""
    if not log.has(BEGUN):
        return None
    rows = log.engine.run(log(BEGUN).order_by("position").select("position", "page")).to_pylist()
    return next((row["page"] for row in rows if (row["page"] - 1) * PAGE < row["position"]), None)


def _feedback(tables: Bounded) -> int:
    counts, _ = count_events(tables)
    return sum(n for type_, n in counts.items() if type_ not in TELEMETRY)
