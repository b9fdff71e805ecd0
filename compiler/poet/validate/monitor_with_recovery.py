"""The contract of `monitor_with_recovery`: it comes back, it says how, it leaves nothing behind."""

import threading
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from poet.runtime.results import MonitoringOutcome
from poet.validate._contract import Broken, Contract, Policy, demand, no_boundary_table

__all__ = ["CONTRACT"]

TABLES: st.SearchStrategy[Any] = st.sampled_from([
    {}, {"a": []}, {"a": [1.0, 2.0]}, {"a": [None] * 5, "b": [1.0] * 5}, None, 5, "no table", [[1, 2], [3]],
])  # fmt: skip
FAULTS = st.sampled_from([
    ValueError, ZeroDivisionError, MemoryError, TimeoutError, KeyError, RecursionError, OSError, RuntimeError,
])  # fmt: skip


def _outcome(policy: Policy, data: Any, monitor: Any) -> MonitoringOutcome:
    outcome = policy(data, monitor=monitor)
    if not isinstance(outcome, MonitoringOutcome):
        raise Broken(f"it answers {type(outcome).__name__}, not MonitoringOutcome")
    return outcome


def hands_over_what_the_monitor_found(policy: Policy) -> Callable[[], None]:
    """Hand over the results of a monitor that works as they are, without a warning."""

    @given(TABLES, st.integers())
    def test(data: Any, found: int) -> None:
        outcome = _outcome(policy, data, lambda _data: found)
        demand(outcome.results == found, f"the monitor found {found}, handed over was {outcome.results!r}")
        demand(outcome.timed_out is False and not outcome.warnings, f"an outcome without a fault: {outcome}")

    return test


def never_raises_for_a_fault(policy: Policy) -> Callable[[], None]:
    """Answer a fault of the data or of the monitor with an outcome that names it."""

    @given(TABLES, FAULTS)
    def test(data: Any, fault: type[Exception]) -> None:
        def broken(_data: Any) -> None:
            raise fault("on purpose")

        outcome = _outcome(policy, data, broken)
        demand(bool(outcome.warnings), f"nothing is said of a {fault.__name__}: {outcome}")
        demand(
            bool(outcome.strategy) and outcome.strategy != "full", f"a failed run passes for full: {outcome}"
        )
        demand(0.0 <= outcome.quality_loss <= 1.0, f"a quality loss of {outcome.quality_loss}")

    return test


def leaves_nothing_behind(policy: Policy) -> Callable[[], None]:
    """No thread is left when it has come back."""

    @given(TABLES)
    def test(data: Any) -> None:
        before = threading.active_count()
        _outcome(policy, data, lambda _data: 1)
        demand(threading.active_count() <= before, "a thread is left behind")

    return test


CONTRACT = Contract(
    properties=(hands_over_what_the_monitor_found, never_raises_for_a_fault, leaves_nothing_behind),
    boundary_table=no_boundary_table,
)
