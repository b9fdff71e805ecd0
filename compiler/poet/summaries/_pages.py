"""Pages: which part of a long log a learner reads, so that a compile costs what is new and not what is old.

A page is `PAGE` log positions. Learners read the newest whole page and the open one after it, and earlier
ones where these hold less than `FEWEST` events of feedback. It depends on the log alone.
"""

from typing import NamedTuple

from poet.summaries._bounded import Bounded
from poet.summaries._columns import EXECUTION
from poet.summaries._count_events import count_events
from poet.summaries._engine import Engine

__all__ = ["FEWEST", "PAGE", "Window", "window_of"]

PAGE = 65_536  # log positions
FEWEST = 2_048  # events of feedback


class Window(NamedTuple):
    """The part of a log that is read."""

    tables: Bounded
    first_page: int  # that it begins with, counted from 1


def window_of(engine: Engine, until: int) -> Window:
    """Give the tables from the beginning of a page on, up to log position `until`."""
    newest = max(until // PAGE - 1, 0)
    back, first = 1, newest
    while True:
        tables = Bounded(engine, until, after=first * PAGE)
        if first == 0 or _feedback(tables) >= FEWEST:
            return Window(tables, first + 1)
        first, back = max(newest - back, 0), 2 * back


def _feedback(tables: Bounded) -> int:
    counts, _ = count_events(tables)
    return sum(n for type_, n in counts.items() if type_ != EXECUTION)
