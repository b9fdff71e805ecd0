"""The contract of `generate_alerts`: every drifted result exactly once, no critical one suppressed."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from hypothesis import example, given
from hypothesis import strategies as st

from poet.build.contract import Contract, ContractViolation, Policy, WorkloadCase, numbers, require, texts
from poet.policies.generate_alerts.oracle import (
    IMPACTS,
    SEVERITIES,
    ParsedDecisions,
    Row,
    boundary_table,
    require_decided_plan,
    severity,
)
from poet.spec.decisions import Decisions
from poet_runtime.results import Alert, AlertPlan, DriftResult

MANY: Final = 30_000  # results in one call
LATE: Final = 4e9  # seconds since 1970; all relevant times are earlier
Situation = tuple[list[DriftResult], list[Any], float | None]


def _numbers(policy: Policy) -> st.SearchStrategy[float]:
    return numbers(policy, 0.0, 1e6) | st.sampled_from([math.nan, math.inf, 0.0, -1.0])


@st.composite
def _results(draw: st.DrawFn, policy: Policy, decisions: Decisions | None) -> list[DriftResult]:
    """Draw results, some of them equal, some without an id."""
    features = texts(policy, "a", "b", "price")
    named = () if decisions is None else ParsedDecisions(decisions).features
    found = [
        DriftResult(
            drifted=draw(st.integers(0, 3)) > 0,
            score=draw(_numbers(policy)),
            threshold=draw(st.sampled_from([1.0, 0.05]) | _numbers(policy)),
            test="ks/raw/absolute",
            direction=draw(st.sampled_from(["above", "below"])),
            feature=draw(st.sampled_from(named) if len(named) > 0 and draw(st.booleans()) else features),
            execution_id=f"x{row}" if draw(st.integers(0, 3)) else "",
            business_impact=draw(st.sampled_from([*IMPACTS, "critical"])),
        )
        for row in range(draw(st.integers(0, 12)))
    ]
    return found + (draw(st.lists(st.sampled_from(found), max_size=2)) if found else [])


def _critical(*features: str) -> list[DriftResult]:
    """Return one critical result for each feature: batches that every run of the contract includes."""
    return [
        DriftResult(
            drifted=True,
            score=float(row + 2),
            threshold=1.0,
            test="ks/raw/absolute",
            direction="above",
            feature=feature,
            execution_id=feature,
            business_impact="critical",
        )
        for row, feature in enumerate(features)
    ]


def _all(plan: AlertPlan) -> list[DriftResult]:
    shown = [member for alert in plan.alerts for member in alert.members]
    return shown + [each.member for each in plan.suppressed]


def _alerts(history: Sequence[Any]) -> list[Alert]:
    plans = [each.alerts if isinstance(each, AlertPlan) else (each,) for each in history]
    return [alert for alerts in plans for alert in alerts]


@st.composite
def _situations(draw: st.DrawFn, policy: Policy, decisions: Decisions | None) -> Situation:
    """Draw results, earlier alerts about the same features, and a time near the candidate's constants."""
    results = draw(_results(policy, decisions)) if draw(st.integers(0, 5)) else []
    now = draw(st.none() | numbers(policy, 0.0, LATE))
    spans = numbers(policy, -10.0, 1e5)
    groups = texts(policy, "")
    if decisions is not None:
        groups = st.sampled_from(["", *(rule.id for rule in decisions.active if rule.kind == "group")])
    history: list[Any] = []
    for result in draw(st.permutations(results))[:3]:
        raised_at = None if now is None else now - draw(spans)
        alert = Alert(members=(result,), raised_at=raised_at, group=draw(groups), is_summary=True)
        history.append(draw(st.sampled_from([alert, AlertPlan(alerts=(alert,))])))
    return results, history, now


def _plan(
    policy: Policy, results: Sequence[DriftResult], history: Sequence[Any], now: float | None
) -> AlertPlan:
    plan = policy(results, history=history, now=now)
    if not isinstance(plan, AlertPlan):
        raise ContractViolation(f"it returns {type(plan).__name__}, not AlertPlan")
    return plan


def includes_every_drifted_result_once(policy: Policy, decisions: Decisions | None) -> Callable[[], None]:
    """Check that every drifted result is exactly once in an alert or, with its rule, suppressed."""

    @given(_situations(policy, decisions))
    def test(situation: Situation) -> None:
        plan = _plan(policy, *situation)
        found = Counter(map(id, _all(plan)))
        wanted = Counter(id(result) for result in situation[0] if result.drifted)
        require(found == wanted, f"of {len(situation[0])} results {plan} misses or repeats some")
        require(all(each.rule for each in plan.suppressed), "a result is suppressed without a rule")
        require(all(alert.members for alert in plan.alerts), "an alert has no members")

    return test


def never_suppresses_critical_results(policy: Policy, decisions: Decisions | None) -> Callable[[], None]:
    """Check that no result of critical impact is suppressed, at any time and after any history."""

    @given(_situations(policy, decisions))
    def test(situation: Situation) -> None:
        plan = _plan(policy, *situation)
        critical = [each for each in plan.suppressed if each.member.business_impact == "critical"]
        require(not critical, f"critical results are suppressed: {critical}")

    return test


def suppresses_nothing_without_a_time(policy: Policy, decisions: Decisions | None) -> Callable[[], None]:
    """Check that without a time nothing is suppressed and no threshold is raised."""

    @given(_situations(policy, decisions))
    def test(situation: Situation) -> None:
        plan = _plan(policy, situation[0], situation[1], None)
        require(not plan.suppressed and not plan.thresholds, f"suppressed or raised without a time: {plan}")

    return test


def ignores_the_order(policy: Policy, decisions: Decisions | None) -> Callable[[], None]:
    """Check that the order of results and of history does not matter, nor do earlier calls."""

    @given(_situations(policy, decisions), st.randoms(use_true_random=False))
    @example(situation=(_critical("a", "b"), [], None), chance=Random(0))  # noqa: S311 -- a shuffle
    @example(situation=(_critical("c", "a", "b"), [], None), chance=Random(0))  # noqa: S311 -- a shuffle
    def test(situation: Situation, chance: Any) -> None:
        results, history, now = situation
        mixed, earlier = list(results), list(history)
        chance.shuffle(mixed)
        chance.shuffle(earlier)
        here = _plan(policy, results, history, now)
        for other in (mixed, list(reversed(list(results)))):  # a shuffle of two often changes nothing
            there = _plan(policy, other, earlier, now)
            require(repr(here) == repr(there), f"the plan depends on the order: {here} or {there}")

    return test


def has_the_highest_severity_of_its_members(
    policy: Policy, decisions: Decisions | None
) -> Callable[[], None]:
    """Check that every alert has the highest severity of its members, and the time it was raised."""

    @given(_situations(policy, decisions))
    def test(situation: Situation) -> None:
        for alert in _plan(policy, *situation).alerts:
            highest = max(map(severity, alert.members), key=SEVERITIES.index)
            require(
                alert.severity == highest, f"{alert} is {alert.severity}, its most severe member {highest}"
            )
            require(alert.raised_at == situation[2], f"{alert} was raised at {situation[2]}")
            require(alert.is_summary or len(alert.members) == 1, f"{alert} is not marked as a summary")

    return test


def raises_thresholds_only_after_alerts(policy: Policy, decisions: Decisions | None) -> Callable[[], None]:
    """Check that thresholds are raised only for features with earlier alerts."""

    @given(_situations(policy, decisions))
    def test(situation: Situation) -> None:
        plan = _plan(policy, *situation)
        alerted = {member.feature for alert in _alerts(situation[1]) for member in alert.members}
        require(set(plan.thresholds) <= alerted, f"raised {dict(plan.thresholds)}, alerted only {alerted}")

    return test


def rejects_arguments_that_are_not_results(policy: Policy) -> Callable[[], None]:
    """Check that anything but a result raises: it is the caller's error."""

    @given(st.sampled_from(("price", 1, None, {"drifted": True})))
    def test(wrong: Any) -> None:
        try:
            plan = policy([_drifted(0), wrong], now=1e6)
        except TypeError:
            return
        raise ContractViolation(f"it accepts {wrong!r} as a result and returns {plan}")

    return test


def accepts_results_in_any_iterable(policy: Policy) -> Callable[[], None]:
    """Check that lists, values of a dict and iterators get the same plan."""

    @given(st.integers(0, 6))
    def test(count: int) -> None:
        results = [_drifted(k) for k in range(count)]
        expected = _plan(policy, results, (), 1e6)
        for given_as in (tuple(results), dict(enumerate(results)).values(), iter(results)):
            found = policy(given_as, history=iter(()), now=1e6)
            require(repr(found) == repr(expected), f"{type(given_as).__name__}: {found}, not {expected}")

    return test


def plans_many_results_within_the_time_limit(policy: Policy) -> Callable[[], None]:
    """Check that very many results are planned within the time limit of one call, and that none is lost."""

    @given(st.just(MANY))
    def test(count: int) -> None:
        found = Counter(map(id, _all(_plan(policy, results := [*map(_drifted, range(count))], (), 1e6))))
        require(found == Counter(map(id, results)), f"of {count} results some are lost or repeated")

    return test


def _drifted(k: int) -> DriftResult:
    return DriftResult(
        drifted=True, score=2.0, threshold=1.0, test="ks/raw/absolute", feature=f"f{k}", execution_id=f"x{k}"
    )


def follows_its_decisions(policy: Policy, decisions: Decisions | None) -> Callable[[], None]:
    """Check that alerts, suppressions and raised thresholds follow the rules of the decisions alone."""
    parsed = None if decisions is None else ParsedDecisions(decisions)

    @given(_situations(policy, decisions))
    def test(situation: Situation) -> None:
        plan = _plan(policy, *situation)
        if parsed is not None:
            require_decided_plan(plan, parsed, Row(*situation))

    return test


def _storm() -> tuple[tuple[Any, ...], dict[str, Any]]:
    results = [
        DriftResult(
            drifted=True, score=2.0, threshold=1.0, test="t", feature=f"f{k % 500}", execution_id=f"x{k}"
        )
        for k in range(2_000)
    ]
    earlier = [Alert(members=(each,), raised_at=1e6 - k) for k, each in enumerate(results[:500])]
    return (results,), {"history": earlier, "now": 1e6}


CONTRACT: Final = Contract(
    properties=(
        includes_every_drifted_result_once,
        never_suppresses_critical_results,
        suppresses_nothing_without_a_time,
        ignores_the_order,
        has_the_highest_severity_of_its_members,
        raises_thresholds_only_after_alerts,
        rejects_arguments_that_are_not_results,
        accepts_results_in_any_iterable,
        plans_many_results_within_the_time_limit,
        follows_its_decisions,
    ),
    boundary_table=boundary_table,
    former_names={
        "loses_no_drifted_result": "includes_every_drifted_result_once",
        "suppresses_nothing_critical": "never_suppresses_critical_results",
        "holds_nothing_back_without_a_moment": "suppresses_nothing_without_a_time",
        "forgets_the_order": "ignores_the_order",
        "is_as_grave_as_its_members": "has_the_highest_severity_of_its_members",
        "raises_bars_only_after_alerts": "raises_thresholds_only_after_alerts",
        "refuses_what_is_no_result": "rejects_arguments_that_are_not_results",
        "takes_results_in_any_container": "accepts_results_in_any_iterable",
        "plans_very_many_results_in_time": "plans_many_results_within_the_time_limit",
        "does_what_its_decisions_say": "follows_its_decisions",
    },
    signature="(drift_results, *, history=(), now=None)",
    workloads=(WorkloadCase("an alert storm", _storm),),
)
