"""Pages: which part of a long log a learner reads, so that a compile costs what is new and not what is old.

A page is `PAGE` log positions. Learners read the newest whole page and the open one after it, and earlier
ones where these hold less than `FEWEST` events of feedback. Who begins later than at the start tells the
log the first time, so where reading begins, and the number of that beginning, depend on the log alone.

How many events of each type there are, and when the newest happened.
"""

from typing import Final, NamedTuple

from poet.events import PAYLOADS, TELEMETRY
from poet.summaries import labels as _counts
from poet.summaries.engines import Bounded, Engine


def count_events(tables: Bounded) -> tuple[dict[str, int], float]:
    """Give events per type (those that there are), and the newest event time, 0 without events."""
    names = tables.sealed(PAYLOADS)
    if not names:
        return {}, 0.0
    rows = tables.engine.run(_counts.events({name: tables(name) for name in names})).to_pylist()
    found = sorted((row["type"], row["n"], row["newest_time"]) for row in rows if row["n"])
    return {type_: n for type_, n, _ in found}, max((newest for _, _, newest in found), default=0.0)


PAGE: Final = 65_536  # log positions
FEWEST: Final = 4_096  # events of feedback
BEGUN: Final = "learning.begun"


class Window(NamedTuple):
    """The part of a log that is read, from the beginning of a page on.

    The beginning has a number: 1 is the start of the log, 2 the page at which learners first began elsewhere,
    3 the page after that one. After the first time nothing that anybody does can change which page has which.
    """

    tables: Bounded
    first_page: int = 1  # counted from 1
    beginning: int = 1
    has_begun: bool = True  # False: the log does not tell of that first time yet


def window_of(engine: Engine, until: int) -> Window:
    """Give the part to be read of a log that ends at position `until`."""
    newest = max(until // PAGE - 1, 0)  # pages that are passed over, at most
    first = _first_begun(Bounded(engine, until)) if newest else None
    at_least = 0 if first is None else min(first - 1, newest)  # from there on it was enough before
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
    """Give the page that the log tells of first; a page that was not there yet is not heard of."""
    if not log.has(BEGUN):
        return None
    rows = log.engine.run(log(BEGUN).order_by("position").select("position", "page")).to_pylist()
    return next((row["page"] for row in rows if (row["page"] - 1) * PAGE < row["position"]), None)


def _feedback(tables: Bounded) -> int:
    counts, _ = count_events(tables)
    return sum(n for type_, n in counts.items() if type_ not in TELEMETRY)
