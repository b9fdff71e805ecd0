"""Runs of a monitor: measured, reduced or simplified, with a deadline and recovery.

`prepare_run` starts every run with the data, the monitor and the size of the data. After a run that failed,
`Run.recover` tries it again on a sample, on presence, unchanged, or feature by feature. Without a monitor
of the caller, `drift_monitor` detects drift of a current table against a reference.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, cast

from poet_runtime.context import get, member
from poet_runtime.errors import SampleError
from poet_runtime.recovery.process import CAN_FORK, Answer, Fault, attempt, call_apart
from poet_runtime.recovery.tables import Matrix, Rows, is_pair, open_table
from poet_runtime.recovery.views import Measures, by_feature, measure, sample_rows, sparse_view
from poet_runtime.results import DriftResult, MonitoringOutcome

Data: TypeAlias = (
    Any  # a table or a pair of tables, as `prepare_run` describes; anything else is not measured
)
Monitor: TypeAlias = Callable[[Any], Any]  # of the data, or of a sample, a view or one feature of them
Context: TypeAlias = Mapping[str, Any]  # scalars by name, such as "computation"; tables for the drift monitor
Call: TypeAlias = Callable[[Any, float | None], Answer | Fault]  # data and seconds left
_LISTED: Final = 10  # names in a warning


@dataclass(frozen=True, slots=True)
class Tried:
    """The outcome of an attempt, notes about it, and the share of features that it omits."""

    found: Answer | Fault
    notes: tuple[str, ...] = ()
    lost: float = 0.0


def once(call: Call, data: Any, left: float | None) -> Tried:
    """Run the monitor on all data."""
    return Tried(call(data, left))


def one_by_one(call: Call, data: Any, left: float | None) -> Tried:
    """Run the monitor feature by feature, and omit features on which it fails.

    Each feature may take an equal share of the remaining time.
    """
    end = None if left is None else time.monotonic() + left
    parts = attempt(lambda: list(by_feature(data)))
    if isinstance(parts, Fault):
        return Tried(parts)
    results: dict[str, Any] = {}
    faults: dict[str, Fault] = {}
    waiting = len(parts.results)
    for name, part in parts.results:
        found = call(part, None if end is None else (end - time.monotonic()) / waiting)
        waiting -= 1
        if isinstance(found, Fault):
            faults[name] = found
        else:
            results[name] = _own(found.results, name)
    if not results:
        return Tried(Fault(next(iter(faults.values())).kind, f"every feature failed: {_told(faults)}"))
    notes = (f"left out: {_told(faults)}",) if faults else ()
    return Tried(Answer(results), notes, lost=len(faults) / len(parts.results))


def listed(texts: Iterable[str]) -> str:
    """Return a list of the first ten texts and the number of the others."""
    held = list(texts)
    more = f" and {len(held) - _LISTED} more" if len(held) > _LISTED else ""
    return ", ".join(held[:_LISTED]) + more


def _told(faults: Mapping[str, Fault]) -> str:
    return listed(f"{name} ({fault.text})" for name, fault in faults.items())


def _own(results: Any, name: str) -> Any:
    """Return the feature's result if the monitor returns a mapping of features to results."""
    return results[name] if isinstance(results, Mapping) and name in results else results


RESERVED: Final = 0.25  # share of the deadline reserved for recovery after a run that times out
NO_FORK: Final = "this system cannot fork: the monitor ran in the caller's process and without a deadline"
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def deadline() -> float | None:
    """Return the deadline of the call for which a monitor runs, in seconds; None if there is none."""
    return _deadline.get()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """Data and a monitor, with the decisions about the run so far. Each decision returns a new run."""

    data: Data
    monitor: Monitor
    version: int
    started: float  # on the monotonic clock
    rows: int = 0  # to be monitored; of a pair those of the longer table
    features: int = 0
    missing_share: float = 0.0  # of the feature with the most missing values, in the original data
    computation: str = ""
    shares: Mapping[str, float] = dataclasses.field(default_factory=dict)  # missing now, by feature
    strategy: str = "full"
    quality_loss: float = 0.0
    warnings: tuple[str, ...] = ()
    seconds: float | None = None  # deadline of the whole call
    is_isolated: bool = False

    def sparse(self, *, missing_above: float, quality_loss: float) -> "Run":
        """Return a run on presence instead of values, in features that miss more than this share of values.

        `quality_loss` is a fraction of the quality of a run on all data, here and below.
        """
        return self._or_as_it_is(self._as_sparse(missing_above, quality_loss), "sparse")

    def sampled(self, rows: int, *, quality_loss: float) -> "Run":
        """Return a run on a systematic sample of this many rows."""
        return self._or_as_it_is(self._as_sampled(rows, quality_loss), "sampled")

    def with_deadline(self, seconds: float) -> "Run":
        """Return a run with a deadline for the whole call, in seconds."""
        return replace(self, seconds=seconds)

    def isolated(self) -> "Run":
        """Return a run in another process even without a deadline, so that the caller survives a crash."""
        return replace(self, is_isolated=True)

    def execute(self, *, reserve_time: bool = False) -> MonitoringOutcome:
        """Run the monitor. `reserve_time` keeps a quarter of the deadline for recovery."""
        warnings = self.warnings
        if not CAN_FORK and (self.is_isolated or self.seconds is not None):
            warnings = (*warnings, NO_FORK)
        found = self._call(self.data, self._left(until=1.0 - RESERVED if reserve_time else 1.0))
        failed = found if isinstance(found, Fault) else None
        return MonitoringOutcome(
            results=found.results if isinstance(found, Answer) else None,
            strategy="failed" if failed else self.strategy,
            quality_loss=1.0 if failed else self.quality_loss,
            timed_out=failed is not None and failed.kind == "timeout",
            warnings=(*warnings, failed.text) if failed else warnings,
            error=failed.kind if failed else "",
            rows=self.rows,
            features=self.features,
            computation=self.computation,
            missing_share=self.missing_share,
            duration_ms=self._duration_ms(),
            policy_version=self.version,
        )

    def recover(
        self, failed: MonitoringOutcome, *strategies: tuple[str, float], sample_rows: int = 0
    ) -> MonitoringOutcome:
        """Try strategies in order after a run that failed, until one returns a result.

        Each may take an equal share of the remaining time. The outcome keeps the error and the number of rows
        of the run that failed, and has a warning about the result of each strategy.

        Parameters
        ----------
        failed
            The outcome of the run that failed.
        strategies
            Pairs of a strategy ("sampled", "sparse", "by_feature" or "retry") and its quality loss.
        sample_rows
            The number of rows that "sampled" reads.
        """
        outcome = failed
        for place, (strategy, loss) in enumerate(strategies):
            run = self._again(strategy, sample_rows, loss)
            if isinstance(run, str):
                outcome = replace(outcome, warnings=(*outcome.warnings, f"{strategy}: {run}"))
                continue
            attempts = one_by_one if strategy == "by_feature" else once
            tried = attempts(self._call, run.data, self._left(shared_by=len(strategies) - place))
            outcome = _after(outcome, run, run.warnings[len(self.warnings) :], tried)
            if outcome.strategy != "failed":
                break
        return replace(outcome, duration_ms=self._duration_ms())

    def _again(self, strategy: str, rows: int, loss: float) -> "Run | str":
        """Return the run for a strategy, or the reason why there is none."""
        if strategy == "sampled":
            is_large = self.rows > rows
            return self._as_sampled(rows, loss) if is_large else f"not tried, there are {self.rows} rows"
        if strategy == "sparse":
            lacks = any(self.shares.values())
            return self._as_sparse(0.0, loss) if lacks else "not tried, nothing is missing"
        if strategy == "by_feature" and self.features <= 1:
            return "not tried, there are fewer than two features"
        return self._changed(strategy, {}, (), loss)

    def _as_sparse(self, above: float, loss: float) -> "Run | str":
        names = frozenset(name for name, share in self.shares.items() if share > above)
        view = attempt(lambda: sparse_view(self.data, names))
        if isinstance(view, Fault):
            return f"not possible, {view.text}"
        worst = sorted(names, key=lambda name: (-self.shares[name], name))
        says = f"values replaced by presence, because a share above {above:g} is missing: {listed(worst)}"
        shares = {name: 0.0 if name in names else share for name, share in self.shares.items()}
        return self._changed("sparse", {"data": view.results, "shares": shares}, (says,), loss)

    def _as_sampled(self, rows: int, loss: float) -> "Run | str":
        sample = attempt(lambda: sample_rows(self.data, rows))
        if isinstance(sample, Fault):
            return f"not possible, {sample.text}"
        says = f"monitored on a sample of {rows} of {self.rows} rows"
        return self._changed("sampled", {"data": sample.results, "rows": rows}, (says,), loss)

    def _changed(self, strategy: str, fields: Mapping[str, Any], says: tuple[str, ...], loss: float) -> "Run":
        return replace(
            self,
            strategy=strategy,
            quality_loss=_together(self.quality_loss, loss),
            warnings=(*self.warnings, *says),
            **fields,
        )

    def _or_as_it_is(self, run: "Run | str", strategy: str) -> "Run":
        if isinstance(run, Run):
            return run
        return replace(self, warnings=(*self.warnings, f"{strategy}: {run}"))

    def _call(self, data: Any, left: float | None) -> Answer | Fault:
        """Run the monitor once, for at most `left` seconds.

        If processes cannot be forked, the monitor can read its deadline but is not stopped. No further run
        starts after the deadline.
        """
        if left is None and not self.is_isolated:
            return attempt(lambda: self.monitor(data))
        if left is not None and left <= 0.0:
            return Fault("timeout", f"no time was left before the deadline of {self.seconds} s")

        def call() -> Any:
            before = _deadline.set(self.seconds)
            try:
                return self.monitor(data)
            finally:
                _deadline.reset(before)

        if not CAN_FORK:
            return attempt(call)
        late = f"the monitor did not return in time; the deadline of the whole call is {self.seconds} s"
        return call_apart(call, seconds=left, late=late)

    def _left(self, *, until: float = 1.0, shared_by: int = 1) -> float | None:
        """Return the remaining seconds of the deadline, or of this share of it."""
        if self.seconds is None:
            return None
        return (until * self.seconds - (time.monotonic() - self.started)) / shared_by

    def _duration_ms(self) -> float:
        return 1000.0 * (time.monotonic() - self.started)


def _together(first: float, then: float) -> float:
    """Return the total quality loss of two successive losses, the second of which reduces the remainder."""
    return first + then * (1.0 - first)


def _after(failed: MonitoringOutcome, run: Run, notes: tuple[str, ...], tried: Tried) -> MonitoringOutcome:
    said = (*failed.warnings, *notes)
    if isinstance(tried.found, Fault):
        return replace(
            failed,
            timed_out=failed.timed_out or tried.found.kind == "timeout",
            warnings=(*said, f"{run.strategy}: {tried.found.text}"),
        )
    return replace(
        failed,
        results=tried.found.results,
        strategy=run.strategy,
        quality_loss=_together(run.quality_loss, tried.lost),
        warnings=(*said, *tried.notes),
    )


_NULL_Q90_TIMES: Final = 1.7  # as in the calibrated preset of `detect_drift`


@dataclass(frozen=True, slots=True)
class Pair:
    """A current table and its reference, with the times of their rows if known."""

    current: Any
    reference: Any
    current_times: Any = None
    reference_times: Any = None


def drift_pair(data: Any, context: Any) -> Pair:
    """Return both tables: `current` and `reference` of the data, or the data and the context's reference."""
    if isinstance(data, Pair):
        return data
    if isinstance(data, Pair):
        return data
    if is_pair(data):
        current, reference = get(data, "current"), get(data, "reference")
        times = (get(data, "current_times"), get(data, "reference_times"))
    else:
        current, reference = data, get(context, "reference")
        times = (get(context, "current_times"), get(context, "reference_times"))
    return Pair(_named(current), _named(reference), *times)


def drift_monitor(context: Any) -> Callable[[Any], dict[str, DriftResult]]:
    """Return the monitor that detects drift column by column.

    Raises
    ------
    SampleError
        The context's `detect_drift` is not a function.
    """
    # Imported only if needed, and here, because otherwise every child process would import it again.
    from poet_runtime.drift.table import detect_drift_table  # noqa: PLC0415

    own = member(context, "detect_drift")
    if own is not None and not callable(own):
        raise SampleError(
            f"context['detect_drift'] must be a function like detect_drift, got {type(own).__name__}"
        )
    detect = _calibrated() if own is None else cast("Callable[..., DriftResult]", own)
    told = _scalars(context)

    def monitor(data: Any) -> dict[str, DriftResult]:
        pair = drift_pair(data, context)
        if pair.reference is None:
            raise SampleError(
                "there is no reference to compare with; pass data as a mapping of current and reference "
                "tables, or a table and context={'reference': table}, or your own monitor"
            )
        return detect_drift_table(
            detect,
            pair.current,
            pair.reference,
            current_times=pair.current_times,
            reference_times=pair.reference_times,
            context=told,
        )

    return monitor


def _calibrated() -> Callable[..., DriftResult]:
    """Return the best untuned rule, which compares the distance with the reference's self-distances."""
    from poet_runtime.drift.comparison import compare  # noqa: PLC0415 -- as above

    def detect(current: Any, reference: Any, **told: Any) -> DriftResult:
        samples = compare(current, reference, **told)
        if not samples.comparable:
            return samples.not_compared()
        if samples.is_categorical:
            return samples.result(samples.ratio("chi_square") > _NULL_Q90_TIMES, rule="categorical")
        return samples.result(
            samples.ratio("wasserstein", preparation="deseasonalized") > _NULL_Q90_TIMES
            or samples.ratio("mean_absolute_difference") > _NULL_Q90_TIMES,
            rule="numeric",
        )

    return detect


def _scalars(context: Any) -> dict[str, Any] | None:
    """Return the context's scalars for the detector, without the tables and functions for the monitor."""
    if not isinstance(context, Mapping):
        return None
    return {name: value for name, value in context.items() if isinstance(value, str | bool | int | float)}


def _named(table: Any) -> Any:
    """Return a table without column names as a mapping of columns, named by their positions."""
    opened = open_table(table)
    if isinstance(opened, Matrix | Rows):
        return {name: opened.column(place) for place, name in enumerate(opened.names)}
    return table


def prepare_run(data: Data, monitor: Monitor | None, context: Context | None, *, version: int) -> Run:
    """Measure `data` and return the run of `monitor`.

    >>> from poet_runtime.recovery import prepare_run
    >>> outcome = prepare_run({"age": [1, 2]}, lambda data: sum(data["age"]), {}, version=1).execute()
    >>> outcome.results, outcome.strategy, outcome.rows
    (3, 'full', 2)

    Parameters
    ----------
    data
        The monitor's argument. Mappings of columns, pandas, polars and pyarrow tables, arrays, lists of rows,
        and pairs of such tables (`current`, `reference`) are measured. Anything else is passed on unchanged.
    monitor
        The function to call with the data. By default it detects drift of `current` against `reference` (of
        the data or of the context) with the context's `detect_drift` or with the calibrated rule.
    context
        A mapping or an object; `computation` names the work.
    version
        The version of the policy.

    Raises
    ------
    SampleError
        `monitor`, or the context's `detect_drift`, is not a function.
    """
    started = time.monotonic()
    if monitor is None:
        monitor = drift_monitor(context)
        paired = attempt(lambda: drift_pair(data, context))
        if isinstance(paired, Answer) and paired.results.reference is not None:
            data = paired.results  # otherwise the monitor reports what is wrong with them
    elif not callable(monitor):
        raise SampleError(f"monitor must be a function of the data, or None, got {type(monitor).__name__}")
    measured = attempt(lambda: measure(data))
    size = measured.results if isinstance(measured, Answer) else Measures()
    computation = get(context, "computation", "")
    return Run(
        data=data,
        monitor=monitor,
        version=version,
        started=started,
        rows=size.rows,
        features=size.features,
        missing_share=size.missing_share,
        shares=size.missing_shares,
        computation=computation if isinstance(computation, str) else "",
    )
