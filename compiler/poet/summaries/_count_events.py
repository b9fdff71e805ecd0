"""How many events of each type there are, and when the newest happened."""

from poet.events import PAYLOADS
from poet.summaries import _counts
from poet.summaries._bounded import Bounded

__all__ = ["count_events"]


def count_events(tables: Bounded) -> tuple[dict[str, int], float]:
    """Give events per type (those that there are), and the newest event time, 0 without events."""
    names = tables.sealed(PAYLOADS)
    if not names:
        return {}, 0.0
    rows = tables.engine.run(_counts.events({name: tables(name) for name in names})).to_pylist()
    found = sorted((row["type"], row["n"], row["newest_time"]) for row in rows if row["n"])
    return {type_: n for type_, n, _ in found}, max((newest for _, _, newest in found), default=0.0)
