"""The contract of `monitor_with_recovery`: it returns, reports how, and leaves no resources behind."""

import os
import threading
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from poet.build.contract import Contract, ContractViolation, Policy, WorkloadCase, has_children, require
from poet.build.samples import numeric
from poet.policies.monitor_with_recovery.oracle import boundary_table, warnings_of
from poet_runtime.results import MonitoringOutcome

TABLES: Final[st.SearchStrategy[Any]] = st.sampled_from([
    {}, {"a": []}, {"a": [1.0, 2.0]}, {"a": [None] * 5, "b": [1.0] * 5}, None, 5, "no table", [[1, 2], [3]],
    {"current": {"a": [1.0]}, "reference": {"a": [2.0]}}, {"a": 1}, [None, "x", 3.0], object(),
])  # fmt: skip


class _Outlaw(BaseException):
    """A fault that `except Exception` does not catch and that is not a request to exit."""


FAULTS: Final[dict[type[BaseException], str]] = {
    ValueError: "value", ZeroDivisionError: "value", KeyError: "value", MemoryError: "memory", OSError: "io",
    TimeoutError: "timeout", RecursionError: "other", RuntimeError: "other", _Outlaw: "other",
}  # fmt: skip


def _outcome(policy: Policy, data: Any, monitor: Any, **keywords: Any) -> MonitoringOutcome:
    outcome = policy(data, monitor=monitor, **keywords)
    if not isinstance(outcome, MonitoringOutcome):
        raise ContractViolation(f"it returns {type(outcome).__name__}, not MonitoringOutcome")
    require(0.0 <= outcome.quality_loss <= 1.0, f"a quality loss of {outcome.quality_loss}")
    require(all(isinstance(each, str) and each for each in outcome.warnings), f"warnings: {outcome.warnings}")
    return outcome


def returns_the_results_of_the_monitor_unchanged(policy: Policy) -> Callable[[], None]:
    """Check that results are returned unchanged; a full run sees the original data and has no warnings."""

    @given(TABLES, st.integers())
    def test(data: Any, found: int) -> None:
        outcome = _outcome(policy, data, lambda seen: (found, seen is data))
        require(isinstance(outcome.results, tuple), f"the monitor found {found}, got {outcome.results!r}")
        require(outcome.results[0] == found, f"the monitor found {found}, got {outcome.results[0]!r}")
        require(outcome.timed_out is False and not outcome.error, f"an outcome without a fault: {outcome}")
        is_full = outcome.strategy == "full"
        require(outcome.results[1] is is_full, f"{outcome.strategy}, but with other data: {outcome}")
        require(
            bool(warnings_of(outcome)) is not is_full, f"{outcome.strategy} with warnings {outcome.warnings}"
        )
        require(not is_full or outcome.quality_loss == 0.0, f"a full run that lost quality: {outcome}")

    return test


def reports_faults_instead_of_raising(policy: Policy) -> Callable[[], None]:
    """Check that a fault of the data or the monitor leads to an outcome with its name and kind."""

    @given(TABLES, st.sampled_from(sorted(FAULTS, key=repr)))
    def test(data: Any, fault: type[BaseException]) -> None:
        def broken(_data: Any) -> None:
            raise fault("on purpose")

        outcome = _outcome(policy, data, broken)
        naming = [each for each in outcome.warnings if fault.__name__ in each]
        require(bool(naming), f"no warning names a {fault.__name__}: {outcome}")
        require(outcome.strategy == "failed", f"a failed run is reported as {outcome.strategy}: {outcome}")
        require(outcome.results is None, f"a failed run returns {outcome.results!r}")
        require(outcome.error == FAULTS[fault], f"a {fault.__name__} is reported as {outcome.error!r}")
        require(
            outcome.timed_out is (fault is TimeoutError), f"{fault.__name__}: timed out {outcome.timed_out}"
        )

    return test


def reports_a_missing_reference(policy: Policy) -> Callable[[], None]:
    """Check that the outcome reports when there is neither a monitor nor a reference."""

    @given(TABLES.filter(lambda data: not isinstance(data, dict) or "reference" not in data))
    def test(data: Any) -> None:
        outcome = _outcome(policy, data, None)
        require(outcome.strategy == "failed", f"without a reference it reports {outcome.strategy}")
        require(
            any("reference" in each for each in outcome.warnings),
            f"no warning about the reference: {outcome.warnings}",
        )

    return test


def detects_drift_without_a_monitor(policy: Policy) -> Callable[[], None]:
    """Check that without a monitor the drift of every column is detected against its reference."""

    @given(st.integers(0, 100), st.booleans())
    def test(seed: int, is_apart: bool) -> None:  # noqa: FBT001 -- Hypothesis passes them by position
        reference = numeric("normal", 200, seed)
        tables = {"same": reference, "other": reference + 9.0}, {"same": reference, "other": reference}
        current, before = ({name: [*map(float, table[name])] for name in table} for table in tables)
        data = current if is_apart else {"current": current, "reference": before}
        context = {"reference": before} if is_apart else None
        outcome = _outcome(policy, data, None, context=context)
        found = {name: result.drifted for name, result in (outcome.results or {}).items()}
        require(found == {"same": False, "other": True}, f"one of two columns was shifted by 9 sd: {outcome}")

    return test


def does_not_modify_its_data(policy: Policy) -> Callable[[], None]:
    """Check that the data are unchanged, whether the monitor succeeds or fails."""

    @given(TABLES, st.booleans())
    def test(data: Any, fails: bool) -> None:  # noqa: FBT001 -- Hypothesis passes them by position
        data = {"unsorted": [3.0, 1.0, 2.0]} | data if isinstance(data, dict) else data
        before = repr(data)
        _outcome(policy, data, (lambda _data: 1 / 0) if fails else (lambda _data: 1))
        require(repr(data) == before, f"{before} has become {data!r}")

    return test


def rejects_a_monitor_that_is_not_callable(policy: Policy) -> Callable[[], None]:
    """Check that a monitor that is not callable raises: it is the caller's error."""

    @given(st.sampled_from([3, "monitor", [len]]))
    def test(monitor: Any) -> None:
        try:
            outcome = policy({"a": [1.0]}, monitor=monitor)
        except TypeError:
            return
        raise ContractViolation(f"it accepts {monitor!r} as a monitor: {outcome}")

    return test


def is_deterministic(policy: Policy) -> Callable[[], None]:
    """Check that the same data lead to the same outcome, except for the duration."""

    @given(TABLES, st.integers(0, 3))
    def test(data: Any, found: int) -> None:
        def monitor(_data: Any) -> int:
            return found

        context = {"computation": "psi"}
        first, again = (
            {name: getattr(outcome, name) for name in MonitoringOutcome.__slots__ if name != "duration_ms"}
            for outcome in (_outcome(policy, data, monitor, context=context) for _ in range(2))
        )
        require(first == again, f"{first}, then {again}")
        require(first["computation"] == "psi", f"the computation is {first['computation']!r}, not 'psi'")

    return test


def releases_all_resources(policy: Policy) -> Callable[[], None]:
    """Check that no thread, process or open file is left after the call."""

    @given(TABLES, st.booleans())
    def test(data: Any, fails: bool) -> None:  # noqa: FBT001 -- Hypothesis passes them by position
        before, lowest = threading.active_count(), _lowest_free_number()
        _outcome(policy, data, (lambda _data: 1 / 0) if fails else (lambda _data: 1))
        require(threading.active_count() <= before, "a thread is left behind")
        require(not has_children(), "a process is left behind")
        require(_lowest_free_number() == lowest, "a file is left open")

    return test


def _lowest_free_number() -> int:
    number = os.dup(1)
    os.close(number)
    return number


def _long_table() -> tuple[tuple[Any, ...], dict[str, Any]]:
    data = {f"f{k}": np.zeros(200_000) for k in range(5)}
    return (data,), {"monitor": len}


CONTRACT: Final = Contract(
    properties=(
        returns_the_results_of_the_monitor_unchanged,
        reports_faults_instead_of_raising,
        reports_a_missing_reference,
        detects_drift_without_a_monitor,
        does_not_modify_its_data,
        rejects_a_monitor_that_is_not_callable,
        is_deterministic,
        releases_all_resources,
    ),
    boundary_table=boundary_table,
    may_fork=True,
    former_names={
        "answers_the_same_again": "is_deterministic",
        "hands_over_what_the_monitor_found": "returns_the_results_of_the_monitor_unchanged",
        "never_raises_for_a_fault": "reports_faults_instead_of_raising",
        "says_where_there_is_no_reference": "reports_a_missing_reference",
        "leaves_its_data_alone": "does_not_modify_its_data",
        "refuses_what_is_no_monitor": "rejects_a_monitor_that_is_not_callable",
        "leaves_nothing_behind": "releases_all_resources",
    },
    signature="(data, *, monitor=None, context=None)",
    workloads=(WorkloadCase("a long table", _long_table),),
)
