"""One run of a monitor: measured, made smaller or plainer, given a deadline, answered for."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from poet.runtime.recovery._attempts import Tried, listed, once, one_by_one
from poet.runtime.recovery._faults import Answer, Fault
from poet.runtime.recovery._message import attempt
from poet.runtime.recovery._process import CAN_FORK, call_apart
from poet.runtime.recovery._views import sample_rows, sparse_view
from poet.runtime.results import MonitoringOutcome

__all__ = ["SPARED", "STRATEGIES", "Run", "deadline"]

STRATEGIES = ("sampled", "sparse", "by_feature", "retry")
SPARED = 0.25  # share of the deadline left to what is tried after a run whose time is over
_NO_FORK = "this system cannot fork: the monitor ran in the caller's process and without a deadline"
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
    shares: Mapping[str, float] = field(default_factory=dict)  # that each feature lacks now
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
            warnings = (*warnings, _NO_FORK)
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
        """Run the monitor once, for at most so many seconds."""
        if not CAN_FORK or (left is None and not self.is_isolated):
            return attempt(lambda: self.monitor(data))
        if left is not None and left <= 0.0:
            return Fault("timeout", f"no time was left of the deadline of {self.seconds} s")

        def call() -> Any:
            _deadline.set(self.seconds)
            return self.monitor(data)

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
