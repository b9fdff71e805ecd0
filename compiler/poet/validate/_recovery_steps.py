"""What is done with a run, step by step, as the decisions of `monitor_with_recovery` say it."""

import itertools
import math
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from poet.compare.monitor_with_recovery import ERRORS, asked_how
from poet.validate._contract import demand
from poet.validate._recovery_book import Book

__all__ = ["steps_table"]

OF_A_PROCESS = ("crash", "memory")  # errors that a monitor in the caller's process would not be told of
STRANGER = "no such computation"


def steps_table(module: ModuleType, book: Book) -> int:
    """Tell a module a run's measures in place of data, and compare what it does with it.

    Every number that the decisions hold is met at its own value, one ulp or one row either side. Gives the
    number of rows.
    """
    there, count = vars(module).get("prepare"), 0
    try:
        for count, told in enumerate(_told(book), start=1):  # noqa: B007 -- the last one is the number of rows
            given, outcome = asked_how(module, told)
            steps = outcome.results
            wanted = [{**{name: name for name in ("data", "monitor", "context")}, "version": book.version}]
            demand(given == wanted, f"it prepares {given}, expected {wanted}")
            expected = tuple(_expected(book, told))
            demand(steps == expected, f"{told}: it does {steps}, its decisions say {expected}")
            true = told["error"], told["error"] == "timeout", ("told to fail",) if told["error"] else ()
            says = outcome.error, outcome.timed_out, outcome.warnings
            demand(says == true, f"{told}: it says {says}, the run said {true}")
    finally:
        vars(module)["prepare"] = there
    return count


def _told(book: Book) -> Iterator[dict[str, Any]]:
    rows, features, shares, computations = {0, 1}, {1}, {0.0, 1.0}, {"", STRANGER}
    if book.sparse:
        above = book.sparse[0].missing_above
        shares |= {math.nextafter(above, -math.inf), above, math.nextafter(above, math.inf)}
    if book.sample:
        rows |= _beside(book.sample[0].rows_above)
    for reach, _ in book.deadlines:
        rows |= {*_beside(reach.rows_from), *_beside(reach.rows_to)}
        features |= {*_beside(reach.features_from), *_beside(reach.features_to)}
        computations.add(reach.computation or "")
    for failed, _ in book.fallbacks:
        rows |= _beside(failed.rows_above or 1)
    for each in itertools.product(
        sorted(rows), sorted(features), sorted(shares), sorted(computations), ERRORS
    ):
        yield dict(zip(("rows", "features", "missing_share", "computation", "error"), each, strict=True))


def _beside(value: int) -> set[int]:
    return {value - 1, value, value + 1}


def _expected(book: Book, told: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    rows = told["rows"]
    before: list[tuple[Any, ...]] = []
    if book.sparse and told["missing_share"] > book.sparse[0].missing_above:
        before.append(("sparse", book.sparse[0].missing_above, book.sparse[1].quality_loss))
    if book.sample and rows > book.sample[0].rows_above:
        rows = min(rows, book.sample[1].rows)
        before.append(("sampled", book.sample[1].rows, book.sample[1].quality_loss))
    own = [pair for pair in book.deadlines if pair[0].computation == told["computation"]]
    for reach, allowed in own or [pair for pair in book.deadlines if pair[0].computation is None]:
        if (
            reach.rows_from <= rows <= reach.rows_to
            and reach.features_from <= told["features"] <= reach.features_to
        ):
            before.append(("within", allowed.seconds, allowed.per_rows, allowed.per_features))
    if any(failed.error in OF_A_PROCESS for failed, _ in book.fallbacks):
        before.append(("isolated",))
    late = next((failed for failed, _ in book.fallbacks if failed.error == "timeout"), None)
    spares = late is not None and (late.rows_above is None or rows > late.rows_above)
    yield from (*before, ("full", spares))
    for failed, tried in book.fallbacks:
        if failed.error == told["error"] and (failed.rows_above is None or rows > failed.rows_above):
            yield (
                "recovered",
                (*before, ("full", spares))[:-1],
                tried.strategies,
                tried.quality_losses,
                tried.rows,
            )
            return
