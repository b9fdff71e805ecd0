"""A run in the making: its data, how it was thinned out, its deadline; then what came of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from poet.runtime.context import field
from poet.runtime.recovery._attempt import Attempt, attempt
from poet.runtime.recovery._default import default_monitor
from poet.runtime.recovery._tables import Size, by_feature, sample_rows, size_of, sparse_view
from poet.runtime.results import MonitoringOutcome

__all__ = ["Run", "prepare"]

_FOR_RECOVERY = 0.3  # of a deadline, kept for what is tried after the first attempt
_SHORTEST_S = 0.05  # less is not worth a process


def prepare(data: Any, *, monitor: Any = None, context: Any = None, version: int = 0) -> "Run":
    """Measure the data and make a run of it.

    Raises
    ------
    TypeError
        `monitor` cannot be called.
    """
    if monitor is not None and not callable(monitor):
        raise TypeError(f"monitor is a {type(monitor).__name__}, expected a function of the data")
    return Run(
        data=data,
        monitor=default_monitor(context) if monitor is None else monitor,
        size=size_of(data),
        computation=str(field(context, "computation", "")),
        version=version,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A monitor with its data; every step gives a new run."""

    data: Any
    monitor: Callable[[Any], Any]
    size: Size
    computation: str = ""
    version: int = 0
    strategy: str = "full"
    quality_loss: float = 0.0
    warnings: tuple[str, ...] = ()
    deadline_s: float | None = None

    @property
    def rows(self) -> int:
        """Rows of the data as it now is."""
        return self.size.rows

    @property
    def features(self) -> int:
        """Features of the data."""
        return self.size.features

    @property
    def missing_share(self) -> float:
        """What the feature lacks that lacks most, 0 to 1."""
        return self.size.missing_share

    def sparse(self, missing_above: float, *, quality_loss: float) -> "Run":
        """Look at presence instead of values where a feature lacks more than this share."""
        data, names = sparse_view(self.data, missing_above)
        said = f"only the presence of {', '.join(names)[:200]} is monitored"
        return self._thinned(data, "sparse", quality_loss, said)

    def sampled(self, rows: int, *, quality_loss: float) -> "Run":
        """Look at so many evenly spaced rows; fewer than there are."""
        if self.rows <= rows:
            return self
        said = f"{rows} of {self.rows} rows are monitored"
        return self._thinned(sample_rows(self.data, rows), "sampled", quality_loss, said)

    def until(self, seconds: float, *, per_rows: float, per_features: float) -> "Run":
        """Set the deadline: seconds x rows ** per_rows x features ** per_features."""
        scale: float = max(self.rows, 1) ** per_rows * max(self.features, 1) ** per_features
        return replace(self, deadline_s=seconds * scale)

    def is_within(self, rows: tuple[int, int], features: tuple[int, int]) -> bool:
        """Tell whether feedback covered a table of this size."""
        return rows[0] <= self.rows <= rows[1] and features[0] <= max(self.features, 1) <= features[1]

    def start(self, *, spare: bool = False) -> "Started":
        """Run the monitor; with `spare`, three tenths of a deadline are kept for what is tried afterwards."""
        begun = time.monotonic()
        end = None if self.deadline_s is None else begun + self.deadline_s
        kept = _FOR_RECOVERY if spare else 0.0
        share = None if self.deadline_s is None else self.deadline_s * (1.0 - kept)
        first = attempt(lambda: self.monitor(self.data), share)
        return Started(self, first, begun, end)

    def _thinned(self, data: Any, strategy: str, quality_loss: float, said: str) -> "Run":
        return replace(
            self,
            data=data,
            size=replace(size_of(data), missing_share=self.size.missing_share),
            strategy=strategy,
            quality_loss=1.0 - (1.0 - self.quality_loss) * (1.0 - quality_loss),
            warnings=(*self.warnings, said),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Started:
    """A run after its first attempt."""

    run: Run
    first: Attempt
    begun: float  # monotonic seconds
    end: float | None

    @property
    def error(self) -> str:
        """The kind of the fault, empty when there was none."""
        return self.first.error

    def outcome(self) -> MonitoringOutcome:
        """Say what came of the first attempt."""
        return self._outcome(self.run, self.first, self.run.warnings)

    def recover(
        self, strategies: Sequence[str], *, rows: int, quality_losses: Sequence[float]
    ) -> MonitoringOutcome:
        """Try strategies in their order until one comes back, within what is left of the deadline."""
        warnings = (*self.run.warnings, f"{self.first.error}: {self.first.said}")
        for strategy, loss in zip(strategies, quality_losses, strict=True):
            left = None if self.end is None else self.end - time.monotonic()
            if left is not None and left < _SHORTEST_S:
                warnings = (*warnings, f"no time was left for {strategy}")
                break
            run = self._changed(strategy, rows, loss)
            tried = _by_feature(run, left) if strategy == "by_feature" else _once(run, left)
            if not tried.error:
                return self._outcome(run, tried, (*warnings, *run.warnings[len(self.run.warnings) :]))
            warnings = (*warnings, f"{strategy}: {tried.error}: {tried.said}")
        return self._outcome(self.run, Attempt(error=self.first.error, said="nothing else helped"), warnings)

    def _changed(self, strategy: str, rows: int, loss: float) -> Run:
        if strategy == "sampled":
            return replace(self.run.sampled(rows, quality_loss=loss), strategy=strategy)
        if strategy == "sparse":
            return self.run.sparse(0.0, quality_loss=loss)
        kept = 1.0 - (1.0 - self.run.quality_loss) * (1.0 - loss)
        return replace(self.run, strategy=strategy, quality_loss=kept)

    def _outcome(self, run: Run, tried: Attempt, warnings: tuple[str, ...]) -> MonitoringOutcome:
        unbounded = ("no deadline can be kept on this system",) if self.first.has_no_deadline else ()
        said = (f"{tried.error}: {tried.said}",) if tried.error else ()
        return MonitoringOutcome(
            results=tried.results,
            strategy="failed" if tried.error else run.strategy,
            quality_loss=1.0 if tried.error else run.quality_loss,
            timed_out="timeout" in (self.first.error, tried.error),
            warnings=(*warnings, *said, *(tried.said,) * (not tried.error and bool(tried.said)), *unbounded),
            error=self.first.error,
            rows=self.run.rows,
            features=self.run.features,
            computation=self.run.computation,
            missing_share=self.run.missing_share,
            duration_ms=1000.0 * (time.monotonic() - self.begun),
            policy_version=self.run.version,
        )


def _once(run: Run, seconds: float | None) -> Attempt:
    return attempt(lambda: run.monitor(run.data), seconds)


def _by_feature(run: Run, seconds: float | None) -> Attempt:
    """Run the monitor on each feature alone and leave out those on which it fails."""
    try:
        parts = by_feature(run.data)
    except (TypeError, KeyError, IndexError) as fault:
        return Attempt(error="value", said=f"{type(fault).__name__}: {fault}")

    def work() -> tuple[dict[str, Any], list[str]]:
        found: dict[str, Any] = {}
        lost: list[str] = []
        for name, part in parts.items():
            alone = attempt(lambda part=part: run.monitor(part), None)  # type: ignore[misc]
            if alone.error:
                lost.append(name)
            else:
                found[name] = _inner(alone.results, name)
        return found, lost

    tried = attempt(work, seconds)
    if tried.error:
        return tried
    found, lost = tried.results
    if not found:
        return Attempt(error="value", said="it fails on every feature")
    return Attempt(results=found, said=f"without {', '.join(lost)[:200]}" if lost else "")


def _inner(results: Any, name: str) -> Any:
    """Give a monitor's result for one feature; one that answers by feature answers for it alone."""
    return results[name] if isinstance(results, dict) and set(results) == {name} else results
