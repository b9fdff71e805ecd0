"""Oracle and boundary table of `generate_alerts`.

The oracle predicts a plan from the decisions, independently of the generated code. The boundary table checks
a module against it on both sides of every number in the decisions.
"""

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from types import ModuleType
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import numpy as np

from poet.build.contract import ContractViolation, adjacent_floats, near_miss_strings, require
from poet.policies.generate_alerts.policy import Calm, Floor, Group, Many, Members, Pattern, Share
from poet.spec.decisions import Decisions, Rule
from poet_runtime.alerts import AlertPlanner
from poet_runtime.results import Alert, AlertPlan, DriftResult

SEVERITIES: Final = ("low", "medium", "high", "critical")
_Shape = TypeVar("_Shape")


class Row(NamedTuple):
    """The arguments of one call of the policy."""

    results: Sequence[DriftResult]
    history: Sequence[Any] = ()
    now: float | None = None


class PlanSummary(NamedTuple):
    """A plan, independent of order, with multiplicities."""

    alerts: list[tuple[Any, ...]]
    suppressed: list[tuple[Any, ...]]


def summarize(plan: AlertPlan) -> PlanSummary:
    """Return a plan in a form independent of order."""
    return PlanSummary(
        sorted(map(_alert_key, plan.alerts)),
        sorted((each.rule, identity(each.member)) for each in plan.suppressed),
    )


def severity(result: DriftResult) -> str:
    """Return the severity of a result; an unknown impact is medium."""
    if result.business_impact == "none":
        return "low"
    return result.business_impact if result.business_impact in SEVERITIES else "medium"


def lot(result: DriftResult) -> float:
    """Return the lot of a result in [0, 1): a digest of its id or, without an id, of its repr."""
    key = f"holdout:{result.execution_id or repr(result)}"
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2.0**64


class ParsedDecisions:
    """The decisions of one version, parsed by kind of rule."""

    def __init__(self, decisions: Decisions) -> None:
        self.version = decisions.version
        self.suppressions = [
            (rule.id, _read(rule.condition, Pattern), _read(rule.parameters, Share).holdout)
            for rule in _of(decisions, "suppress")
        ]
        pauses = _of(decisions, "cool_down")
        self.pause = pauses[0].id if pauses else ""
        self.calm = _read(pauses[0].parameters, Calm) if pauses else None
        self.floor = _read(pauses[0].condition, Floor).severity_below if pauses else "medium"
        self.groups = [
            (rule.id, _read(rule.condition, Group).features, _read(rule.parameters, Members).at_least)
            for rule in _of(decisions, "group")
        ]
        self.batches = [(rule.id, _read(rule.condition, Many).at_least) for rule in _of(decisions, "batch")]
        (self.every,) = (rule.id for rule in _of(decisions, "individual"))

    @property
    def features(self) -> tuple[str, ...]:
        """Return all features in rules, sorted."""
        named = [pattern.features for _, pattern, _ in self.suppressions]
        return tuple(
            sorted({each for some in (*named, *(group[1] for group in self.groups)) for each in some})
        )

    def plan(self, row: Row) -> PlanSummary:
        """Return the predicted plan."""
        waiting = [each for each in row.results if each.drifted]
        alerts: list[Alert] = []
        suppressed: list[tuple[Any, ...]] = []
        for rule, pattern, share in self.suppressions:
            taken, waiting = _split(waiting, partial(_suppresses, pattern, row.now))
            held_out = [each for each in taken if lot(each) < share]
            alerts += [_alert([each], rule, row.now, is_holdout=True) for each in held_out]
            suppressed += [(rule, identity(each)) for each in taken if lot(each) >= share]
        cooling = self.cooling(row)
        taken, waiting = _split(waiting, lambda each: each.feature in cooling and self._is_within(each))
        suppressed += [(self.pause, identity(each)) for each in taken]
        for rule, features, least in self.groups:
            members = [each for each in waiting if each.feature in features]
            is_open = any(each.group == rule for each in self._earlier(row))
            if members and (len(members) >= least or is_open):
                alerts.append(_alert(members, rule, row.now, is_summary=True))
                waiting = [each for each in waiting if each.feature not in features]
        for rule, least in self.batches:
            if len(waiting) >= least:
                alerts.append(_alert(waiting, rule, row.now, is_summary=True))
                waiting = []
        alerts += [_alert([each], self.every, row.now) for each in waiting]
        return PlanSummary(sorted(map(_alert_key, alerts)), sorted(suppressed))

    def thresholds(self, row: Row) -> dict[str, set[str]]:
        """Return the thresholds that are allowed for each feature in a cool-down that is not suppressed."""
        cooling, found = self.cooling(row), dict[str, set[str]]()
        for each in row.results:
            is_taken = any(_suppresses(pattern, row.now, each) for _, pattern, _ in self.suppressions)
            if each.drifted and each.feature in cooling and not is_taken:
                found.setdefault(each.feature, set()).add(repr(self._raised_threshold(each)))
        return found

    def cooling(self, row: Row) -> set[str]:
        """Return the features with recent alerts, without new members of a summary."""
        earlier, groups = self._earlier(row), {rule: features for rule, features, _ in self.groups}
        summed = [each for each in earlier if each.group in groups]
        known = {member.feature for each in summed for member in each.members}
        new = {feature for each in summed for feature in groups[each.group] if feature not in known}
        return {member.feature for each in earlier for member in each.members} - new

    def _earlier(self, row: Row) -> list[Alert]:
        if self.calm is None or row.now is None:
            return []
        plans = [each.alerts if isinstance(each, AlertPlan) else (each,) for each in row.history]
        gaps = [
            (row.now - each.raised_at, each) for some in plans for each in some if each.raised_at is not None
        ]
        return [each for gap, each in gaps if 0.0 <= gap < self.calm.seconds]

    def _raised_threshold(self, result: DriftResult) -> float:
        factor = self.calm.factor if self.calm and result.threshold > 0.0 else 1.0
        return result.threshold * factor if result.direction == "above" else result.threshold / factor

    def _is_within(self, result: DriftResult) -> bool:
        threshold = self._raised_threshold(result)
        is_within = result.score <= threshold if result.direction == "above" else result.score >= threshold
        return is_within and _is_below(result, self.floor)


def _suppresses(pattern: Pattern, now: float | None, result: DriftResult) -> bool:
    if now is None or not now < pattern.until or result.feature not in pattern.features:
        return False
    is_covered = pattern.ratio_at_most is None or _ratio(result) <= pattern.ratio_at_most
    return is_covered and _is_below(result, pattern.severity_below)


def _ratio(result: DriftResult) -> float:
    """Return the ratio by which a score exceeds its threshold; NaN if it is undefined."""
    over, under = result.score, result.threshold
    if result.direction == "below":
        over, under = under, over
    return over / under if under > 0.0 and over >= 0.0 else math.nan


def _is_below(result: DriftResult, floor: str) -> bool:
    own = severity(result)
    return own != "critical" and SEVERITIES.index(own) < SEVERITIES.index(floor)


def _split(
    results: Sequence[DriftResult], is_chosen: Callable[[DriftResult], bool]
) -> tuple[list[DriftResult], list[DriftResult]]:
    marked = [(is_chosen(each), each) for each in results]
    return [each for mark, each in marked if mark], [each for mark, each in marked if not mark]


def _alert(
    members: Sequence[DriftResult],
    rule: str,
    now: float | None,
    *,
    is_summary: bool = False,
    is_holdout: bool = False,
) -> Alert:
    return Alert(
        members=tuple(members),
        severity=max(map(severity, members), key=SEVERITIES.index),
        group=rule if is_summary else "",
        is_summary=is_summary,
        is_holdout=is_holdout,
        rule=rule,
        raised_at=now,
    )


def _alert_key(alert: Alert) -> tuple[Any, ...]:
    return (
        alert.rule,
        sorted(map(identity, alert.members)),
        alert.severity,
        alert.group,
        alert.is_summary,
        alert.is_holdout,
        repr(alert.raised_at),
    )


def identity(result: DriftResult) -> tuple[str, ...]:
    """Return a key that identifies a result, also with NaN scores."""
    return (
        result.feature,
        result.execution_id,
        f"{result.score!r} {result.direction} {result.threshold!r}",
        result.business_impact,
    )


def _of(decisions: Decisions, kind: str) -> list[Rule]:
    return sorted((rule for rule in decisions.active if rule.kind == kind), key=lambda rule: rule.id)


def _read(document: dict[str, object], shape: type[_Shape]) -> _Shape:
    return msgspec.convert(document, shape)


IMPACTS: Final = ("", "none", "low", "medium", "high", "critical", "unheard of")
DIRECTIONS: Final = ("above", "below")
STRANGER: Final = "no such feature"
LOTS: Final = 1000  # ids among which to find those closest to the share of a holdout, on either side


def boundary_table(module: ModuleType, decisions: Decisions) -> int:
    """Check a module against the decisions on both sides of every learned constant.

    Return the number of rows.
    """
    parsed, count = ParsedDecisions(decisions), 0
    _require_shares(module, parsed)
    for count, row in enumerate(_rows(parsed), start=1):  # noqa: B007 -- the last one is the number of rows
        require_decided_plan(
            module.generate_alerts(row.results, history=row.history, now=row.now), parsed, row
        )
    for moment in (0.0, *_moments(parsed)):
        results = [_result(STRANGER), *map(_result, parsed.features)]
        for now, row in _forms(moment, results):
            count += 1
            require_decided_plan(module.generate_alerts(results, now=now), parsed, row)
    return count


class _RecordingPlanner(AlertPlanner):
    """A planner that records the share of every holdout."""

    shares: list[float]

    def suppress(self, *arguments: Any, holdout: float, **keywords: Any) -> None:
        """Record the share of a holdout, and suppress."""
        self.shares.append(holdout)
        super().suppress(*arguments, holdout=holdout, **keywords)


def _require_shares(module: ModuleType, parsed: ParsedDecisions) -> None:
    """Check the shares of holdouts against the decisions directly, as no id is within an ulp of them."""
    original, shares = vars(module).get("plan_alerts"), list[float]()
    if not parsed.suppressions or original is None:
        return

    def record(*arguments: Any, **keywords: Any) -> AlertPlanner:
        planner = _RecordingPlanner(*arguments, **keywords)
        planner.shares = shares
        return planner

    vars(module)["plan_alerts"] = record
    try:
        now = _moments(parsed)[0]
        module.generate_alerts([_result(feature) for feature in parsed.features], now=now)
    finally:
        vars(module)["plan_alerts"] = original
    expected = [share for _, _, share in parsed.suppressions]
    require(shares == expected, f"it uses holdout shares of {shares}, expected {expected}")


def require_decided_plan(plan: AlertPlan, parsed: ParsedDecisions, row: Row) -> None:
    """Raise `ContractViolation` unless a plan follows the decisions."""
    if not isinstance(plan, AlertPlan):
        raise ContractViolation(f"it returns {type(plan).__name__}, not AlertPlan")
    where = f"{list(map(identity, row.results))} at {row.now} after {len(row.history)} alerts"
    found, expected = summarize(plan), parsed.plan(row)
    require(found == expected, f"{where} returns {found}, expected {expected}")
    allowed = parsed.thresholds(row)
    given = {feature: repr(threshold) for feature, threshold in plan.thresholds.items()}
    is_expected = allowed.keys() == given.keys() and all(given[name] in allowed[name] for name in allowed)
    require(is_expected, f"{where} raises thresholds to {given}, expected {allowed}")
    message = f"{where} reports version {plan.policy_version}, expected {parsed.version}"
    require(plan.policy_version == parsed.version, message)


def _rows(parsed: ParsedDecisions) -> Iterator[Row]:
    for now in (None, 0.0, -1.0, *_moments(parsed)):
        yield Row([_result(STRANGER), *map(_result, parsed.features)], now=now)
        for miss in near_miss_strings(parsed.features):
            yield Row([_result(miss), _result(miss, impact="low", k=1)], now=now)
    for _, pattern, share in parsed.suppressions:
        yield from _around_a_suppression(pattern, share, parsed)
    if parsed.calm is not None:
        yield from _around_a_pause(parsed.calm, parsed)
    for rule, features, least in parsed.groups:
        yield from _around_a_group(rule, features, least, parsed)
    for _, least in parsed.batches:
        for n, now in itertools.product((least - 1, least, least + 1), (None, *_moments(parsed))):
            yield Row([_result(STRANGER, k=k) for k in range(n)], now=now)
        for impact in IMPACTS:
            yield Row([_result(STRANGER, impact="low" if k else impact, k=k) for k in range(least)])


def _around_a_suppression(pattern: Pattern, share: float, parsed: ParsedDecisions) -> Iterator[Row]:
    moments = (None, *sorted({*_moments(parsed), *adjacent_floats(pattern.until)}))
    for feature in pattern.features:
        for now, k in itertools.product(moments, _on_both_sides(feature, share)):
            yield Row([_result(feature, k=k)], now=now)
            yield Row([_result(feature, impact="low", k=k)], now=now)
            if now is not None:
                yield Row([_result(feature, k=k)], [Alert(members=(_result(feature),), raised_at=now)], now)
    first = pattern.features[0]
    least = _on_both_sides(first, share)[-1]  # the one that is always suppressed
    scores = (*adjacent_floats(pattern.ratio_at_most or 2.0), 0.5, 1e9, math.nan, math.inf)
    for score, impact, direction in itertools.product(scores, IMPACTS, DIRECTIONS):
        result = _result(first, score, impact, direction=direction, k=least)
        for now in moments[1:]:
            yield Row([result], now=now)


def _around_a_pause(calm: Calm, parsed: ParsedDecisions) -> Iterator[Row]:
    scores = (*adjacent_floats(calm.factor), math.nan, math.inf)
    for now in _moments(parsed):
        for raised_at in (*adjacent_floats(now - calm.seconds), now, now + 1.0):
            earlier = Alert(members=(_result(STRANGER),), raised_at=raised_at)
            yield Row([_result("another")], [earlier], now)
            yield Row([_result(STRANGER)], [earlier], None)
            for score, impact, direction in itertools.product(scores, IMPACTS, DIRECTIONS):
                yield Row([_result(STRANGER, score, impact, direction=direction)], [earlier], now)
        for gap in adjacent_floats(calm.seconds):  # gaps from time 0 are not rounded
            yield Row([_result(STRANGER)], [Alert(members=(_result(STRANGER),), raised_at=0.0)], gap)
        soon = AlertPlan(alerts=(Alert(members=(_result(STRANGER),), raised_at=now - calm.seconds / 2.0),))
        old = Alert(members=(_result(STRANGER),), raised_at=now - 2.0 * calm.seconds)
        unknown = Alert(members=(_result(STRANGER),))
        for history in ([soon, old], [old, soon], [old, unknown]):
            yield Row([_result(STRANGER), _result(STRANGER, 1e9, k=1)], history, now)


def _around_a_group(
    rule: str, features: tuple[str, ...], least: int, parsed: ParsedDecisions
) -> Iterator[Row]:
    in_turn = list(itertools.islice(itertools.cycle(features), max(least + 1, len(features))))
    every = [_result(feature, k=k) for k, feature in enumerate(in_turn)]
    sizes = sorted({0, 1, least - 1, least, least + 1, len(features)} & set(range(len(every) + 1)))
    for now, n in itertools.product((None, *_moments(parsed)), sizes):
        yield Row([*every[:n], _result("elsewhere")], now=now)
        if now is None:
            continue
        raised = now - (parsed.calm.seconds / 2.0 if parsed.calm else 1.0)
        summed = Alert(members=(every[0],), group=rule, is_summary=True, raised_at=raised)
        for history in ([summed], [summed, *(Alert(members=(each,), raised_at=raised) for each in every)]):
            yield Row(every[:n], history, now)
            yield Row(every[1:2], history, now)
    for impact in IMPACTS:
        yield Row([_result(each.feature, impact="low" if k else impact, k=k) for k, each in enumerate(every)])
    for each in features:  # detects a feature that is missing in the module's group
        yield Row([_result(each, k=k) for k in range(least)])


def _forms(moment: float, results: list[DriftResult]) -> Iterator[tuple[Any, Row]]:
    """Yield a time in all supported types, and unknown times."""
    instant = datetime.fromtimestamp(moment, UTC)
    yield from (
        (now, Row(results, now=moment)) for now in (int(moment), instant, instant.replace(tzinfo=None))
    )
    yield np.datetime64(instant.replace(tzinfo=None), "us"), Row(results, now=moment)
    yield from ((now, Row(results)) for now in (math.nan, np.datetime64("NaT")))


def _on_both_sides(feature: str, share: float) -> tuple[int, ...]:
    """Return the ids closest to and farthest from the share of a holdout, on either side."""
    lots = {k: lot(_result(feature, k=k)) for k in range(LOTS)}
    taken = [k for k in lots if lots[k] < share]
    left = [k for k in lots if lots[k] >= share]
    return tuple(
        dict.fromkeys((
            *((min(taken, key=lots.__getitem__), max(taken, key=lots.__getitem__)) if taken else ()),
            *((min(left, key=lots.__getitem__), max(left, key=lots.__getitem__)) if left else ()),
        ))
    )  # fmt: skip


def _moments(parsed: ParsedDecisions) -> tuple[float, float]:
    """Return a time before the end of every suppression, and one after all of them."""
    ends = [pattern.until for _, pattern, _ in parsed.suppressions]
    return min([1e6, *ends]) - 1e5, max([1e6, *ends]) + 1e6


def _result(
    feature: str, beyond: float = 1.5, impact: str = "", *, direction: Any = "above", k: int = 0
) -> DriftResult:
    """Return a result whose score exceeds its threshold by the factor `beyond`."""
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
