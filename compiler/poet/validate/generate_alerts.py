"""The contract of `generate_alerts`: every drifted result exactly once, nothing critical held back."""

from collections import Counter
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from poet.runtime.results import AlertPlan, DriftResult
from poet.validate._contract import Broken, Contract, Policy, demand, no_boundary_table

__all__ = ["CONTRACT"]


@st.composite
def _results(draw: st.DrawFn) -> list[DriftResult]:
    n = draw(st.integers(0, 12))
    features = draw(st.lists(st.sampled_from(["a", "b", "price", "click_rate"]), min_size=n, max_size=n))
    return [
        DriftResult(
            drifted=draw(st.booleans()),
            score=draw(st.floats(0.0, 10.0)),
            threshold=1.0,
            test="ks/raw/absolute",
            feature=feature,
            execution_id=f"x{row}",
        )
        for row, feature in enumerate(features)
    ]


def _plan(policy: Policy, results: list[DriftResult]) -> AlertPlan:
    plan = policy(results)
    if not isinstance(plan, AlertPlan):
        raise Broken(f"it answers {type(plan).__name__}, not AlertPlan")
    return plan


def loses_no_drifted_result(policy: Policy) -> Callable[[], None]:
    """Have every drifted result exactly once in an alert or, with its rule, among the suppressed."""

    @given(_results())
    def test(results: list[DriftResult]) -> None:
        plan = _plan(policy, results)
        shown = Counter(member.execution_id for alert in plan.alerts for member in alert.members)
        hidden = Counter(each.member.execution_id for each in plan.suppressed)
        wanted = Counter(result.execution_id for result in results if result.drifted)
        demand(
            shown + hidden == wanted,
            f"alerts {dict(shown)}, suppressed {dict(hidden)}, drifted {dict(wanted)}",
        )
        demand(all(each.rule for each in plan.suppressed), "something is suppressed without a rule")
        demand(all(alert.members for alert in plan.alerts), "an alert is about nothing")

    return test


def suppresses_nothing_critical(policy: Policy) -> Callable[[], None]:
    """Suppress nothing of critical severity, and give every alert a severity."""

    @given(_results())
    def test(results: list[DriftResult]) -> None:
        plan = _plan(policy, results)
        demand(all(alert.severity for alert in plan.alerts), "an alert has no severity")
        critical = [each for each in plan.suppressed if "critical" in each.member.reason]
        demand(not critical, f"critical results are suppressed: {critical}")

    return test


def forgets_the_order_of_results(policy: Policy) -> Callable[[], None]:
    """Forget the order of the input and what was planned before."""

    @given(_results())
    def test(results: list[DriftResult]) -> None:
        here, there = _plan(policy, results), _plan(policy, results[::-1])
        demand(here == there, f"the order of the results decides: {here} or {there}")

    return test


CONTRACT = Contract(
    properties=(loses_no_drifted_result, suppresses_nothing_critical, forgets_the_order_of_results),
    boundary_table=no_boundary_table,
)
