"""The contract of `generate_alerts`: every drifted result exactly once, nothing critical held back."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from poet.decisions import Decisions, Rule
from poet.policies.generate_alerts import Calm, Group, Many, Members, Pattern, Share
from poet.runtime.results import Alert, AlertPlan, DriftResult
from poet.validate._contract import Broken, Contract, Policy, demand
from poet.validate._values import numbers, texts

__all__ = ["CONTRACT"]

IMPACTS = ("", "none", "low", "medium", "high", "critical")
GRAVITY = ("low", "medium", "high", "critical")
LATE = 4e9  # seconds; every moment of interest lies before


def _numbers(policy: Policy) -> st.SearchStrategy[float]:
    return numbers(policy, 0.0, 1e6) | st.sampled_from([math.nan, math.inf, 0.0, -1.0])


@st.composite
def _results(draw: st.DrawFn, policy: Policy) -> list[DriftResult]:
    """Draw results, some of them alike, some without an id."""
    features = texts(policy, "a", "b", "price")
    found = [
        DriftResult(
            drifted=draw(st.integers(0, 3)) > 0,
            score=draw(_numbers(policy)),
            threshold=draw(st.sampled_from([1.0, 0.05]) | _numbers(policy)),
            test="ks/raw/absolute",
            direction=draw(st.sampled_from(["above", "below"])),
            feature=draw(features),
            execution_id=f"x{row}" if draw(st.integers(0, 3)) else "",
            business_impact=draw(st.sampled_from(IMPACTS)),
        )
        for row in range(draw(st.integers(0, 12)))
    ]
    return found + (draw(st.lists(st.sampled_from(found), max_size=2)) if found else [])


def _all(plan: AlertPlan) -> list[DriftResult]:
    shown = [member for alert in plan.alerts for member in alert.members]
    return shown + [each.member for each in plan.suppressed]


@st.composite
def _situations(draw: st.DrawFn, policy: Policy) -> tuple[list[DriftResult], list[Any], float | None]:
    """Draw results, earlier alerts about the same features, and a moment near the candidate's own."""
    results = draw(_results(policy)) if draw(st.integers(0, 5)) else []
    now = draw(st.none() | numbers(policy, 0.0, LATE))
    spans = numbers(policy, -10.0, 1e5)
    history: list[Any] = []
    for result in draw(st.permutations(results))[:3]:
        raised_at = None if now is None else now - draw(spans)
        groups = texts(policy, "")
        alert = Alert(members=(result,), raised_at=raised_at, group=draw(groups), is_summary=True)
        history.append(draw(st.sampled_from([alert, AlertPlan(alerts=(alert,))])))
    return results, history, now


def _plan(
    policy: Policy, results: Sequence[DriftResult], history: Sequence[Any], now: float | None
) -> AlertPlan:
    plan = policy(results, history=history, now=now)
    if not isinstance(plan, AlertPlan):
        raise Broken(f"it answers {type(plan).__name__}, not AlertPlan")
    return plan


def loses_no_drifted_result(policy: Policy) -> Callable[[], None]:
    """Have every drifted result exactly once in an alert or, with its rule, among the suppressed."""

    @given(_situations(policy))
    def test(situation: tuple[list[DriftResult], list[Any], float | None]) -> None:
        plan = _plan(policy, *situation)
        found = Counter(map(id, _all(plan)))
        wanted = Counter(id(result) for result in situation[0] if result.drifted)
        demand(found == wanted, f"of {len(situation[0])} results {plan} misses or repeats some")
        demand(all(each.rule for each in plan.suppressed), "something is suppressed without a rule")
        demand(all(alert.members for alert in plan.alerts), "an alert is about nothing")

    return test


def suppresses_nothing_critical(policy: Policy) -> Callable[[], None]:
    """Suppress nothing of critical impact, whenever and after whatever."""

    @given(_situations(policy))
    def test(situation: tuple[list[DriftResult], list[Any], float | None]) -> None:
        plan = _plan(policy, *situation)
        critical = [each for each in plan.suppressed if each.member.business_impact == "critical"]
        demand(not critical, f"critical results are suppressed: {critical}")

    return test


def holds_nothing_back_without_a_moment(policy: Policy) -> Callable[[], None]:
    """Suppress nothing and raise no bar when nobody says what time it is."""

    @given(_situations(policy))
    def test(situation: tuple[list[DriftResult], list[Any], float | None]) -> None:
        plan = _plan(policy, situation[0], situation[1], None)
        demand(not plan.suppressed and not plan.thresholds, f"without a moment: {plan}")

    return test


def forgets_the_order(policy: Policy) -> Callable[[], None]:
    """Forget the order of results and of history, and what was planned before."""

    @given(_situations(policy), st.randoms(use_true_random=False))
    def test(situation: tuple[list[DriftResult], list[Any], float | None], chance: Any) -> None:
        results, history, now = situation
        mixed, earlier = list(results), list(history)
        chance.shuffle(mixed)
        chance.shuffle(earlier)
        here, there = _plan(policy, results, history, now), _plan(policy, mixed, earlier, now)
        demand(repr(here) == repr(there), f"the order decides: {here} or {there}")

    return test


def is_as_grave_as_its_members(policy: Policy) -> Callable[[], None]:
    """Give every alert the severity of its gravest member, and say when it was raised."""

    @given(_situations(policy))
    def test(situation: tuple[list[DriftResult], list[Any], float | None]) -> None:
        for alert in _plan(policy, *situation).alerts:
            gravest = max(map(_severity, alert.members), key=GRAVITY.index)
            demand(alert.severity == gravest, f"{alert} has {alert.severity}, its gravest member {gravest}")
            demand(alert.raised_at == situation[2], f"{alert} was raised at {situation[2]}")
            demand(alert.is_summary or len(alert.members) == 1, f"{alert} sums up without saying so")

    return test


def suppresses_only_by_its_rules(policy: Policy, decisions: Decisions | None) -> Callable[[], None]:
    """Suppress only what a rule of the decisions covers: its features, its time, its severity."""
    rules = {rule.id: rule for rule in decisions.active} if decisions else None

    @given(_situations(policy))
    def test(situation: tuple[list[DriftResult], list[Any], float | None]) -> None:
        _, _, now = situation
        for each in _plan(policy, *situation).suppressed:
            if rules is None:
                continue
            rule = rules.get(each.rule)
            demand(rule is not None and rule.kind in ("suppress", "cool_down"), f"no rule {each.rule!r}")
            if rule is not None and rule.kind == "suppress":
                pattern = msgspec.convert(rule.condition, Pattern)
                demand(each.member.feature in pattern.features, f"{each} is not about {pattern.features}")
                demand(now is not None and now < pattern.until, f"{each} at {now}, after {pattern.until}")

    return test


def _severity(result: DriftResult) -> str:
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
    own = _severity(result)
    return own != "critical" and GRAVITY.index(own) < GRAVITY.index(floor)


def _lot(result: DriftResult) -> float:
    """Draw whether a result is let through: in public, by a digest of its id."""
    digest = hashlib.sha256(f"holdout:{result.execution_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


CONTRACT = Contract(
    properties=(
        loses_no_drifted_result,
        suppresses_nothing_critical,
        holds_nothing_back_without_a_moment,
        forgets_the_order,
        is_as_grave_as_its_members,
        suppresses_only_by_its_rules,
    ),
    boundary_table=boundary_table,
)
