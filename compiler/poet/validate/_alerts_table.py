"""What the decisions of `generate_alerts` say on both sides of every learned constant, in their own words."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import msgspec

from poet.decisions import Decisions, Rule
from poet.policies.generate_alerts import Calm, Group, Many, Members, Pattern, Share
from poet.runtime.results import Alert, AlertPlan, DriftResult
from poet.validate._contract import demand

__all__ = ["GRAVITY", "IMPACTS", "boundary_table", "severity"]

IMPACTS = ("", "none", "low", "medium", "high", "critical")
GRAVITY = ("low", "medium", "high", "critical")


def severity(result: DriftResult) -> str:
    """Give how grave a result is: the impact that was named, none being low, medium where none was."""
    if result.business_impact in ("", "none"):
        return "low" if result.business_impact else "medium"
    return result.business_impact


def boundary_table(module: ModuleType, decisions: Decisions) -> int:
    """Ask on both sides of every learned constant, and compare with what the decisions say."""
    count = 0
    for results, history, now in _table(decisions):
        found = module.generate_alerts(results, history=history, now=now)
        expected = _predicted(decisions, results, history, now)
        count += 1
        asked = [_short(each) for each in results]
        says = f"{asked} at {now} gives {_said(found)}, its decisions say {expected}"
        demand(_said(found) == expected, says)
    return count


def _table(decisions: Decisions) -> Iterator[tuple[list[DriftResult], list[Alert], float | None]]:
    for rule in decisions.active:
        if rule.kind == "suppress":
            yield from _around_a_suppression(msgspec.convert(rule.condition, Pattern), decisions)
        elif rule.kind == "cool_down":
            yield from _around_a_pause(msgspec.convert(rule.parameters, Calm), decisions)
        elif rule.kind == "group":
            features = msgspec.convert(rule.condition, Group).features
            for n in range(len(features) + 1):
                for now in _moments(decisions):
                    yield [_result(feature) for feature in (*features[:n], "elsewhere")], [], now
                    earlier = Alert(members=(_result("elsewhere"),), group=rule.id, raised_at=now - 1.0)
                    yield [_result(feature) for feature in features[:n]], [earlier], now
        elif rule.kind == "batch":
            most = msgspec.convert(rule.condition, Many).at_least
            for n in (most - 1, most, most + 1):
                for now in _moments(decisions):
                    yield [_result(f"no such feature {k}") for k in range(n)], [], now


def _around_a_suppression(
    pattern: Pattern, decisions: Decisions
) -> Iterator[tuple[list[DriftResult], list[Alert], float | None]]:
    ratio = pattern.ratio_at_most or 2.0
    asked, held = _on_both_sides(pattern.features[0])
    yield [_result(pattern.features[0], k=held)], [], None
    for now in {*_moments(decisions), *_beside(pattern.until)}:
        for impact in IMPACTS:
            for score in (*_beside(ratio), 0.5, math.nan, math.inf):
                for k in (asked, held):
                    yield [_result(pattern.features[0], score, impact, k)], [], now


def _around_a_pause(
    calm: Calm, decisions: Decisions
) -> Iterator[tuple[list[DriftResult], list[Alert], float]]:
    for now in _moments(decisions):
        for gap in (*_beside(calm.seconds), 0.0, -1.0):
            earlier = [Alert(members=(_result("no such feature"),), raised_at=now - gap)]
            for impact in IMPACTS:
                for score in _beside(calm.factor):
                    yield [_result("no such feature", score, impact)], earlier, now
                    yield [_result("another feature", score, impact)], earlier, now


def _on_both_sides(feature: str) -> tuple[int, int]:
    """Give the id that a holdout lets through first, and the one that it lets through last."""
    lots = [_lot(_result(feature, k=k)) for k in range(1000)]
    return min(range(1000), key=lots.__getitem__), max(range(1000), key=lots.__getitem__)


def _moments(decisions: Decisions) -> list[float]:
    ends = [msgspec.convert(r.condition, Pattern).until for r in decisions.active if r.kind == "suppress"]
    return [min([1e6, *ends]) / 2.0, max([1e6, *ends]) + 1e6]


def _beside(value: float) -> tuple[float, ...]:
    return (math.nextafter(value, -math.inf), value, math.nextafter(value, math.inf))


def _result(feature: str, score: float = 1.5, impact: str = "", k: int = 0) -> DriftResult:
    return DriftResult(
        drifted=True,
        score=score,
        threshold=1.0,
        test="ks/raw/absolute",
        feature=feature,
        execution_id=f"x{k}-{feature}",
        business_impact=impact,
    )


def _short(result: DriftResult) -> tuple[str, float, str]:
    return result.feature, result.score, result.business_impact


def _said(plan: AlertPlan) -> tuple[list[Any], list[Any]]:
    """Give a plan as what went out under which rule, and what was held back under which."""
    alerts = [
        (alert.rule, sorted(m.execution_id for m in alert.members), alert.is_summary, alert.is_holdout)
        for alert in plan.alerts
    ]
    return sorted(alerts), sorted((each.rule, each.member.execution_id) for each in plan.suppressed)


def _predicted(
    decisions: Decisions, results: Sequence[DriftResult], history: Sequence[Alert], now: float | None
) -> tuple[list[Any], list[Any]]:
    """Say what the decisions would do, in their own words."""
    rules = sorted(decisions.active, key=lambda rule: rule.id)
    waiting, alerts, suppressed = list(results), [], []
    for rule in (rule for rule in rules if rule.kind == "suppress"):
        pattern, share = msgspec.convert(rule.condition, Pattern), msgspec.convert(rule.parameters, Share)
        hit = [r for r in waiting if now is not None and now < pattern.until and _matches(pattern, r)]
        waiting = [each for each in waiting if each not in hit]
        asked = [each for each in hit if _lot(each) < share.holdout]
        alerts += [(rule.id, [each.execution_id], False, True) for each in asked]
        suppressed += [(rule.id, each.execution_id) for each in hit if each not in asked]
    pause = next((rule for rule in rules if rule.kind == "cool_down"), None)
    span = msgspec.convert(pause.parameters, Calm).seconds if pause else 0.0
    recent = [each for each in history if now is not None and 0.0 <= now - (each.raised_at or 0.0) < span]
    if pause is not None:
        hit = [each for each in waiting if _is_paused(pause, each, recent)]
        waiting = [each for each in waiting if each not in hit]
        suppressed += [(pause.id, each.execution_id) for each in hit]
    for rule in (rule for rule in rules if rule.kind == "group"):
        members = [r for r in waiting if r.feature in msgspec.convert(rule.condition, Group).features]
        is_open = any(each.group == rule.id for each in recent)
        if len(members) >= msgspec.convert(rule.parameters, Members).at_least or (members and is_open):
            alerts.append((rule.id, sorted(each.execution_id for each in members), True, False))
            waiting = [each for each in waiting if each not in members]
    for rule in (rule for rule in rules if rule.kind == "batch"):
        if len(waiting) >= msgspec.convert(rule.condition, Many).at_least:
            alerts.append((rule.id, sorted(each.execution_id for each in waiting), True, False))
            waiting = []
    every = next(rule.id for rule in rules if rule.kind == "individual")
    alerts += [(every, [each.execution_id], False, False) for each in waiting]
    return sorted(alerts), sorted(suppressed)


def _matches(pattern: Pattern, result: DriftResult) -> bool:
    is_near = pattern.ratio_at_most is None or result.score <= pattern.ratio_at_most
    return result.feature in pattern.features and _is_below(result, pattern.severity_below) and is_near


def _is_paused(pause: Rule, result: DriftResult, recent: Sequence[Alert]) -> bool:
    floor = str(pause.condition["severity_below"])
    known = any(member.feature == result.feature for alert in recent for member in alert.members)
    factor = msgspec.convert(pause.parameters, Calm).factor
    return known and _is_below(result, floor) and result.score <= factor


def _is_below(result: DriftResult, floor: str) -> bool:
    own = severity(result)
    return own != "critical" and GRAVITY.index(own) < GRAVITY.index(floor)


def _lot(result: DriftResult) -> float:
    """Draw whether a result is let through: in public, by a digest of its id."""
    digest = hashlib.sha256(f"holdout:{result.execution_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64
