"""The outcome of a run reports reductions of the data, errors and the fallbacks that were tried."""

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
    """Return a prepared run over the small table."""
    return prepare_run(TABLE if data is None else data, monitor, context, version=3)


def after(
    run: Run, *strategies: str, rows: int = 2, losses: tuple[float, ...] | None = None
) -> MonitoringOutcome:
    """Run in full, then recover with these strategies."""
    losses = losses or (0.2,) * len(strategies)
    return run.recover(run.execute(), *zip(strategies, losses, strict=True), sample_rows=rows)


def raises(fault: BaseException) -> Any:
    """Raise an exception within an expression."""
    raise fault


def test_a_full_run_returns_the_results_of_the_monitor() -> None:
    """The outcome has the measured size and duration, and no warning."""
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


def test_a_sparse_run_replaces_values_by_presence() -> None:
    """Only columns above the threshold are replaced; the warning lists them, the sparsest first."""
    outcome = run_of(dict).sparse(missing_above=0.5, quality_loss=0.1).execute()
    assert outcome.results == {"a": [1.0, 0.0, 0.0, 0.0], "b": TABLE["b"]}
    assert (outcome.strategy, outcome.quality_loss) == ("sparse", 0.1)
    assert outcome.warnings == ("values replaced by presence, because a share above 0.5 is missing: a",)
    assert run_of(dict).sparse(missing_above=0.2, quality_loss=0.1).execute().warnings[0].endswith(": a, b")


def test_a_sampled_run_has_fewer_rows() -> None:
    """The warning has the number of rows in the sample and in the table."""
    outcome = run_of(lambda data: len(data["a"])).sampled(2, quality_loss=0.05).execute()
    assert (outcome.results, outcome.strategy, outcome.quality_loss, outcome.rows) == (2, "sampled", 0.05, 2)
    assert outcome.warnings == ("monitored on a sample of 2 of 4 rows",)


def test_quality_losses_are_compounded() -> None:
    """Two losses of one half leave a quarter of the quality."""
    run = run_of(len).sparse(missing_above=0.5, quality_loss=0.5).sampled(2, quality_loss=0.5)
    assert (run.execute().quality_loss, run.execute().strategy, len(run.execute().warnings)) == (
        0.75,
        "sampled",
        2,
    )


def test_a_deadline_depends_on_the_size_of_the_monitored_data() -> None:
    """The size is measured after sampling, and a monitor can read its deadline."""
    run = run_of(lambda _data: deadline()).sampled(2, quality_loss=0.0)
    assert run.with_deadline(3.0 * run.rows**2.0 * run.features).execute().results == 3.0 * 2**2 * 2
    assert run.execute().results is None


def test_data_that_cannot_be_sampled_are_monitored_unchanged() -> None:
    """The warning has the reason."""
    outcome = run_of(lambda data: data, data="no table").sampled(2, quality_loss=0.1).execute()
    assert (outcome.results, outcome.strategy, outcome.quality_loss) == ("no table", "full", 0.0)
    assert outcome.warnings[0].startswith("sampled: not possible, SampleError('data must be a table")


def test_data_that_raise_when_they_are_read_have_no_size() -> None:
    """The monitor still runs, because it may be able to read them."""

    class Broken(dict[str, Any]):
        def __iter__(self) -> Any:
            raise RuntimeError("no")

    outcome = run_of(lambda _data: 1, data=Broken()).execute()
    assert (outcome.results, outcome.strategy, outcome.rows) == (1, "full", 0)


@pytest.mark.parametrize("monitor", [3, "monitor", [len]])
def test_a_monitor_must_be_callable(monitor: Any) -> None:
    """Anything else is an error of the caller."""
    with pytest.raises(SampleError, match="monitor must be a function"):
        run_of(monitor)


# after a failure


def test_a_failure_has_no_results_and_a_quality_loss_of_one() -> None:
    """The outcome has the kind of the error, and the warning has the exception."""
    outcome = run_of(lambda _data: raises(ValueError("on purpose"))).execute()
    assert (outcome.results, outcome.strategy, outcome.quality_loss) == (None, "failed", 1.0)
    assert (outcome.error, outcome.timed_out, outcome.warnings) == (
        "value",
        False,
        ("ValueError('on purpose')",),
    )


def test_the_first_strategy_that_succeeds_gives_the_result() -> None:
    """Earlier strategies are reported in the warnings, and later ones are not tried."""
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
    """The warnings have the reason for every strategy that was not tried."""
    run = run_of(lambda _data: raises(ValueError()), data={"a": [1.0, 2.0]})
    assert after(run, "sampled", "sparse", "by_feature").warnings == (
        "ValueError()",
        "sampled: not tried, there are 2 rows",
        "sparse: not tried, nothing is missing",
        "by_feature: not tried, there are fewer than two features",
    )


def test_a_sparse_retry_leaves_no_missing_values() -> None:
    """Columns with few missing values are replaced too, and columns replaced earlier are unchanged."""

    def wants_all(data: dict[str, Any]) -> Any:
        return raises(ValueError()) if None in data["b"] else data

    outcome = after(run_of(wants_all).sparse(missing_above=0.5, quality_loss=0.1), "sparse")
    assert outcome.results == {"a": [1.0, 0.0, 0.0, 0.0], "b": [1.0, 1.0, 1.0, 0.0]}
    assert outcome.warnings[-1] == "values replaced by presence, because a share above 0 is missing: b"
    assert outcome.quality_loss == pytest.approx(0.1 + 0.9 * 0.2)


def test_a_run_by_feature_omits_features_that_fail() -> None:
    """The omitted features are listed in the warning and counted as quality loss."""

    def dislikes_b(data: pd.DataFrame) -> dict[str, int]:
        return raises(ValueError("b")) if "b" in data else {str(name): len(data) for name in data}

    outcome = after(run_of(dislikes_b, pd.DataFrame(TABLE)), "by_feature", losses=(0.0,))
    assert (outcome.results, outcome.strategy, outcome.quality_loss) == ({"a": 4}, "by_feature", 0.5)
    assert outcome.warnings == ("ValueError('b')", "left out: b (ValueError('b'))")


def test_a_run_by_feature_fails_if_every_feature_fails() -> None:
    """The warning lists the first ten features."""
    data = {f"f{place}": [1.0] for place in range(12)}
    outcome = after(run_of(lambda _data: raises(ValueError()), data), "by_feature")
    assert outcome.strategy == "failed"
    assert outcome.warnings[-1].startswith("by_feature: every feature failed: f0 (ValueError()), f1 ")
    assert outcome.warnings[-1].endswith("f9 (ValueError()) and 2 more")


def test_an_isolated_run_survives_a_crash_of_the_monitor() -> None:
    """A run by feature in separate processes survives it as well."""
    import os

    run = run_of(lambda data: os._exit(1) if "b" in data else len(data), pd.DataFrame(TABLE)).isolated()
    outcome = after(run, "by_feature")
    assert (outcome.error, outcome.results, outcome.strategy) == ("crash", {"a": 4}, "by_feature")


# without a monitor


def drifting() -> dict[str, dict[str, Any]]:
    """Return a pair of tables in which one feature has drifted."""
    rng = np.random.default_rng(7)
    reference = {"moved": rng.normal(size=400), "same": rng.normal(size=400), "kind": ["x", "y"] * 200}
    current = {"moved": rng.normal(3.0, size=200), "same": rng.normal(size=200), "kind": ["x", "y"] * 100}
    return {"current": current, "reference": reference}


def drifted(outcome: MonitoringOutcome) -> dict[str, bool]:
    """Return for each feature whether it drifted."""
    return {name: result.drifted for name, result in outcome.results.items()}


def matrix(table: dict[str, Any]) -> Any:
    """Return the numeric columns of a table as an array."""
    return np.array([table["moved"], table["same"]]).T


def test_without_a_monitor_drift_detection_runs() -> None:
    """The calibrated rule is applied to every column, with and without a deadline."""
    expected = {"moved": True, "same": False, "kind": False}
    pair = drifting()
    assert drifted(run_of(None, pair).execute()) == expected
    assert drifted(run_of(None, pair).with_deadline(60.0).execute()) == expected
    frames = {name: pd.DataFrame(table) for name, table in pair.items()}
    assert drifted(run_of(None, frames).execute()) == expected
    assert drifted(run_of(None, pair["current"], {"reference": pair["reference"]}).execute()) == expected


def test_columns_without_names_are_compared_by_position() -> None:
    """The tables are arrays or lists of rows."""
    pair = {name: matrix(table) for name, table in drifting().items()}
    assert drifted(run_of(None, pair).execute()) == {"0": True, "1": False}
    lists = {name: table.tolist() for name, table in pair.items()}
    assert drifted(run_of(None, lists).execute()) == {"0": True, "1": False}


def test_drift_is_detected_in_a_sample_of_a_pair() -> None:
    """Both tables are sampled."""
    outcome = run_of(None, drifting()).sampled(150, quality_loss=0.1).execute()
    assert drifted(outcome)["moved"]
    assert (outcome.rows, outcome.results["moved"].profile.n_current) == (150, 150)


def test_a_sparse_run_detects_a_change_in_missing_values() -> None:
    """The reference has no missing values, and the current table has almost only missing values."""
    pair = drifting()
    pair["current"]["same"] = np.where(np.arange(200) % 20 == 0, 1.0, np.nan)
    outcome = run_of(None, pair).sparse(missing_above=0.9, quality_loss=0.1).execute()
    assert (outcome.strategy, drifted(outcome)["same"]) == ("sparse", True)


def test_the_context_may_contain_the_detector() -> None:
    """The detector gets the scalars of the context, but neither itself nor the tables."""
    seen: list[Any] = []

    def detect(_current: Any, _reference: Any, **details: Any) -> DriftResult:
        seen.append(details["context"])
        return DriftResult(drifted=True, score=1.0, threshold=0.0, test="mine", feature=details["feature"])

    pair = drifting()
    context = {"detect_drift": detect, "reference": pair["reference"], "period": 24.0, "computation": "mine"}
    outcome = run_of(None, pair["current"], context).execute()
    assert set(drifted(outcome)) == {"moved", "same", "kind"}
    assert seen[0] == {"period": 24.0, "computation": "mine"}
    with pytest.raises(SampleError, match="detect_drift"):
        run_of(None, pair, {"detect_drift": "ks"})


@pytest.mark.parametrize("data", [None, 5, TABLE, {"current": TABLE}, pd.DataFrame(TABLE), [[1.0]]])
def test_without_a_reference_the_outcome_has_the_next_step(data: Any) -> None:
    """A missing reference is an error and is not reported as the absence of drift."""
    outcome = prepare_run(data, None, None, version=1).execute()
    assert (outcome.strategy, outcome.results, outcome.error) == ("failed", None, "value")
    assert "there is no reference to compare with; pass data as" in outcome.warnings[0]


def test_detection_by_feature_omits_features_that_fail() -> None:
    """The results have the same form as those of a full run."""

    def detect(_current: Any, _reference: Any, *, feature: str, **_details: Any) -> DriftResult:
        if feature == "same":
            raise MemoryError
        return DriftResult(drifted=False, score=0.0, threshold=1.0, test="mine", feature=feature)

    outcome = after(run_of(None, drifting(), {"detect_drift": detect}), "by_feature", losses=(0.0,))
    assert drifted(outcome) == {"moved": False, "kind": False}
    assert outcome.error == "memory"
    assert outcome.warnings[-1] == "left out: same (MemoryError())"
