"""A run says how it was made smaller or plainer, what failed, and what was tried after that."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from poet_runtime.errors import SampleError
from poet_runtime.recovery import Run, deadline, prepare_run
from poet_runtime.results import DriftResult, MonitoringOutcome

TABLE: dict[str, list[float | None]] = {"a": [1.0, None, None, None], "b": [1.0, 2.0, 3.0, None]}


def run_of(monitor: Callable[[Any], Any] | None = len, data: Any = None, context: Any = None) -> Run:
    """Prepare a run over the small table."""
    return prepare_run(TABLE if data is None else data, monitor, context, version=3)


def after(
    run: Run, *strategies: str, rows: int = 2, losses: tuple[float, ...] | None = None
) -> MonitoringOutcome:
    """Run in full, then try these strategies."""
    losses = losses or (0.2,) * len(strategies)
    return run.recover(run.execute(), *zip(strategies, losses, strict=True), sample_rows=rows)


def raises(fault: BaseException) -> Any:
    """Raise in an expression."""
    raise fault


def test_a_full_run_hands_over_what_was_found() -> None:
    """With what was measured, and no warning."""
    outcome = run_of(lambda data: data is TABLE, context={"computation": "psi"}).execute()
    assert (outcome.results, outcome.strategy, outcome.quality_loss, outcome.warnings) == (
        True,
        "full",
        0.0,
        (),
    )
    assert (outcome.rows, outcome.features, outcome.missing_share) == (4, 2, 0.75)
    assert (outcome.computation, outcome.policy_version, outcome.error) == ("psi", 3, "")
    assert 0.0 <= outcome.duration_ms < 1000.0


def test_a_sparse_run_sees_presence() -> None:
    """Of the columns above the cut alone, named in the warning, the worst first."""
    outcome = run_of(dict).sparse(missing_above=0.5, quality_loss=0.1).execute()
    assert outcome.results == {"a": [1.0, 0.0, 0.0, 0.0], "b": TABLE["b"]}
    assert (outcome.strategy, outcome.quality_loss) == ("sparse", 0.1)
    assert outcome.warnings == ("values replaced by presence, because a share above 0.5 is missing: a",)
    assert run_of(dict).sparse(missing_above=0.2, quality_loss=0.1).execute().warnings[0].endswith(": a, b")


def test_a_sampled_run_sees_fewer_rows() -> None:
    """And tells of how many."""
    outcome = run_of(lambda data: len(data["a"])).sampled(2, quality_loss=0.05).execute()
    assert (outcome.results, outcome.strategy, outcome.quality_loss, outcome.rows) == (2, "sampled", 0.05, 2)
    assert outcome.warnings == ("monitored on a sample of 2 of 4 rows",)


def test_losses_add_up_over_what_is_left() -> None:
    """Half of a half."""
    run = run_of(len).sparse(missing_above=0.5, quality_loss=0.5).sampled(2, quality_loss=0.5)
    assert (run.execute().quality_loss, run.execute().strategy, len(run.execute().warnings)) == (
        0.75,
        "sampled",
        2,
    )


def test_the_deadline_grows_with_the_data_that_are_monitored() -> None:
    """Rows after sampling; a monitor may ask for it."""
    run = run_of(lambda _data: deadline()).sampled(2, quality_loss=0.0)
    assert run.with_deadline(3.0 * run.rows**2.0 * run.features).execute().results == 3.0 * 2**2 * 2
    assert run.execute().results is None


def test_data_that_cannot_be_cut_are_monitored_as_they_are() -> None:
    """And the outcome says why."""
    outcome = run_of(lambda data: data, data="no table").sampled(2, quality_loss=0.1).execute()
    assert (outcome.results, outcome.strategy, outcome.quality_loss) == ("no table", "full", 0.0)
    assert outcome.warnings[0].startswith("sampled: not possible, SampleError('data must be a table")


def test_data_that_break_when_they_are_read_have_no_size() -> None:
    """The monitor may understand them."""

    class Broken(dict[str, Any]):
        def __iter__(self) -> Any:
            raise RuntimeError("no")

    outcome = run_of(lambda _data: 1, data=Broken()).execute()
    assert (outcome.results, outcome.strategy, outcome.rows) == (1, "full", 0)


@pytest.mark.parametrize("monitor", [3, "monitor", [len]])
def test_what_cannot_be_called_is_no_monitor(monitor: Any) -> None:
    """The caller's error, a TypeError."""
    with pytest.raises(SampleError, match="monitor must be a function"):
        run_of(monitor)


# after a failure


def test_a_failure_has_lost_everything() -> None:
    """And says what it was."""
    outcome = run_of(lambda _data: raises(ValueError("on purpose"))).execute()
    assert (outcome.results, outcome.strategy, outcome.quality_loss) == (None, "failed", 1.0)
    assert (outcome.error, outcome.timed_out, outcome.warnings) == (
        "value",
        False,
        ("ValueError('on purpose')",),
    )


def test_the_first_strategy_that_works_gives_the_result() -> None:
    """Those before it are told of, those after it are not tried."""
    calls: list[int] = []

    def fails_on_many(data: dict[str, Any]) -> int:
        calls.append(len(data["a"]) if "a" in data else 0)
        return len(data) if calls[-1] == 2 else raises(TimeoutError())

    outcome = after(run_of(fails_on_many), "retry", "sampled", "sparse", losses=(0.0, 0.05, 0.3))
    assert calls == [4, 4, 2]
    assert (outcome.results, outcome.strategy, outcome.quality_loss) == (2, "sampled", 0.05)
    assert (outcome.error, outcome.timed_out, outcome.rows) == ("timeout", True, 4)
    assert outcome.warnings == (
        "TimeoutError()",
        "retry: TimeoutError()",
        "monitored on a sample of 2 of 4 rows",
    )


def test_a_strategy_that_would_change_nothing_is_not_tried() -> None:
    """And the outcome says so."""
    run = run_of(lambda _data: raises(ValueError()), data={"a": [1.0, 2.0]})
    assert after(run, "sampled", "sparse", "by_feature").warnings == (
        "ValueError()",
        "sampled: not tried, there are 2 rows",
        "sparse: not tried, nothing is missing",
        "by_feature: not tried, there are fewer than two features",
    )


def test_a_sparse_retry_leaves_nothing_missing() -> None:
    """Not in a column that lacks little, and presence that was taken before stays."""

    def wants_all(data: dict[str, Any]) -> Any:
        return raises(ValueError()) if None in data["b"] else data

    outcome = after(run_of(wants_all).sparse(missing_above=0.5, quality_loss=0.1), "sparse")
    assert outcome.results == {"a": [1.0, 0.0, 0.0, 0.0], "b": [1.0, 1.0, 1.0, 0.0]}
    assert outcome.warnings[-1] == "values replaced by presence, because a share above 0 is missing: b"
    assert outcome.quality_loss == pytest.approx(0.1 + 0.9 * 0.2)


def test_feature_by_feature_leaves_out_those_that_fail() -> None:
    """Named, and counted as lost quality."""

    def dislikes_b(data: pd.DataFrame) -> dict[str, int]:
        return raises(ValueError("b")) if "b" in data else {str(name): len(data) for name in data}

    outcome = after(run_of(dislikes_b, pd.DataFrame(TABLE)), "by_feature", losses=(0.0,))
    assert (outcome.results, outcome.strategy, outcome.quality_loss) == ({"a": 4}, "by_feature", 0.5)
    assert outcome.warnings == ("ValueError('b')", "left out: b (ValueError('b'))")


def test_feature_by_feature_fails_where_every_feature_does() -> None:
    """The first ten are named."""
    data = {f"f{place}": [1.0] for place in range(12)}
    outcome = after(run_of(lambda _data: raises(ValueError()), data), "by_feature")
    assert outcome.strategy == "failed"
    assert outcome.warnings[-1].startswith("by_feature: every feature failed: f0 (ValueError()), f1 ")
    assert outcome.warnings[-1].endswith("f9 (ValueError()) and 2 more")


def test_an_isolated_run_survives_the_monitor() -> None:
    """Feature by feature, too."""
    import os

    run = run_of(lambda data: os._exit(1) if "b" in data else len(data), pd.DataFrame(TABLE)).isolated()
    outcome = after(run, "by_feature")
    assert (outcome.error, outcome.results, outcome.strategy) == ("crash", {"a": 4}, "by_feature")


# without a monitor


def drifting() -> dict[str, dict[str, Any]]:
    """Give a pair of tables in which one feature moved."""
    rng = np.random.default_rng(7)
    reference = {"moved": rng.normal(size=400), "same": rng.normal(size=400), "kind": ["x", "y"] * 200}
    current = {"moved": rng.normal(3.0, size=200), "same": rng.normal(size=200), "kind": ["x", "y"] * 100}
    return {"current": current, "reference": reference}


def drifted(outcome: MonitoringOutcome) -> dict[str, bool]:
    """Name what drifted."""
    return {name: result.drifted for name, result in outcome.results.items()}


def matrix(table: dict[str, Any]) -> Any:
    """Give the numbers of a table as an array."""
    return np.array([table["moved"], table["same"]]).T


def test_without_a_monitor_drift_is_detected() -> None:
    """By the calibrated rule, over every column, under a deadline as well."""
    expected = {"moved": True, "same": False, "kind": False}
    pair = drifting()
    assert drifted(run_of(None, pair).execute()) == expected
    assert drifted(run_of(None, pair).with_deadline(60.0).execute()) == expected
    frames = {name: pd.DataFrame(table) for name, table in pair.items()}
    assert drifted(run_of(None, frames).execute()) == expected
    assert drifted(run_of(None, pair["current"], {"reference": pair["reference"]}).execute()) == expected


def test_tables_without_names_are_compared_by_place() -> None:
    """Arrays, and lists of rows."""
    pair = {name: matrix(table) for name, table in drifting().items()}
    assert drifted(run_of(None, pair).execute()) == {"0": True, "1": False}
    lists = {name: table.tolist() for name, table in pair.items()}
    assert drifted(run_of(None, lists).execute()) == {"0": True, "1": False}


def test_a_sample_of_a_pair_still_drifts() -> None:
    """Both tables are cut."""
    outcome = run_of(None, drifting()).sampled(150, quality_loss=0.1).execute()
    assert drifted(outcome)["moved"]
    assert (outcome.rows, outcome.results["moved"].profile.n_current) == (150, 150)


def test_a_change_of_missingness_is_seen_by_presence() -> None:
    """Where the reference was full and the current table lacks nearly everything."""
    pair = drifting()
    pair["current"]["same"] = np.where(np.arange(200) % 20 == 0, 1.0, np.nan)
    outcome = run_of(None, pair).sparse(missing_above=0.9, quality_loss=0.1).execute()
    assert (outcome.strategy, drifted(outcome)["same"]) == ("sparse", True)


def test_the_context_names_the_detector() -> None:
    """It gets the scalars of the context, and neither itself nor the tables."""
    seen: list[Any] = []

    def detect(_current: Any, _reference: Any, **told: Any) -> DriftResult:
        seen.append(told["context"])
        return DriftResult(drifted=True, score=1.0, threshold=0.0, test="mine", feature=told["feature"])

    pair = drifting()
    context = {"detect_drift": detect, "reference": pair["reference"], "period": 24.0, "computation": "mine"}
    outcome = run_of(None, pair["current"], context).execute()
    assert set(drifted(outcome)) == {"moved", "same", "kind"}
    assert seen[0] == {"period": 24.0, "computation": "mine"}
    with pytest.raises(SampleError, match="detect_drift"):
        run_of(None, pair, {"detect_drift": "ks"})


@pytest.mark.parametrize("data", [None, 5, TABLE, {"current": TABLE}, pd.DataFrame(TABLE), [[1.0]]])
def test_without_a_reference_the_outcome_says_what_to_do(data: Any) -> None:
    """It is no drift that was not found."""
    outcome = prepare_run(data, None, None, version=1).execute()
    assert (outcome.strategy, outcome.results, outcome.error) == ("failed", None, "value")
    assert "there is no reference to compare with; pass data as" in outcome.warnings[0]


def test_detection_feature_by_feature_leaves_out_what_cannot_be_read() -> None:
    """The results look as those of a full run."""

    def detect(_current: Any, _reference: Any, *, feature: str, **_told: Any) -> DriftResult:
        if feature == "same":
            raise MemoryError
        return DriftResult(drifted=False, score=0.0, threshold=1.0, test="mine", feature=feature)

    outcome = after(run_of(None, drifting(), {"detect_drift": detect}), "by_feature", losses=(0.0,))
    assert drifted(outcome) == {"moved": False, "kind": False}
    assert outcome.error == "memory"
    assert outcome.warnings[-1] == "left out: same (MemoryError())"
