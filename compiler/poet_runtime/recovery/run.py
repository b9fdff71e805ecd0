"""One run of a monitor: measured, made smaller or plainer, given a deadline, answered for.

The beginning of every run: what is monitored, by what, and how large it is.

What is tried after a run that failed: the same again, or feature by feature.

What is run where the caller brings no monitor: drift of a current table against a reference.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from poet_runtime.context import field, member
from poet_runtime.errors import SampleError
from poet_runtime.recovery.process import CAN_FORK, Answer, Fault, attempt, call_apart
from poet_runtime.recovery.tables import Matrix, Rows, is_pair, open_table
from poet_runtime.recovery.views import Measures, by_feature, measure, sample_rows, sparse_view
from poet_runtime.results import DriftResult, MonitoringOutcome

Call = Callable[[Any, float | None], Answer | Fault]  # data and seconds left
_LISTED: Final = 10  # names in a warning


@dataclass(frozen=True, slots=True)
class Tried:
    """What was found, what there is to say of it, and which share of the features is not in it."""

    found: Answer | Fault
    notes: tuple[str, ...] = ()
    lost: float = 0.0


def once(call: Call, data: Any, left: float | None) -> Tried:
    """Run the monitor over all of the data."""
    return Tried(call(data, left))


def one_by_one(call: Call, data: Any, left: float | None) -> Tried:
    """Run the monitor feature by feature, and leave out those on which it fails.

    A feature may take an equal share of the time that is left.
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
    """Give the first ten, and how many more there are."""
    held = list(texts)
    more = f" and {len(held) - _LISTED} more" if len(held) > _LISTED else ""
    return ", ".join(held[:_LISTED]) + more


def _told(faults: Mapping[str, Fault]) -> str:
    return listed(f"{name} ({fault.text})" for name, fault in faults.items())


def _own(results: Any, name: str) -> Any:
    """Give a feature's own result where a monitor answers by feature."""
    return results[name] if isinstance(results, Mapping) and name in results else results


STRATEGIES: Final = ("sampled", "sparse", "by_feature", "retry")
SPARED: Final = 0.25  # share of the deadline left to what is tried after a run whose time is over
NO_FORK: Final = "this system cannot fork: the monitor ran in the caller's process and without a deadline"
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def deadline() -> float | None:
    """Give the deadline of the call on behalf of which a monitor runs, in seconds; None: there is none."""
    return _deadline.get()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """Data and a monitor, with what was decided about the run so far. A decision gives a new run."""

    data: Any
    monitor: Callable[[Any], Any]
    version: int
    started: float  # on the monotonic clock
    rows: int = 0  # that are to be monitored; of a pair the longer table's
    features: int = 0
    missing_share: float = 0.0  # of the feature that lacks most, in the data as they came
    computation: str = ""
    shares: Mapping[str, float] = dataclasses.field(default_factory=dict)  # that each feature lacks now
    strategy: str = "full"
    quality_loss: float = 0.0
    warnings: tuple[str, ...] = ()
    seconds: float | None = None  # that the whole call may take
    is_isolated: bool = False

    def sparse(self, above: float, *, quality_loss: float) -> "Run":
        """Take presence in place of values in the features that lack more than this share."""
        return self._or_as_it_is(self._as_sparse(above, quality_loss), "sparse")

    def sampled(self, rows: int, *, quality_loss: float) -> "Run":
        """Take a systematic sample of so many rows."""
        return self._or_as_it_is(self._as_sampled(rows, quality_loss), "sampled")

    def within(self, *, seconds: float, per_rows: float = 0.0, per_features: float = 0.0) -> "Run":
        """Let the whole call take ``seconds * rows**per_rows * features**per_features`` seconds."""
        return replace(self, seconds=seconds * self.rows**per_rows * self.features**per_features)

    def isolated(self) -> "Run":
        """Run the monitor in another process even without a deadline, so that its crash is its own."""
        return replace(self, is_isolated=True)

    def full(self, *, spares_time: bool = False) -> MonitoringOutcome:
        """Run the monitor; `spares_time` keeps a quarter of the deadline for what is tried after it."""
        warnings = self.warnings
        if not CAN_FORK and (self.is_isolated or self.seconds is not None):
            warnings = (*warnings, NO_FORK)
        found = self._call(self.data, self._left(until=1.0 - SPARED if spares_time else 1.0))
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

    def recovered(
        self,
        failed: MonitoringOutcome,
        strategies: Sequence[str],
        *,
        quality_losses: Sequence[float],
        rows: int,
    ) -> MonitoringOutcome:
        """Try these strategies in their order after a run that failed, until one gives a result.

        Each may take an equal share of the time that is left. The outcome keeps the error of the run that
        failed, its number of rows too, and says of every strategy what came of it.
        """
        outcome = failed
        for place, (strategy, loss) in enumerate(zip(strategies, quality_losses, strict=True)):
            run = self._again(strategy, rows, loss)
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
        """Give the run that a strategy makes of this one, or say why it makes none."""
        if strategy == "sampled":
            is_large = self.rows > rows
            return self._as_sampled(rows, loss) if is_large else f"not tried, there are {self.rows} rows"
        if strategy == "sparse":
            lacks = any(self.shares.values())
            return self._as_sparse(0.0, loss) if lacks else "not tried, nothing is missing"
        if strategy == "by_feature" and self.features <= 1:
            return "not tried, there are no two features"
        return self._changed(strategy, {}, (), loss)

    def _as_sparse(self, above: float, loss: float) -> "Run | str":
        names = frozenset(name for name, share in self.shares.items() if share > above)
        view = attempt(lambda: sparse_view(self.data, names))
        if isinstance(view, Fault):
            return f"not possible, {view.text}"
        worst = sorted(names, key=lambda name: (-self.shares[name], name))
        says = f"monitored by presence, as they lack more than {above:g} of their values: {listed(worst)}"
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
        """Run the monitor once, for at most so many seconds.

        Where no process can be forked, the monitor can ask for its deadline, but nothing ends it. What would
        follow after the deadline is not started.
        """
        if left is None and not self.is_isolated:
            return attempt(lambda: self.monitor(data))
        if left is not None and left <= 0.0:
            return Fault("timeout", f"no time was left of the deadline of {self.seconds} s")

        def call() -> Any:
            before = _deadline.set(self.seconds)
            try:
                return self.monitor(data)
            finally:
                _deadline.reset(before)

        if not CAN_FORK:
            return attempt(call)
        late = f"the monitor did not come back in time, with a deadline of {self.seconds} s for all"
        return call_apart(call, seconds=left, late=late)

    def _left(self, *, until: float = 1.0, shared_by: int = 1) -> float | None:
        """Give the seconds that are left of the deadline, or until this share of it."""
        if self.seconds is None:
            return None
        return (until * self.seconds - (time.monotonic() - self.started)) / shared_by

    def _duration_ms(self) -> float:
        return 1000.0 * (time.monotonic() - self.started)


def _together(first: float, then: float) -> float:
    """Give the quality lost by one thing and then, of the rest, by another."""
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


_OWN_Q90_TIMES: Final = 1.7  # as the calibrated start of `detect_drift` has it


@dataclass(frozen=True, slots=True)
class Pair:
    """A current table and its reference, with the times of their rows where they are known."""

    current: Any
    reference: Any
    current_times: Any = None
    reference_times: Any = None


def drift_pair(data: Any, context: Any) -> Pair:
    """Find both tables: `current` and `reference` of the data, or the data and the context's reference."""
    if isinstance(data, Pair):
        return data
    if isinstance(data, Pair):
        return data
    if is_pair(data):
        current, reference = field(data, "current"), field(data, "reference")
        times = (field(data, "current_times"), field(data, "reference_times"))
    else:
        current, reference = data, field(context, "reference")
        times = (field(context, "current_times"), field(context, "reference_times"))
    return Pair(_named(current), _named(reference), *times)


def drift_monitor(context: Any) -> Callable[[Any], dict[str, DriftResult]]:
    """Give the monitor that detects drift column by column.

    Raises
    ------
    SampleError
        The context's `detect_drift` is no function.
    """
    # only who needs it pays for it, and here, for a child process would pay again every time
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
                "there is no reference to compare with; give data as a mapping of current and reference "
                "tables, or a table and context={'reference': table}, or a monitor of your own"
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
    """Give the best untuned rule: the current sample is further off than the reference is from itself."""
    from poet_runtime.drift.comparison import compare  # noqa: PLC0415 -- as above
    from poet_runtime.drift.criteria import above  # noqa: PLC0415 -- as above

    def detect(current: Any, reference: Any, **told: Any) -> DriftResult:
        samples = compare(current, reference, **told)
        if samples.reason:
            return samples.undecided()
        if samples.is_categorical:
            return samples.decide("categorical", above("chi_square", "raw", "own_q90", _OWN_Q90_TIMES))
        return samples.decide(
            "numeric",
            above("wasserstein", "deseasonalised", "own_q90", _OWN_Q90_TIMES),
            above("roughness", "raw", "own_q90", _OWN_Q90_TIMES),
        )

    return detect


def _scalars(context: Any) -> dict[str, Any] | None:
    """Give what a detector's context may hold: not the tables and functions that are meant for us."""
    if not isinstance(context, Mapping):
        return None
    return {name: value for name, value in context.items() if isinstance(value, str | bool | int | float)}


def _named(table: Any) -> Any:
    """Give a table without names as a mapping of columns, named by their places."""
    opened = open_table(table)
    if isinstance(opened, Matrix | Rows):
        return {name: opened.column(place) for place, name in enumerate(opened.names)}
    return table


def prepare(data: Any, monitor: Callable[[Any], Any] | None, context: Any, *, version: int) -> Run:
    """Measure `data` and hold it ready for `monitor`.

    Parameters
    ----------
    data
        What the monitor takes. A mapping of columns, a pandas, polars or pyarrow table, an array, a list of
        rows, and a pair of such tables (`current`, `reference`) are measured; all else is passed on as it is.
    monitor
        Called with the data. None: drift of `current` against `reference` (of the data, or of the context)
        by the context's `detect_drift`, or by the calibrated rule.
    context
        A mapping or an object; `computation` names the work.
    version
        Of the policy.

    Raises
    ------
    SampleError
        `monitor`, or the context's `detect_drift`, is no function.
    """
    started = time.monotonic()
    if monitor is None:
        monitor = drift_monitor(context)
        paired = attempt(lambda: drift_pair(data, context))
        if isinstance(paired, Answer) and paired.results.reference is not None:
            data = paired.results  # otherwise the monitor will say what is wrong with them
    elif not callable(monitor):
        raise SampleError(f"monitor must be a function of the data, or None, got {type(monitor).__name__}")
    measured = attempt(lambda: measure(data))
    size = measured.results if isinstance(measured, Answer) else Measures()
    computation = field(context, "computation", "")
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
