"""The boundary table of `generate_alerts`: both sides of every number that the decisions hold."""

import itertools
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import numpy as np

from poet.decisions import Decisions
from poet.policies.generate_alerts import Calm, Pattern
from poet.runtime.results import Alert, AlertPlan, DriftResult
from poet.validate._alerts_book import Book, Row, lot, said, who
from poet.validate._contract import Broken, demand
from poet.validate._near import beside, near_misses

__all__ = ["IMPACTS", "boundary_table", "demand_as_said"]

IMPACTS = ("", "none", "low", "medium", "high", "critical", "unheard of")
DIRECTIONS = ("above", "below")
STRANGER = "no such feature"
LOTS = 1000  # ids to choose those from that a holdout just takes and just leaves


def boundary_table(module: ModuleType, decisions: Decisions) -> int:
    """Ask on both sides of every learned constant, and compare with what the decisions say."""
    book, count = Book(decisions), 0
    _demand_shares(module, book)
    for count, row in enumerate(_rows(book), start=1):  # noqa: B007 -- the last one is the number of rows
        demand_as_said(module.generate_alerts(row.results, history=row.history, now=row.now), book, row)
    for moment in (0.0, *_moments(book)):
        results = [_result(STRANGER), *map(_result, book.features)]
        for now, row in _forms(moment, results):
            count += 1
            demand_as_said(module.generate_alerts(results, now=now), book, row)
    return count


def _demand_shares(module: ModuleType, book: Book) -> None:
    """Hold the share that a holdout lets through against the decisions: no id lies within an ulp of it."""
    there, shares = vars(module).get("holdout"), list[float]()
    if not book.suppressions or there is None:
        return

    def told(taken: Any, share: float) -> Any:
        shares.append(share)
        return there(taken, share)

    vars(module)["holdout"] = told
    try:
        now = _moments(book)[0]
        module.generate_alerts([_result(feature) for feature in book.features], now=now)
    finally:
        vars(module)["holdout"] = there
    expected = [share for _, _, share in book.suppressions]
    demand(shares == expected, f"it lets through shares of {shares}, its decisions say {expected}")


def demand_as_said(plan: AlertPlan, book: Book, row: Row) -> None:
    """Raise `Broken` unless a plan is what the decisions say."""
    if not isinstance(plan, AlertPlan):
        raise Broken(f"it answers {type(plan).__name__}, not AlertPlan")
    where = f"{list(map(who, row.results))} at {row.now} after {len(row.history)} alerts"
    found, expected = said(plan), book.plan(row)
    demand(found == expected, f"{where} gives {found}, its decisions say {expected}")
    bars, given = book.bars(row), {feature: repr(bar) for feature, bar in plan.thresholds.items()}
    is_told = bars.keys() == given.keys() and all(given[feature] in bars[feature] for feature in bars)
    demand(is_told, f"{where} raises bars to {given}, its decisions say {bars}")
    says = f"{where} says version {plan.policy_version}, it is {book.version}"
    demand(plan.policy_version == book.version, says)


def _rows(book: Book) -> Iterator[Row]:
    for now in (None, 0.0, -1.0, *_moments(book)):
        yield Row([_result(STRANGER), *map(_result, book.features)], now=now)
        for miss in near_misses(book.features):
            yield Row([_result(miss), _result(miss, impact="low", k=1)], now=now)
    for _, pattern, share in book.suppressions:
        yield from _around_a_suppression(pattern, share, book)
    if book.calm is not None:
        yield from _around_a_pause(book.calm, book)
    for rule, features, least in book.groups:
        yield from _around_a_group(rule, features, least, book)
    for _, least in book.batches:
        for n, now in itertools.product((least - 1, least, least + 1), (None, *_moments(book))):
            yield Row([_result(STRANGER, k=k) for k in range(n)], now=now)
        for impact in IMPACTS:
            yield Row([_result(STRANGER, impact="low" if k else impact, k=k) for k in range(least)])


def _around_a_suppression(pattern: Pattern, share: float, book: Book) -> Iterator[Row]:
    moments = (None, *sorted({*_moments(book), *beside(pattern.until)}))
    for feature in pattern.features:
        for now, k in itertools.product(moments, _on_both_sides(feature, share)):
            yield Row([_result(feature, k=k)], now=now)
            if now is not None:
                yield Row([_result(feature, k=k)], [Alert(members=(_result(feature),), raised_at=now)], now)
    first = pattern.features[0]
    least = _on_both_sides(first, share)[-1]  # the one that is surely held back
    scores = (*beside(pattern.ratio_at_most or 2.0), 0.5, 1e9, math.nan, math.inf)
    for score, impact, direction in itertools.product(scores, IMPACTS, DIRECTIONS):
        result = _result(first, score, impact, direction=direction, k=least)
        for now in moments[1:]:
            yield Row([result], now=now)


def _around_a_pause(calm: Calm, book: Book) -> Iterator[Row]:
    scores = (*beside(calm.factor), math.nan, math.inf)
    for now in _moments(book):
        for raised_at in (*beside(now - calm.seconds), now, now + 1.0):
            earlier = Alert(members=(_result(STRANGER),), raised_at=raised_at)
            yield Row([_result("another")], [earlier], now)
            yield Row([_result(STRANGER)], [earlier], None)
            for score, impact, direction in itertools.product(scores, IMPACTS, DIRECTIONS):
                yield Row([_result(STRANGER, score, impact, direction=direction)], [earlier], now)
        for gap in beside(calm.seconds):  # from a moment of zero no gap is rounded
            yield Row([_result(STRANGER)], [Alert(members=(_result(STRANGER),), raised_at=0.0)], gap)
        soon = AlertPlan(alerts=(Alert(members=(_result(STRANGER),), raised_at=now - calm.seconds / 2.0),))
        old = Alert(members=(_result(STRANGER),), raised_at=now - 2.0 * calm.seconds)
        unknown = Alert(members=(_result(STRANGER),))
        for history in ([soon, old], [old, soon], [old, unknown]):
            yield Row([_result(STRANGER), _result(STRANGER, 1e9, k=1)], history, now)


def _around_a_group(rule: str, features: tuple[str, ...], least: int, book: Book) -> Iterator[Row]:
    in_turn = list(itertools.islice(itertools.cycle(features), max(least + 1, len(features))))
    every = [_result(feature, k=k) for k, feature in enumerate(in_turn)]
    sizes = sorted({0, 1, least - 1, least, least + 1, len(features)} & set(range(len(every) + 1)))
    for now, n in itertools.product((None, *_moments(book)), sizes):
        yield Row([*every[:n], _result("elsewhere")], now=now)
        if now is None:
            continue
        raised = now - (book.calm.seconds / 2.0 if book.calm else 1.0)
        summed = Alert(members=(every[0],), group=rule, is_summary=True, raised_at=raised)
        for history in ([summed], [summed, *(Alert(members=(each,), raised_at=raised) for each in every)]):
            yield Row(every[:n], history, now)
            yield Row(every[1:2], history, now)
    for impact in IMPACTS:
        yield Row([_result(each.feature, impact="low" if k else impact, k=k) for k, each in enumerate(every)])
    for each in features:  # a member that is left out of the rule's features is one too few
        yield Row([_result(each, k=k) for k in range(least)])


def _forms(moment: float, results: list[DriftResult]) -> Iterator[tuple[Any, Row]]:
    """Give a moment as people write it, and moments that nobody knows."""
    there = datetime.fromtimestamp(moment, UTC)
    yield from ((now, Row(results, now=moment)) for now in (int(moment), there, there.replace(tzinfo=None)))
    yield np.datetime64(there.replace(tzinfo=None), "us"), Row(results, now=moment)
    yield from ((now, Row(results)) for now in (math.nan, np.datetime64("NaT")))


def _on_both_sides(feature: str, share: float) -> tuple[int, ...]:
    """Give the ids that a holdout just takes and just leaves, and those that it takes and leaves first."""
    lots = {k: lot(_result(feature, k=k)) for k in range(LOTS)}
    taken = [k for k in lots if lots[k] < share]
    left = [k for k in lots if lots[k] >= share]
    return tuple(
        dict.fromkeys((
            *((min(taken, key=lots.__getitem__), max(taken, key=lots.__getitem__)) if taken else ()),
            *((min(left, key=lots.__getitem__), max(left, key=lots.__getitem__)) if left else ()),
        ))
    )  # fmt: skip


def _moments(book: Book) -> tuple[float, float]:
    """Give a moment before every suppression's end, and one after."""
    ends = [pattern.until for _, pattern, _ in book.suppressions]
    return min([1e6, *ends]) - 1e5, max([1e6, *ends]) + 1e6


def _result(
    feature: str, beyond: float = 1.5, impact: str = "", *, direction: Any = "above", k: int = 0
) -> DriftResult:
    """Give a result that is so many times beyond its threshold."""
    return DriftResult(
        drifted=True,
        score=beyond if direction == "above" else 1.0,
        threshold=1.0 if direction == "above" else beyond,
        test="ks/raw/absolute",
        direction=direction,
        feature=feature,
        execution_id=f"x{k}-{feature}",
        business_impact=impact,
    )
