"""Look for events as they are written: newest first, by position, by name. No store needs an index for it."""

from collections.abc import Collection, Iterator

from poet.events import TELEMETRY
from poet.log._interface import Reader, Wanted, Written

__all__ = ["SEARCHED", "at", "named", "newest"]

SEARCHED = 200_000  # positions that one question goes back
STEP = 2_000  # positions that are read at once, going back


def newest(reader: Reader, wanted: Wanted, count: int, *, before: int, within: int) -> list[Written]:
    """Give the newest events that are wanted before a position, newest first.

    `within` says how many positions are searched: what is rare and far back is not found at any price.
    """
    found: list[Written] = []
    last = max(0, before - 1 - within)
    for end in range(before - 1, last, -STEP):
        page = [each for each in _written(reader, max(end - STEP, last), end) if _is_wanted(each, wanted)]
        found += reversed(page)
        if len(found) >= count:
            break
    return found[:count]


def at(reader: Reader, position: int) -> Written | None:
    """Give the event at a position; None where there is none."""
    return next(_written(reader, position - 1, position), None) if position > 0 else None


def named(reader: Reader, ids: Collection[str], *, until: int) -> list[Written]:
    """Give the events with one of these ids, of any source, up to a position; reads the log once."""
    return [each for each in _written(reader, 0, until) if each.id in ids] if ids else []


def _written(reader: Reader, after: int, until: int) -> Iterator[Written]:
    while after < until and (page := reader.written(after, until)):
        yield from page
        after = page[-1].position


def _is_wanted(each: Written, wanted: Wanted) -> bool:
    return (
        wanted.type in ("", each.type)
        and each.source.startswith(wanted.source)
        and wanted.text.encode() in each.raw
        and not (wanted.is_feedback and each.type in TELEMETRY)
    )
